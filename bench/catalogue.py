"""What the benchmark's networks are: their names, inputs and batches. networks.py has the layers."""

import dataclasses

IMAGE_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Network:
    title: str
    batch: int
    shape: tuple[int, ...]  # of one example
    classes: int = IMAGE_CLASSES
    words: int = 0  # 0: the inputs are reals; otherwise ids below this

    @property
    def is_image(self):
        return len(self.shape) == 3


SMALL = (3, 32, 32)

NETWORKS = {
    # The CNN of Opacus' MNIST example.
    "lenet": Network("LeNet-like CNN, 1x28x28", 256, (1, 28, 28)),
    # Six convolutions and three linear layers.
    "vgg9": Network("VGG9, 3x32x32", 64, SMALL),
    # He et al. 2015, section 4.2; shortcuts without parameters.
    "resnet32": Network("ResNet-32 GroupNorm, 3x32x32", 64, SMALL),
    # Howard et al. 2017 and Sandler et al. 2018, with the strides that suit small images.
    "mobilenetv1": Network("MobileNetV1 GroupNorm, 3x32x32", 64, SMALL),
    "mobilenetv2": Network("MobileNetV2 GroupNorm, 3x32x32", 64, SMALL),
    # Tan and Le 2019.
    "efficientnet_b0": Network("EfficientNet-B0 GroupNorm, 3x224x224", 16, (3, 224, 224), 1000),
    # An encoder of DistilBERT's size: 6 layers of width 768.
    "distilbert32": Network("DistilBERT-size encoder, 32 tokens", 16, (32,), 2, 30522),
    "distilbert128": Network("DistilBERT-size encoder, 128 tokens", 16, (128,), 2, 30522),
    # The mean of word vectors and two linear layers.
    "textmlp": Network("text MLP, 5000x64", 256, (64,), 4, 5000),
    # Three convolutions over time, as for an electrocardiogram of 12 leads.
    "signals": Network("signals CNN, 12x256", 64, (12, 256), 5),
    # Three convolutions over three axes, as for a piece of a CT.
    "volumes": Network("volumes CNN GroupNorm, 1x32x32x32", 16, (1, 32, 32, 32), 2),
}
