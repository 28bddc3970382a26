"""Checks that PyTorch, Opacus and `anchorhold` compute the same of a network that export.py wrote,
and prints one JSON object with the largest differences. Exit status 1 if they do not agree.

    python bench/check.py build/release/bin/anchorhold build/bench/models NETWORK

Compared are the outputs, the norm of each row's gradient, and the sum of the gradients clipped to
the median of these norms, so that some rows are clipped and some are not. Opacus' gradients are
those of its hooks.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch

import networks

# Relative: to the largest output, to each norm, to the length of the sum. Both sides compute in
# float32, in orders of their own; a wrong formula is off by far more.
TOLERANCE = 2e-3


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


def check(program, folder, name):
    model = folder / f"{name}.onnx"
    x = torch.from_numpy(np.load(folder / f"{name}.x.npy"))
    labels = torch.from_numpy(np.load(folder / f"{name}.label.npy"))
    module = networks.make_network(name)
    theirs = opacus_gradients(module, x, labels)
    squares = sum(g.flatten(1).double().square().sum(1) for g in theirs.values())
    norms = squares.sqrt()
    bound = float(norms.median())
    factors = (bound / norms).clamp(max=1)
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch)
        given = ["--input", f"x={folder / name}.x.npy"]
        run([program, "model", "run", model, *given, "--output", out])
        y = np.load(out / "y.npy")
        run([program, "model", "grad", model, *given, "--target", f"{folder / name}.label.npy",
             "--loss", "cross-entropy", "--max-grad-norm", bound, "--out", out / "sums"])
        sums = read_safetensors(out / "sums")
    our_norms = sums.pop("per_example_norms")
    pairs = pair(sums, initial_values(model), module)
    difference, length = 0.0, 0.0
    for our_name, (their_name, transposed) in pairs.items():
        gradient = theirs[their_name]
        wanted = torch.tensordot(factors, gradient.double(), dims=1).numpy()
        got = sums[our_name].T if transposed else sums[our_name]
        difference += float(np.square(got.reshape(wanted.shape) - wanted).sum())
        length += float(np.square(wanted).sum())
    reference = np.load(folder / f"{name}.y.npy")
    return {"network": name, "output": relative(y - reference, np.abs(reference)),
            "norms": float(np.max(np.abs(our_norms / norms.numpy() - 1))),
            "clipped_sum": (difference / length) ** 0.5, "parameters": len(pairs)}


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    result = check(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
    result["agrees"] = all(result[what] <= TOLERANCE for what in ("output", "norms", "clipped_sum"))
    print(json.dumps(result))
    sys.exit(0 if result["agrees"] else 1)


if __name__ == "__main__":
    main()
