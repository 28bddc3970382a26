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
import onnx
import torch

import networks

CHECK_ROWS = 5
OPSET = 18


def freeze_constants(graph, module):
    """Turns initializers that are no parameter of the module into Constant nodes: exporters write
    factors, and the ones and zeros of a normalisation without weights, as initializers, and those
    would be trained."""
    trained = set()
    for parameter in module.parameters():
        values = parameter.detach().numpy()
        trained.add(values.tobytes())
        trained.add(values.T.tobytes())  # in order: tobytes() writes rows, whatever the strides
    constants = [tensor for tensor in graph.initializer
                 if tensor.data_type == onnx.TensorProto.FLOAT
                 and onnx.numpy_helper.to_array(tensor).tobytes() not in trained]
    for tensor in constants:
        node = onnx.helper.make_node("Constant", [], [tensor.name], value=tensor)
        graph.node.insert(0, node)
        graph.initializer.remove(tensor)


def export(name, folder):
    module = networks.make_network(name)
    x, labels = networks.make_batch(name, CHECK_ROWS)
    program = torch.onnx.export(module, (x,), dynamo=True, opset_version=OPSET, input_names=["x"],
                                output_names=["y"], verbose=False,
                                dynamic_shapes=({0: torch.export.Dim("batch")},))
    proto = program.model_proto
    freeze_constants(proto.graph, module)
    onnx.save(proto, folder / f"{name}.onnx")
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
