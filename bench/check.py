"""Checks that PyTorch, Opacus and `anchorhold` compute the same of a network that export.py wrote,
and prints one JSON object with the largest differences. Exit status 1 if they do not agree.

    python bench/check.py build/release/bin/anchorhold build/bench/models NETWORK

Compared are the outputs, and each row's gradient, clipped to the median of the rows' norms so that
some rows are clipped and some are not, with PyTorch's in double precision by Opacus' hooks; then
the sum over all rows with those of the rows one by one.
"""

import json
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch

import networks

# Relative: to the largest output, to each norm, to the length of the gradient or the sum. We compute
# in float32; a wrong formula is off by far more.
TOLERANCE = 1e-4
# Where a unit's input is within rounding of a kink (ReLU at 0), its derivative is either of two
# values. PyTorch's own float32 gradients leave those in double precision by up to 4e-3 there. So the
# median row must agree within TOLERANCE, and every row within this.
KINK = 0.1


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        assert about["dtype"] == "F32", name
        begin, end = (8 + size + offset for offset in about["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], np.float32).reshape(about["shape"])
    return tensors


def opacus_gradients(module, x, labels):
    """For each parameter's name, the gradients of the rows one by one."""
    from opacus.grad_sample import GradSampleModule

    wrapped = GradSampleModule(module)
    torch.nn.functional.cross_entropy(wrapped(x), labels).backward()
    return {name: parameter.grad_sample.detach() for name, parameter in module.named_parameters()}


def initial_values(onnx_path):
    import onnx

    graph = onnx.load(onnx_path).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def pair(ours, stored, module):
    """For each of our gradients the name of PyTorch's parameter, and whether it is transposed:
    exporters rename the weights that they transpose or give another shape, so those are known by
    their numbers."""
    parameters = {name: values.detach().numpy() for name, values in module.named_parameters()}
    pairs = {name: (name, False) for name in ours if name in parameters}
    left = set(parameters) - set(pairs)
    for name in set(ours) - set(pairs):
        for other in left:
            values = parameters[other]
            same = values.size == stored[name].size
            if same and np.array_equal(values.ravel(), stored[name].ravel()):
                pairs[name] = (other, False)
            elif same and values.ndim == 2 and np.array_equal(values.T, stored[name]):
                pairs[name] = (other, True)
    missing = set(parameters) - {name for name, _ in pairs.values()}
    unknown = set(ours) - set(pairs)
    if missing or unknown:
        sys.exit(f"{len(missing)} parameters of PyTorch's and {len(unknown)} of ours have no "
                 f"counterpart, {(sorted(missing) + sorted(unknown))[0]} among them")
    return pairs


def run(command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(str(word) for word in command)}\n{result.stderr}")


def relative(difference, size):
    return float(np.max(np.abs(difference)) / np.max(size))


def our_gradients(program, model, given, label, bound, scratch):
    """The norms of the rows and the sum of their gradients, each clipped to `bound`."""
    run([program, "model", "grad", model, *given, "--target", label, "--loss", "cross-entropy",
         "--max-grad-norm", bound, "--out", scratch / "sums"])
    sums = read_safetensors(scratch / "sums")
    (scratch / "sums").unlink()
    return sums.pop("per_example_norms"), sums


def distance(ours, wanted, pairs):
    """Of our gradient from PyTorch's, as a part of the length of the latter."""
    difference, length = 0.0, 0.0
    for our_name, (their_name, transposed) in pairs.items():
        target = wanted[their_name]
        got = ours[our_name].T if transposed else ours[our_name]
        difference += float(np.square(got.reshape(target.shape) - target).sum())
        length += float(np.square(target).sum())
    return (difference / length) ** 0.5


def check(program, folder, name):
    model = folder / f"{name}.onnx"
    x = np.load(folder / f"{name}.x.npy")
    labels = np.load(folder / f"{name}.label.npy")
    module = networks.make_network(name).double()
    rows = torch.from_numpy(x)
    rows = rows.double() if rows.is_floating_point() else rows
    theirs = opacus_gradients(module, rows, torch.from_numpy(labels))
    norms = sum(g.flatten(1).square().sum(1) for g in theirs.values()).sqrt().numpy()
    bound = float(np.median(norms))
    factors = np.minimum(bound / norms, 1)
    apart = []
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        run([program, "model", "run", model, "--input", f"x={folder / name}.x.npy", "--output",
             scratch])
        y = np.load(scratch / "y.npy")
        our_norms, sums = our_gradients(program, model, ["--input", f"x={folder / name}.x.npy"],
                                        f"{folder / name}.label.npy", bound, scratch)
        pairs = pair(sums, initial_values(model), networks.make_network(name))
        total = {our_name: np.zeros(values.shape) for our_name, values in sums.items()}
        for row, factor in enumerate(factors):
            np.save(scratch / "x.npy", x[row:row + 1])
            np.save(scratch / "label.npy", labels[row:row + 1])
            _, own = our_gradients(program, model, ["--input", f"x={scratch / 'x.npy'}"],
                                   scratch / "label.npy", bound, scratch)
            apart.append(distance(own, {their_name: factor * gradient[row].numpy()
                                        for their_name, gradient in theirs.items()}, pairs))
            for our_name, values in own.items():
                total[our_name] += values
    together = distance(sums, total, {our_name: (our_name, False) for our_name in total})
    reference = np.load(folder / f"{name}.y.npy")
    result = {"network": name, "output": relative(y - reference, np.abs(reference)),
              "norms": float(np.median(np.abs(our_norms / norms - 1))),
              "gradients": statistics.median(apart), "worst_gradient": max(apart),
              "clipped_sum": together, "parameters": len(pairs)}
    result["agrees"] = (result["worst_gradient"] <= KINK and
                        all(result[what] <= TOLERANCE
                            for what in ("output", "norms", "gradients", "clipped_sum")))
    return result


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    result = check(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
    print(json.dumps(result))
    sys.exit(0 if result["agrees"] else 1)


if __name__ == "__main__":
    main()
