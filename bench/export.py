"""Writes the benchmark's networks as ONNX files for the command `anchorhold`, with a few rows to
check both sides with.

    python bench/export.py build/bench/models [NETWORK ...]

For each network: NETWORK.onnx (the batch axis open, input "x", output "y", the weights of
networks.make_network), NETWORK.x.npy and NETWORK.label.npy (CHECK_ROWS rows) and NETWORK.y.npy (what
PyTorch computes of them).
"""

import argparse
import logging
import pathlib
import warnings

import numpy as np
import torch

import networks

CHECK_ROWS = 3
OPSET = 18


def export(name, folder):
    module = networks.make_network(name)
    x, labels = networks.make_batch(name, CHECK_ROWS)
    program = torch.onnx.export(module, (x,), dynamo=True, opset_version=OPSET, input_names=["x"],
                                output_names=["y"], verbose=False,
                                dynamic_shapes=({0: torch.export.Dim("batch")},))
    program.save(str(folder / f"{name}.onnx"), external_data=False)
    with torch.no_grad():
        y = module(x)
    for what, array in (("x", x), ("label", labels), ("y", y)):
        np.save(folder / f"{name}.{what}.npy", array.numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("networks", nargs="*", default=list(networks.NETWORKS))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.networks:
        export(name, options.folder)


if __name__ == "__main__":
    main()
