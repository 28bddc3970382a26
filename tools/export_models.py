#!/usr/bin/env python3
"""Exports small PyTorch networks to ONNX, with what PyTorch computes with them: tests/exported.

For each network and exporter writes NAME.onnx and NAME.safetensors, which holds the inputs for two
examples ("input:x"), the first output ("output"), targets for it ("target"), and the gradient of the
mean squared error of each example by itself under each initializer's name ("gradient:0:w"; the
second example's is "gradient:1:w"). Only needed to change the files. Needs PyTorch, onnx, onnxscript
and numpy (the files were written with PyTorch 2.8.0):

    python3 tools/export_models.py tests/exported [NAME ...]
"""

import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch
from export_networks import BATCH, networks
from onnx import numpy_helper
from safetensors_file import write_safetensors

# The exporter (the TorchScript-based one, or the one based on torch.export) and the opset.
VARIANTS = {"ts13": (False, 13), "ts17": (False, 17), "ex18": (True, 18), "ex20": (True, 20)}
# Kept: both exporters for the networks where they differ most, one for the others.
KEPT = {
    "mlp": ("ts17", "ex20"), "lenet": ("ts13",), "resnet-bn": ("ts13", "ex18"),
    "resnet-gn": ("ts17",), "mobilenet": ("ex18",), "vit": ("ts17", "ex20"),
    "mha-batch-first": ("ts13", "ex18"), "mha-sequence-first": ("ts17",), "encoder": ("ts17",),
    "gpt2": ("ts13", "ex18"), "gpt2-sdpa": ("ts17", "ex20"), "bert": ("ts17", "ex18"),
    "lstm": ("ts17",), "gru": ("ts13",), "lstm-last": ("ts17",), "mean-of-words": ("ex18",),
    "unet-transpose": ("ts13",), "unet-bilinear": ("ts17", "ex18"), "autoencoder": ("ts17",),
    "written-out": ("ts13", "ex20"), "signal": ("ts17",), "recommender": ("ts13", "ex18"),
    "llama": ("ts17", "ex18"),
}


def settle(module):
    """Random numbers where fresh layers have zeros and ones, so that nothing is hidden."""
    with torch.no_grad():
        for name, value in list(module.named_parameters()) + list(module.named_buffers()):
            if not value.is_floating_point() or name in ("cos", "sin"):
                continue
            if name.endswith("running_var") or (value.dim() == 1 and name.endswith("weight")):
                value.copy_(torch.rand_like(value) + 0.5)
            elif value.dim() == 1:
                value.copy_(torch.randn_like(value) * 0.2)
            else:  # layers that were copied get weights of their own
                value.add_(torch.randn_like(value) * 0.05)


def recurrent_forms(module):
    """A recurrent layer's weights as ONNX stores them: gates in another order, directions stacked.
    Yields functions of the named parameters, or of their gradients."""
    for prefix, layer in module.named_modules():
        if not isinstance(layer, (torch.nn.LSTM, torch.nn.GRU)):
            continue
        order = [0, 3, 1, 2] if isinstance(layer, torch.nn.LSTM) else [1, 0, 2]

        def gates(array, order=order):
            parts = np.split(array, len(order))
            return np.concatenate([parts[k] for k in order])

        ends = ["", "_reverse"] if layer.bidirectional else [""]
        for k in range(layer.num_layers):
            for kind in ("weight_ih", "weight_hh"):
                names = [f"{prefix}.{kind}_l{k}{end}" for end in ends]
                yield lambda p, names=names, gates=gates: np.stack([gates(p[n]) for n in names])
            names = [[f"{prefix}.bias_{side}_l{k}{end}" for side in ("ih", "hh")] for end in ends]
            yield lambda p, names=names, gates=gates: np.stack(
                [np.concatenate([gates(p[n]) for n in pair]) for pair in names])


def forms(module):
    """Every way in which an exporter may store a parameter."""
    for name, value in module.named_parameters():
        yield lambda p, name=name: p[name]
        if value.dim() == 2:
            yield lambda p, name=name: p[name].T
        # Slopes and scales that broadcast along the channels, and embeddings of known positions.
        shapes = [(-1, 1), (-1, 1, 1), (1, -1)] if value.dim() == 1 else [(1, *value.shape)]
        for shape in shapes:
            yield lambda p, name=name, shape=shape: p[name].reshape(shape)
    yield from recurrent_forms(module)


def strip(model):
    """Drops what names files of the machine: stack traces and documentation."""
    del model.metadata_props[:]
    model.doc_string = ""
    model.graph.doc_string = ""
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        value.doc_string = ""
        if hasattr(value, "metadata_props"):
            del value.metadata_props[:]
    return model


def export(module, inputs, names, path, exporter, opset):
    batch = {name: {0: "batch"} for name in names}
    normalised = any(isinstance(m, torch.nn.BatchNorm2d) for m in module.modules())
    options = {"input_names": names, "output_names": ["y"], "opset_version": opset}
    if exporter:
        shapes = tuple({0: torch.export.Dim("batch")} for _ in names)
        # Optimised, a batch normalisation would be folded into the convolution before it.
        torch.onnx.export(module, tuple(inputs), path, dynamo=True, external_data=False,
                          optimize=not normalised, dynamic_shapes=shapes, verbose=False, **options)
    else:
        mode = torch.onnx.TrainingMode.PRESERVE if normalised else torch.onnx.TrainingMode.EVAL
        torch.onnx.export(module, tuple(inputs), path, dynamo=False, training=mode,
                          dynamic_axes={**batch, "y": {0: "batch"}}, **options)
    model = strip(onnx.load(path))
    path.write_bytes(model.SerializeToString(deterministic=True))
    return model


def reference(module, inputs, names, model):
    output = module(*inputs).detach()
    target = torch.randn_like(output)
    tensors = {f"input:{n}": x.numpy() for n, x in zip(names, inputs)}
    tensors["output"], tensors["target"] = output.numpy(), target.numpy()
    values = {n: p.detach().numpy() for n, p in module.named_parameters()}
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    found = {}
    missing = set(values)
    for form in forms(module):
        array = form(values)
        for name, other in stored.items():
            if name not in found and other.shape == array.shape and np.array_equal(other, array):
                found[name] = form
                marked = form({n: np.full_like(v, i) for i, (n, v) in enumerate(values.items())})
                missing -= {n for i, n in enumerate(values) if i in marked}
    if missing:
        print("  not found among the initializers:", sorted(missing))
    for b in range(BATCH):
        module.zero_grad()
        y = module(*(x[b : b + 1] for x in inputs))
        (y - target[b : b + 1]).pow(2).mean().backward()
        gradients = {n: p.grad.numpy() for n, p in module.named_parameters()}
        for name, form in found.items():
            tensors[f"gradient:{b}:{name}"] = np.array(form(gradients), dtype=np.float32)
    return tensors


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    everything = "--all" in sys.argv
    chosen = [a for a in sys.argv[2:] if not a.startswith("--")]
    warnings.filterwarnings("ignore")
    torch.backends.mha.set_fastpath_enabled(False)
    for name in networks():
        if chosen and name not in chosen:
            continue
        for variant in VARIANTS if everything else KEPT[name]:
            torch.manual_seed(sum(map(ord, name)))
            module, inputs, input_names = networks()[name]
            settle(module)
            module.eval()
            path = folder / f"{name}-{variant}.onnx"
            print(path, flush=True)
            try:
                model = export(module, inputs, input_names, path, *VARIANTS[variant])
            except Exception as error:  # the exporter's own limits
                print("  the exporter fails:", str(error).splitlines()[0][:150])
                continue
            write_safetensors(path.with_suffix(".safetensors"),
                              reference(module, inputs, input_names, model))


if __name__ == "__main__":
    main()
