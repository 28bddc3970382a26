#!/usr/bin/python3
"""Writes models that the importer must refuse, and what each refusal must say: tests/refused/*.onnx
and tests/refused/expected.txt.

Each model tries to mix examples, or to carry something across the batch, in a way of its own. The
node called "attack" is the one to be refused. Only needed to change them: the files themselves are
in the repository. Needs Debian's python3-onnx and python3-numpy. Run from the repository's root; the
output is the same on each run.
"""

import pathlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path("tests/refused")
OPSET = 17
X = "x"
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
EXPECTED = []


def floats(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def ints(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.int64), name)


def step(op, inputs, outputs, name=None, **attributes):
    if isinstance(outputs, str):
        outputs = [outputs]
    return helper.make_node(op, inputs, outputs, name=name or f"make_{outputs[0]}", **attributes)


def attack(op, inputs, outputs, **attributes):
    return step(op, inputs, outputs, "attack", **attributes)


def refuse(name, mixing, remedy, nodes, constants=(), shape=(30,), output="y", error="privacy-refused",
           where="node 'attack'", opset=OPSET, batch="N", inputs=(), outputs=()):
    """One model: x [batch, shape] to `output`, and what its refusal says."""
    declared = [helper.make_tensor_value_info(X, FLOAT, [batch, *shape])]
    declared += [helper.make_tensor_value_info(i, kind, [batch, *s]) for i, kind, s in inputs]
    results = [helper.make_tensor_value_info(o, FLOAT, None) for o in (output, *outputs)]
    graph = helper.make_graph(list(nodes), name, declared, results, list(constants))
    model = helper.make_model(
        graph, producer_name="anchorhold", opset_imports=[helper.make_opsetid("", opset)]
    )
    model.ir_version = 8
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    EXPECTED.append((f"{name}.onnx", error, where, mixing, remedy))


def listed(name, error, where, mixing, remedy):
    """A model that make_models.py writes."""
    EXPECTED.append((f"{name}.onnx", error, where, mixing, remedy))


# The batch's size as a list of one number, "b", and as a scalar, "n".
BATCH = [
    step("Shape", [X], "dims"),
    step("Gather", ["dims", "zero"], "n", axis=0),
    step("Unsqueeze", ["n", "front"], "b"),
]
BATCH_CONSTANTS = [ints("zero", 0), ints("front", [0])]


def statistics():
    listed("batch-norm-training", "privacy-refused", "node 'norm'", "statistics over the batch",
           "GroupNormalization")
    listed("reduce-mean-over-batch", "privacy-refused", "node 'mean'", "so examples would mix",
           "reduce the other axes")
    ones = [floats(k, np.ones(4)) for k in ("s", "b", "m", "v")]
    refuse("batch-norm-training-old-form", "statistics over the batch", "GroupNormalization",
           [attack("BatchNormalization", [X, "s", "b", "m", "v"], ["y", "m1", "v1", "m2", "v2"])],
           ones, (4, 3), opset=13)
    # The examples as channels, normalised by their own statistics, but scaled by their place.
    refuse("batch-norm-with-a-scale-by-place", "place in the batch", "transpose the example axis",
           [step("Reshape", [X, "rows"], "r"),
            step("ReduceMean", ["r"], "m", axes=[0, 2, 3], keepdims=0),
            step("ReduceL2", ["r"], "v", axes=[0, 2, 3], keepdims=0),
            attack("BatchNormalization", ["r", "s", "m", "m", "v"], "n"),
            step("Reshape", ["n", "back"], "y")],
           [ints("rows", [1, -1, 15, 1]), ints("back", [-1, 30]), floats("s", [1, 2])])
    for op in ("Max", "Min", "L1", "L2", "Prod", "LogSumExp", "SumSquare"):
        refuse(f"reduce-{op.lower()}-over-batch", "example axis", "reduce the other axes",
               [attack(f"Reduce{op}", [X], "y", axes=[0], keepdims=1)])
    refuse("reduce-everything", "so examples would mix", "reduce the other axes",
           [attack("ReduceSum", [X], "total", keepdims=1), step("Add", [X, "total"], "y")])
    for op in ("ArgMax", "ArgMin"):
        refuse(f"{op.lower()}-over-batch", "example axis", "feature axis",
               [attack(op, [X], "best", axis=0), step("Cast", ["best"], "f", to=FLOAT),
                step("Add", [X, "f"], "y")])
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        refuse(f"{op.lower()}-over-batch", "example axis", "feature axis",
               [attack(op, [X], "y", axis=0)])
    refuse("softmax-flattened-over-batch", "example axis", "feature axis",
           [attack("Softmax", [X], "y", axis=0)], opset=11)
    refuse("lp-normalization-over-batch", "example axis", "feature axes",
           [attack("LpNormalization", [X], "y", axis=0, p=2)])
    refuse("layer-norm-axis-0", "example axis", "feature axes",
           [attack("LayerNormalization", [X, "s"], "y", axis=0)], [floats("s", np.ones(30))])
    refuse("instance-norm-after-transpose", "example axis", "transpose the example axis",
           [step("Transpose", [X], "t", perm=[1, 2, 0]),
            attack("InstanceNormalization", ["t", "s", "b"], "u"),
            step("Transpose", ["u"], "y", perm=[2, 0, 1])],
           [floats("s", np.ones(3)), floats("b", np.zeros(3))], (4, 3))
    refuse("group-norm-after-transpose", "example axis", "transpose the example axis",
           [step("Transpose", [X], "t", perm=[1, 0, 2]),
            attack("GroupNormalization", ["t", "s", "b"], "u", num_groups=1),
            step("Transpose", ["u"], "y", perm=[1, 0, 2])],
           [floats("s", np.ones(1)), floats("b", np.zeros(1))], (4, 3), opset=21)
    refuse("mean-variance-normalization-default-axes", "example axis", "feature axes",
           [attack("MeanVarianceNormalization", [X], "y")], (), (2, 3, 3))
    refuse("cumsum-over-batch", "example axis", "feature axis",
           [attack("CumSum", [X, "axis"], "y")], [ints("axis", 0)])
    refuse("loss-averaged-over-batch", "so examples would mix", "reduce the other axes",
           [attack("SoftmaxCrossEntropyLoss", [X, "label"], "y", reduction="mean")],
           inputs=[("label", INT64, ())])
    refuse("loss-weighted-by-batch", "so examples would mix", "reduce the other axes",
           [step("LogSoftmax", [X], "p"),
            attack("NegativeLogLikelihoodLoss", ["p", "label"], "y", reduction="sum")],
           inputs=[("label", INT64, ())])


def reshaping():
    keep = "keep the batch axis"
    listed("reshape-batch-into-features", "privacy-refused", "node 'pair'",
           "joins numbers of different examples", keep)
    refuse("reshape-batch-to-columns", "interleaves the examples", "transpose the example axis",
           [attack("Reshape", [X, "to"], "y")], [ints("to", [30, -1])])
    refuse("flatten-from-axis-0", "makes features of the batch axis", keep,
           [attack("Flatten", [X], "y", axis=0)])
    # [6 * B, 5] has the steps outside and the examples inside; [B, 6, 5] would read it otherwise.
    inner = [step("Transpose", [X], "t", perm=[1, 0, 2]), step("Reshape", ["t", "fold"], "f")]
    refuse("fold-with-batch-as-inner-factor", "interleaves the examples", "transpose the example axis",
           [*inner, attack("Reshape", ["f", "to"], "y")],
           [ints("fold", [-1, 5]), ints("to", [-1, 6, 5])], (6, 5))
    refuse("two-orders-of-the-examples-meet", "different examples would meet", "reshape both alike",
           [*inner, step("Reshape", [X, "fold"], "g"), attack("Add", ["f", "g"], "y")],
           [ints("fold", [-1, 5])], (6, 5))
    refuse("output-with-rows-apart", "rows of an example apart", "Reshape and Transpose", inner,
           [ints("fold", [-1, 5])], (6, 5), output="f", error="unsupported",
           where="the model's output 'f'")
    refuse("interleave-halves", "interleave", "transpose the example axis",
           [step("Reshape", [X, "halves"], "h"), step("Transpose", ["h"], "t", perm=[1, 0, 2]),
            attack("Reshape", ["t", "to"], "y")],
           [ints("halves", [0, 2, 15]), ints("to", [-1, 30])])
    refuse("unfold-wrongly", "examples", keep,
           [step("Reshape", [X, "rows"], "r"), attack("Reshape", ["r", "to"], "y")],
           [ints("rows", [-1, 5]), ints("to", [-1, 35])])
    # All examples in one row: written like that it is followed, and no row of features.
    row = step("Reshape", [X, "to"], "row")
    refuse("batch-in-one-row-multiplied", "sums over the example axis", "rows of the left operand",
           [row, attack("MatMul", ["row", "w"], "y")],
           [ints("to", [1, -1]), floats("w", np.ones((60, 2)))])
    refuse("batch-in-one-row-normalised", "example axis", "feature axes",
           [row, attack("LayerNormalization", ["row", "s"], "y")],
           [ints("to", [1, -1]), floats("s", np.ones(1))])
    refuse("batch-in-one-row-cut", "example axis", "feature axes",
           [row, attack("Slice", ["row", "start", "end", "axis"], "y")],
           [ints("to", [1, -1]), ints("start", [0]), ints("end", [30]), ints("axis", [1])])
    refuse("batch-in-one-row-as-output", "along a later axis", "transpose it to the front", [row],
           [ints("to", [1, -1])], output="row", error="unsupported",
           where="the model's output 'row'")
    refuse("reshape-to-half-the-batch", "how many examples there are", "in shapes only",
           [*BATCH, attack("Div", ["b", "two"], "half"),
            step("Concat", ["half", "width"], "to", axis=0), step("Reshape", [X, "to"], "y")],
           [*BATCH_CONSTANTS, ints("two", [2]), ints("width", [60])])
    refuse("reshape-to-batch-by-batch", "batch's size twice", keep,
           [*BATCH, step("Concat", ["b", "b"], "to", axis=0), attack("Reshape", [X, "to"], "y")],
           BATCH_CONSTANTS, (1,))
    refuse("reshape-declared-batch-of-two", "makes features of the batch axis", keep,
           [attack("Reshape", [X, "to"], "y")], [ints("to", [1, 60])], batch=2)
    refuse("squeeze-the-batch", "example axis", "name other axes",
           [attack("Squeeze", [X, "axes"], "y")], [ints("axes", [0])], (1,))
    refuse("squeeze-whatever-is-one", "batch axis", "name the axes",
           [attack("Squeeze", [X], "y")], (), (1, 30))
    for name, op, shape, attributes in (
        ("depth-to-space", "DepthToSpace", (4, 2, 3), {}),
        ("space-to-depth", "SpaceToDepth", (4, 2, 3), {}),
    ):
        perm = [1, 0, 2, 3] if op == "DepthToSpace" else [1, 2, 0, 3]
        refuse(f"{name}-through-the-batch", "so examples would mix", "examples at axis 0",
               [step("Transpose", [X], "t", perm=perm),
                attack(op, ["t"], "y", blocksize=2, **attributes)], (), shape)


def products():
    refuse("covariance-over-batch", "sums over the example axis", "rows of the left operand",
           [step("Transpose", [X], "t", perm=[1, 0]), attack("MatMul", ["t", X], "c"),
            step("MatMul", [X, "c"], "y")])
    refuse("gram-matrix", "pairs every example with every other", "leading axis",
           [step("Transpose", [X], "t", perm=[1, 0]), attack("MatMul", [X, "t"], "y")])
    refuse("average-by-matmul", "sums over the example axis", "rows of the left operand",
           [attack("MatMul", ["w", X], "y")], [floats("w", np.ones((1, 1)))])
    refuse("gemm-over-transposed-batch", "sums over the example axis", "rows of the left operand",
           [attack("Gemm", [X, X], "y", transA=1)])
    refuse("attention-across-examples", "pairs every example with every other", "leading axis",
           [step("MatMul", [X, "wq"], "q"), step("MatMul", [X, "wk"], "k"),
            step("Transpose", ["k"], "kt", perm=[1, 0]), attack("MatMul", ["q", "kt"], "s"),
            step("Softmax", ["s"], "p", axis=-1), step("MatMul", ["p", X], "y")],
           [floats("wq", np.eye(30)), floats("wk", np.eye(30))])
    refuse("attention-with-axes-swapped", "pairs every example with every other", "leading axis",
           [step("Transpose", [X], "t", perm=[1, 0, 2]), step("Transpose", ["t"], "u", perm=[0, 2, 1]),
            attack("MatMul", ["t", "u"], "s"), step("Softmax", ["s"], "p", axis=-1),
            step("MatMul", ["p", "t"], "y")], (), (4, 3))
    refuse("einsum-without-the-batch-letter", "example axis", "result",
           [attack("Einsum", [X, X], "y", equation="bi,bj->ij")])
    refuse("einsum-pairs-of-examples", "pairs every example with every other", "name them alike",
           [attack("Einsum", [X, X], "y", equation="bi,ci->bc")])
    refuse("einsum-sum-over-batch", "example axis", "result",
           [attack("Einsum", [X], "y", equation="bi->i")])
    refuse("pairwise-differences", "pairs every example with every other", "align the example axes",
           [step("Unsqueeze", [X, "zero"], "rows"), step("Unsqueeze", [X, "one"], "columns"),
            attack("Sub", ["rows", "columns"], "y")], [ints("zero", [0]), ints("one", [1])])
    refuse("where-with-another-examples-mask", "pairs every example with every other",
           "align the example axes",
           [step("Greater", [X, "half"], "mask"), step("Transpose", ["mask"], "turned", perm=[1, 0]),
            attack("Where", ["turned", X, "none"], "y")],
           [floats("half", 0.5), floats("none", 0.0)], (1,))
    refuse("numbers-by-place-in-the-batch", "place in the batch", "size 1",
           [attack("Add", [X, "w"], "y")], [floats("w", np.arange(120).reshape(4, 30))])


def picking():
    feature = "feature axis"
    refuse("gather-the-first-example", "example axis", feature,
           [attack("Gather", [X, "i"], "first", axis=0), step("Add", [X, "first"], "y")],
           [ints("i", [0])])
    refuse("gather-a-chosen-example", "example axis", feature,
           [attack("Gather", [X, "neighbour"], "y", axis=0)], inputs=[("neighbour", INT64, ())])
    refuse("gather-elements-over-batch", "example axis", feature,
           [attack("GatherElements", [X, "neighbour"], "y", axis=0)],
           inputs=[("neighbour", INT64, (30,))])
    refuse("gather-nd-over-batch", "example axis", feature,
           [attack("GatherND", [X, "i"], "y")], [ints("i", [[0, 1], [1, 0]])])
    refuse("topk-over-batch", "example axis", feature,
           [attack("TopK", [X, "k"], ["y", "places"], axis=0)], [ints("k", [1])])
    refuse("slice-the-first-example", "example axis", "feature axes",
           [attack("Slice", [X, "zero", "one", "zero"], "first"), step("Add", [X, "first"], "y")],
           [ints("zero", [0]), ints("one", [1])])
    refuse("flip-the-batch", "example axis", "feature axes",
           [attack("Slice", [X, "last", "end", "zero", "last"], "y")],
           [ints("last", [-1]), ints("end", [-(2**31)]), ints("zero", [0])])
    refuse("shift-by-one-example", "example axis", "feature axes",
           [attack("Slice", [X, "one", "end", "zero"], "rest"),
            step("Pad", ["rest", "pads"], "shifted"), step("Add", [X, "shifted"], "y")],
           [ints("one", [1]), ints("end", [2**31]), ints("zero", [0]), ints("pads", [0, 0, 1, 0])])
    refuse("split-the-batch", "example axis", feature,
           [attack("Split", [X, "parts"], ["a", "y"], axis=0)], [ints("parts", [1, 1])])
    refuse("concat-along-batch", "example axis", feature,
           [attack("Concat", [X, X], "y", axis=0)])
    refuse("concat-a-constant-example", "example axis", feature,
           [attack("Concat", [X, "w"], "y", axis=0)], [floats("w", np.ones((1, 30)))])
    refuse("pad-the-batch", "example axis", "feature axes",
           [attack("Pad", [X, "pads"], "y")], [ints("pads", [1, 0, 0, 0])])
    refuse("tile-the-batch", "example axis", "feature axes",
           [attack("Tile", [X, "repeats"], "y")], [ints("repeats", [2, 1])])
    refuse("expand-the-batch", "example", "size 1",
           [attack("Expand", [X, "to"], "y")], [ints("to", [7, 30])])
    refuse("resize-the-batch", "example axis", "feature axes",
           [attack("Resize", [X, "", "scales"], "y", mode="nearest")],
           [floats("scales", [2.0, 1.0])])
    refuse("scatter-elements-over-batch", "example axis", feature,
           [attack("ScatterElements", [X, "place", X], "y", axis=0)],
           inputs=[("place", INT64, (30,))])
    refuse("scatter-nd-over-batch", "example axis", feature,
           [attack("ScatterND", [X, "place", X], "y")], inputs=[("place", INT64, (1,))])
    refuse("trilu-over-the-batch", "place in the batch", "before the last two axes",
           [attack("Trilu", [X], "y")])
    refuse("unique-examples", "example axis", "feature axis",
           [attack("Unique", [X], ["y"], axis=0)])
    refuse("nonzero-over-batch", "example axis", "feature axis",
           [attack("NonZero", [X], "i"), step("Cast", ["i"], "y", to=FLOAT)])
    refuse("compress-over-batch", "example axis", "feature axis",
           [attack("Compress", [X, "keep"], "y", axis=0)],
           [helper.make_tensor("keep", BOOL, [1], [True])])


def windows():
    front = "examples at axis 0"
    as_signal = [step("Transpose", [X], "t", perm=[1, 0]), step("Unsqueeze", ["t", "front"], "s")]
    constants = [ints("front", [0])]
    refuse("conv-over-batch", "neighbouring examples would mix", front,
           [*as_signal, attack("Conv", ["s", "w"], "y", pads=[1, 1])],
           [*constants, floats("w", np.ones((1, 30, 3)))])
    refuse("conv-transpose-over-batch", "neighbouring examples would mix", front,
           [*as_signal, attack("ConvTranspose", ["s", "w"], "y")],
           [*constants, floats("w", np.ones((30, 1, 3)))])
    for op in ("MaxPool", "AveragePool"):
        refuse(f"{op.lower()}-over-batch", "example axis", front,
               [*as_signal, attack(op, ["s"], "y", kernel_shape=[3], pads=[1, 1])], constants)
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        refuse(f"{op.lower()}-over-batch", "example axis", front,
               [*as_signal, attack(op, ["s"], "y")], constants)
    refuse("conv-with-examples-as-channels", "which it sums over", front,
           [step("Transpose", [X], "t", perm=[1, 0, 2]), attack("Conv", ["t", "w"], "y")],
           [floats("w", np.ones((2, 1, 1)))], (4, 5))
    refuse("filter-made-of-examples", "filtered by the others", "weight of the model",
           [step("Transpose", [X], "w", perm=[0, 1, 2]), attack("Conv", [X, "w"], "y")], (), (1, 3))
    weights = [floats("w", np.ones((1, 4, 30))), floats("r", np.ones((1, 4, 1))),
               ints("middle", [1])]
    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        weights = [floats("w", np.ones((1, gates, 30))), floats("r", np.ones((1, gates, 1))),
                   ints("middle", [1])]
        refuse(f"{op.lower()}-along-the-batch", "runs along the example axis", "axis 1",
               [step("Unsqueeze", [X, "middle"], "s"),
                attack(op, ["s", "w", "r"], ["y"], hidden_size=1)], weights)


def counting():
    dependent = "how many examples there are"
    shapes = "in shapes only"
    refuse("batch-size-as-a-number", "batch", shapes,
           [*BATCH, attack("Cast", ["n"], "f", to=FLOAT), step("Add", [X, "f"], "y")],
           BATCH_CONSTANTS)
    refuse("size-as-a-number", "batch", shapes,
           [step("Size", [X], "n"), attack("Cast", ["n"], "f", to=FLOAT), step("Mul", [X, "f"], "y")])
    refuse("batch-size-as-an-integer-output", "example axis", "output for each example",
           [*BATCH, step("Identity", [X], "y")], BATCH_CONSTANTS, outputs=["b"],
           where="the model's output 'b'")
    refuse("batch-size-plus-one", dependent, shapes,
           [*BATCH, attack("Add", ["b", "one"], "c"), step("Concat", ["c", "width"], "to", axis=0),
            step("Expand", ["w", "to"], "y")],
           [*BATCH_CONSTANTS, ints("one", [1]), ints("width", [30]), floats("w", np.ones((1, 30)))])
    refuse("batch-size-squared", dependent, shapes,
           [*BATCH, attack("Mul", ["b", "b"], "c"), step("Reshape", [X, "c"], "y")], BATCH_CONSTANTS)
    refuse("batch-size-compared", dependent, shapes,
           [*BATCH, attack("Greater", ["n", "eight"], "many"), step("Where", ["many", X, "w"], "y")],
           [*BATCH_CONSTANTS, ints("eight", 8), floats("w", np.zeros(30))])
    refuse("batch-size-is-odd", dependent, shapes,
           [*BATCH, attack("Mod", ["n", "two"], "odd"), step("Cast", ["odd"], "f", to=FLOAT),
            step("Add", [X, "f"], "y")], [*BATCH_CONSTANTS, ints("two", 2)])
    refuse("range-over-the-batch", "batch", shapes,
           [*BATCH, attack("Range", ["zero", "n", "one"], "places"),
            step("Cast", ["places"], "f", to=FLOAT), step("Unsqueeze", ["f", "last"], "column"),
            step("Add", [X, "column"], "y")],
           [*BATCH_CONSTANTS, ints("one", 1), ints("last", [1])])
    refuse("ones-for-each-example-counted", "example axis", "reduce the other axes",
           [*BATCH, step("Concat", ["b", "one"], "to", axis=0), step("Expand", ["w", "to"], "ones"),
            attack("ReduceSum", ["ones", "front"], "count", keepdims=1),
            step("Add", [X, "count"], "y")],
           [*BATCH_CONSTANTS, ints("one", [1]), floats("w", np.ones((1, 1)))])
    refuse("ones-filled-in-and-counted", "sums over the example axis", "rows of the left operand",
           [*BATCH, step("ConstantOfShape", ["b"], "ones", value=floats("", [1.0])),
            attack("MatMul", ["ones", X], "y")], BATCH_CONSTANTS)
    refuse("batch-size-as-features", "pairs every example with every other", "align the example axes",
           [*BATCH, step("ConstantOfShape", ["b"], "ones", value=floats("", [1.0])),
            attack("Add", [X, "ones"], "y")], BATCH_CONSTANTS, (1,))
    refuse("one-hot-as-deep-as-the-batch", "batch", shapes,
           [*BATCH, attack("OneHot", ["label", "n", "levels"], "y")],
           [*BATCH_CONSTANTS, floats("levels", [0, 1])], inputs=[("label", INT64, ())])
    refuse("pad-by-the-batch", "batch", shapes,
           [*BATCH, step("Concat", ["three", "b"], "pads", axis=0), attack("Pad", [X, "pads"], "y")],
           [*BATCH_CONSTANTS, ints("three", [0, 0, 0])])
    refuse("slice-features-up-to-the-batch", "batch", shapes,
           [*BATCH, attack("Slice", [X, "front", "b", "one"], "y")], [*BATCH_CONSTANTS, ints("one", [1])])
    refuse("tile-features-by-the-batch", "batch", shapes,
           [*BATCH, step("Concat", ["one", "b"], "repeats", axis=0),
            attack("Tile", [X, "repeats"], "y")], [*BATCH_CONSTANTS, ints("one", [1])])
    refuse("topk-of-as-many-as-the-batch", "batch", shapes,
           [*BATCH, attack("TopK", [X, "b"], ["y", "places"], axis=1)], BATCH_CONSTANTS)
    refuse("split-features-by-the-batch", "batch", shapes,
           [*BATCH, step("Concat", ["b", "rest"], "parts", axis=0),
            attack("Split", [X, "parts"], ["y", "z"], axis=1)],
           [*BATCH_CONSTANTS, ints("rest", [29])])
    refuse("gather-the-feature-of-the-batch-size", "batch", shapes,
           [*BATCH, attack("Gather", [X, "n"], "y", axis=1)], BATCH_CONSTANTS)
    refuse("expand-features-to-the-batch", "batch", shapes,
           [*BATCH, step("Concat", ["b", "b"], "to", axis=0), attack("Expand", [X, "to"], "y")],
           BATCH_CONSTANTS, (1,))
    refuse("eye-over-the-batch", "place in the batch", "the matrix in the model", [attack("EyeLike", [X], "e"),
           step("Add", [X, "e"], "y")])


def outputs():
    refuse("output-without-examples", "no example axis", "output for each example",
           [step("Identity", ["w"], "y")], [floats("w", np.ones(4))],
           where="the model's output 'y'")
    refuse("second-output-sums-the-batch", "so examples would mix", "reduce the other axes",
           [step("Identity", [X], "y"), attack("ReduceSum", [X, "axes"], "z")], [ints("axes", [0])],
           outputs=["z"])
    refuse("output-with-examples-last", "examples along a later axis", "transpose it to the front",
           [step("Transpose", [X], "y", perm=[1, 0])], error="unsupported",
           where="the model's output 'y'")


def control_flow():
    def body(name, inputs, nodes, results):
        return helper.make_graph(
            nodes, name, [helper.make_tensor_value_info(i, FLOAT, None) for i in inputs],
            [helper.make_tensor_value_info(o, FLOAT, None) for o in results])

    then = body("then", [], [step("Identity", [X], "a")], ["a"])
    other = body("else", [], [step("Neg", [X], "b")], ["b"])
    refuse("if-data-decides-for-all", "decides for all of them together", "choose with Where",
           [step("Greater", [X, "w"], "c"), attack("If", ["c"], "y", then_branch=then, else_branch=other)],
           [floats("w", 0.5)], ())
    refuse("scan-along-the-batch", "loops are not supported", "unrolled",
           [attack("Scan", ["w", X], ["s", "y"], num_scan_inputs=1,
                   body=body("sum", ["state", "row"], [step("Add", ["state", "row"], "next"),
                                                       step("Identity", ["next"], "out")],
                             ["next", "out"]))],
           [floats("w", np.zeros(30))], error="unsupported")
    listed("unsupported-operator", "unsupported", "node 'boxes'", "not supported",
           "rewrite the model without it")


def main():
    for part in (statistics, reshaping, products, picking, windows, counting, outputs, control_flow):
        part()
    lines = ["# file | error | where | the reason names | the remedy names"]
    lines += [" | ".join(row) for row in sorted(EXPECTED)]
    (FOLDER / "expected.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
