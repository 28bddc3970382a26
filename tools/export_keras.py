#!/usr/bin/env python3
"""Exports small Keras networks with tf2onnx, with what TensorFlow computes with them: tests/exported.

The files are as export_models.py describes them. Only needed to change them. Needs TensorFlow,
tf2onnx, onnx and numpy (the files were written with TensorFlow 2.15.1, tf2onnx 1.17, onnx 1.15):

    python3 tools/export_keras.py tests/exported [NAME ...]
"""

import itertools
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tf2onnx
from onnx import numpy_helper
from safetensors_file import write_safetensors
from tensorflow.keras import Input, Model, backend
from tensorflow.keras import layers as L

BATCH = 2


def chain(shape, *layers, dtype=None):
    x = y = Input(shape, dtype=dtype, name="x")
    for layer in layers:
        y = layer(y)
    return Model(x, y)


def attention():
    x = Input((4, 8), name="x")
    y = L.LayerNormalization()(x + L.MultiHeadAttention(2, 4)(x, x))
    y = L.Dense(8, activation="gelu")(y)
    return Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(y)))


def residual():
    x = Input((6, 6, 2), name="x")
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(x)))
    y = L.Add()([y, L.DepthwiseConv2D(3, padding="same")(y)])
    y = L.Conv2D(4, 3, strides=2, padding="same", activation="swish")(y)
    return Model(x, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(y)))


# The network, the opset.
NETWORKS = {
    "keras-mlp": (lambda: chain((6,), L.Dense(8, activation="relu"), L.Dropout(0.3), L.Dense(3)), 13),
    "keras-cnn": (lambda: chain((8, 8, 1), L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(),
                                L.Conv2D(4, 3, padding="same", activation="elu"),
                                L.AveragePooling2D(), L.Flatten(), L.Dense(3)), 17),
    "keras-residual": (residual, 13),
    "keras-attention": (attention, 17),
    "keras-lstm": (lambda: chain((5,), L.Embedding(11, 4), L.Bidirectional(L.LSTM(3)), L.Dense(2),
                                 dtype="int32"), 13),
    "keras-gru": (lambda: chain((5, 3), L.GRU(4, return_sequences=True), L.GRU(3), L.Dense(2)), 17),
    "keras-unet": (lambda: chain((4, 4, 1), L.Conv2D(3, 3, padding="same", activation="relu"),
                                 L.MaxPooling2D(), L.Conv2D(4, 3, padding="same"),
                                 L.UpSampling2D(), L.Conv2D(1, 1)), 17),
    "keras-signal": (lambda: chain((8, 2), L.Conv1D(3, 3, dilation_rate=2, padding="causal"),
                                   L.LayerNormalization(), L.Activation("tanh"),
                                   L.GlobalMaxPooling1D(), L.Dense(2)), 13),
}


def settle(model):
    """Random numbers where fresh layers have zeros and ones, so that nothing is hidden."""
    for value in model.weights:
        if len(value.shape) == 1:
            value.assign(np.random.rand(*value.shape) * 0.5 + 0.3)


def found_in(model, graph):
    """Trained weights by initializer: (the weight's number, axes' order, the initializer's shape).
    Weights that tf2onnx stores in another form, a recurrent layer's, are left out, and so are the
    copies of a weight of which only the shape is read."""
    read = {name for node in graph.node if node.op_type != "Shape" for name in node.input}
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer if t.name in read}
    found = {}
    for k, weight in enumerate(model.trainable_weights):
        for order in itertools.permutations(range(len(weight.shape))):
            array = np.transpose(weight.numpy(), order).reshape(-1)
            for name, other in stored.items():
                if name not in found and np.array_equal(other.reshape(-1), array):
                    found[name] = (k, order, other.shape)
    return found


def reference(model, exported):
    shape = model.input.shape[1:]
    integers = model.input.dtype == tf.int32
    x = np.random.randint(0, 11, (BATCH, *shape)) if integers else np.random.randn(BATCH, *shape)
    x = x.astype(np.int32 if integers else np.float32)
    output = model(x, training=False).numpy()
    target = np.random.randn(*output.shape).astype(np.float32)
    tensors = {"input:x": x.astype(np.int64) if integers else x, "output": output, "target": target}
    for b in range(BATCH):
        with tf.GradientTape() as tape:
            y = model(x[b : b + 1], training=False)
            loss = tf.reduce_mean((y - target[b : b + 1]) ** 2)
        gradients = tape.gradient(loss, model.trainable_weights)
        for name, (k, order, shape) in found_in(model, exported.graph).items():
            gradient = tf.convert_to_tensor(gradients[k]).numpy()
            tensors[f"gradient:{b}:{name}"] = np.transpose(gradient, order).reshape(shape)
    return tensors


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or NETWORKS:
        make, opset = NETWORKS[name]
        backend.clear_session()
        tf.keras.utils.set_random_seed(sum(map(ord, name)))
        model = make()
        settle(model)
        exported, _ = tf2onnx.convert.from_keras(model, opset=opset)
        path = folder / f"{name}.onnx"
        path.write_bytes(exported.SerializeToString(deterministic=True))
        write_safetensors(path.with_suffix(".safetensors"), reference(model, exported))
        print(path, flush=True)


if __name__ == "__main__":
    main()
