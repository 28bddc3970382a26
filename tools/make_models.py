#!/usr/bin/python3
"""Writes the ONNX models that the examples, the refusal tests and the fuzz corpus use.

Only needed to change them: the files themselves are in the repository. Needs Debian's
python3-onnx and python3-numpy. Run from the repository's root; the output is the same on each run.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES = 30
HIDDEN = 16
OPSET = 17
INPUT = "features"


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def save(path, nodes, initializers, output, output_shape, check=True, input_shape=(FEATURES,)):
    shape = ["N", *input_shape]
    graph = helper.make_graph(
        nodes,
        pathlib.Path(path).stem,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)],
        initializers,
    )
    model = helper.make_model(
        graph, producer_name="anchorhold", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = 8
    if check:
        onnx.checker.check_model(model)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_bytes(model.SerializeToString(deterministic=True))


def glorot(random, outputs, inputs):
    """Uniform in +-sqrt(6 / (inputs + outputs)): Glorot and Bengio, 2010."""
    limit = np.sqrt(6 / (inputs + outputs))
    return random.uniform(-limit, limit, (outputs, inputs))


def logistic(path, features=FEATURES):
    nodes = [
        helper.make_node("Gemm", [INPUT, "weight", "bias"], ["logit"], name="linear", transB=1),
        helper.make_node("Sigmoid", ["logit"], ["probability"], name="sigmoid"),
    ]
    weights = [tensor("weight", np.zeros((1, features))), tensor("bias", np.zeros(1))]
    save(path, nodes, weights, "probability", ["N", 1], input_shape=(features,))


def mlp(path):
    random = np.random.default_rng(1)
    nodes = [
        helper.make_node(
            "Gemm", [INPUT, "hidden.weight", "hidden.bias"], ["sum"], name="hidden", transB=1
        ),
        helper.make_node("Tanh", ["sum"], ["activation"], name="tanh"),
        helper.make_node(
            "Gemm", ["activation", "output.weight", "output.bias"], ["logit"], name="output",
            transB=1,
        ),
        helper.make_node("Sigmoid", ["logit"], ["probability"], name="sigmoid"),
    ]
    weights = [
        tensor("hidden.weight", glorot(random, HIDDEN, FEATURES)),
        tensor("hidden.bias", np.zeros(HIDDEN)),
        tensor("output.weight", glorot(random, 1, HIDDEN)),
        tensor("output.bias", np.zeros(1)),
    ]
    save(path, nodes, weights, "probability", ["N", 1])


# What comes before the output in each refused model; the rest is a logistic regression.
def after(path, node, initializers, width=FEATURES, check=True):
    nodes = [
        node,
        helper.make_node("Gemm", ["h", "weight", "bias"], ["logit"], name="linear", transB=1),
        helper.make_node("Sigmoid", ["logit"], ["probability"], name="sigmoid"),
    ]
    weights = [tensor("weight", np.zeros((1, width))), tensor("bias", np.zeros(1))]
    save(path, nodes, weights + initializers, "probability", ["N", 1], check)


def refused(folder):
    ones = {name: tensor(name, np.ones(FEATURES)) for name in ("scale", "shift", "mean", "var")}
    norm = helper.make_node(
        "BatchNormalization", [INPUT, *ones], ["h", "new_mean", "new_var"], name="norm",
        training_mode=1,
    )
    after(f"{folder}/batch-norm-training.onnx", norm, list(ones.values()))
    after(
        f"{folder}/reduce-mean-over-batch.onnx",
        helper.make_node("ReduceMean", [INPUT], ["h"], name="mean", axes=[0], keepdims=1),
        [],
    )
    after(
        f"{folder}/reshape-batch-into-features.onnx",
        helper.make_node("Reshape", [INPUT, "shape"], ["h"], name="pair"),
        [tensor("shape", [-1, 2 * FEATURES], np.int64)],
        2 * FEATURES,
    )
    logistic(f"{folder}/narrow-input.onnx", 7)  # a good model, but not for 30 features
    after(
        f"{folder}/unsupported-operator.onnx",
        helper.make_node("NonMaxSuppression", [INPUT, INPUT], ["h"], name="boxes"),
        [],
        check=False,
    )


def corpus(folder):
    random = np.random.default_rng(2)

    def weights(*shape):
        return random.uniform(-1, 1, shape).round(1)

    def small(name, nodes, initializers, input_shape):
        save(f"{folder}/{name}.onnx", nodes, initializers, "y", ["N", None], input_shape=input_shape)

    node = helper.make_node
    small(
        "mlp",
        [
            node("Gemm", [INPUT, "w", "b"], ["h"], transB=1),
            node("Relu", ["h"], ["a"]),
            node("MatMul", ["a", "v"], ["z"]),
            node("Softmax", ["z"], ["y"], axis=-1),
        ],
        [tensor("w", weights(3, 2)), tensor("b", weights(3)), tensor("v", weights(3, 2))],
        (2,),
    )
    small(
        "view",
        [
            node("Shape", [INPUT], ["shape"]),
            node("Gather", ["shape", "zero"], ["n"], axis=0),
            node("Unsqueeze", ["n", "axes"], ["n1"]),
            node("Concat", ["n1", "rest"], ["target"], axis=0),
            node("Reshape", [INPUT, "target"], ["flat"]),
            node("Mul", ["flat", "w"], ["y"]),
        ],
        [
            tensor("zero", 0, np.int64),
            tensor("axes", [0], np.int64),
            tensor("rest", [-1], np.int64),
            tensor("w", weights(4)),
        ],
        (2, 2),
    )
    small(
        "attention",
        [
            node("Transpose", [INPUT], ["t"], perm=[0, 2, 1]),
            node("MatMul", [INPUT, "t"], ["s"]),
            node("Softmax", ["s"], ["p"], axis=2),
            node("MatMul", ["p", INPUT], ["o"]),
            node("ReduceMean", ["o"], ["m"], axes=[1], keepdims=0),
            node("Constant", [], ["c"], value=tensor("c", weights(2))),
            node("Div", ["m", "c"], ["d"]),
            node("Clip", ["d", "low"], ["y"]),
        ],
        [tensor("low", -1.0)],
        (3, 2),
    )
    small(
        "norm",
        [
            node("BatchNormalization", [INPUT, "s", "b", "m", "v"], ["n"], epsilon=1e-3),
            node("Flatten", ["n"], ["f"], axis=1),
            node("Concat", ["f", "f"], ["c"], axis=1),
            node("LeakyRelu", ["c"], ["y"], alpha=0.2),
        ],
        [tensor(name, np.ones(2)) for name in "sbmv"],
        (2, 3),
    )


def main():
    logistic("examples/two-hospitals/models/logistic.onnx")
    mlp("examples/two-hospitals/models/mlp.onnx")
    refused("tests/refused")
    corpus("fuzz/corpus/onnx")


if __name__ == "__main__":
    main()
