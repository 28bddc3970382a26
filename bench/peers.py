"""Times one training step of PyTorch (not private) or of Opacus (private), in one mode, and prints
one JSON object. bench/run.py starts it, each mode in a process of its own, with the environment of
PEER_ENVIRONMENT: glibc told to keep its memory, which makes both peers faster.

    python bench/peers.py --network vgg9 --side pytorch --mode compile --seconds 5

A step is: gradients to zero, forward, cross-entropy, backward, for Opacus clipping to norm 1 and
noise of multiplier 1, and plain SGD. The batch is the same fixed one in each step and already in
memory; there is no data loader, no Poisson sampling and no secure random source, all to the peer's
advantage.
"""

import argparse
import json
import re
import statistics
import sys
import time
import warnings

PEER_ENVIRONMENT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "34359738368"}
PYTORCH_MODES = ("eager", "channels_last", "compile", "compile_channels_last")
OPACUS_MODES = ("hooks", "hooks_channels_last", "functorch", "ew", "ghost", "ghost_channels_last")
LEARNING_RATE = 1e-3
WARM_UP_STEPS = 3


def modes_of(side, is_image):
    """The modes that are tried. A layout of channels is for images alone."""
    modes = PYTORCH_MODES if side == "pytorch" else OPACUS_MODES
    return tuple(mode for mode in modes if is_image or "channels_last" not in mode)


def peak_bytes(reset=False):
    """The most memory that this process has had in use (Linux), since the last reset."""
    if reset:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) * 1024


def pytorch_step(module, mode, x, y):
    import torch

    optimizer = torch.optim.SGD(module.parameters(), lr=LEARNING_RATE, fused=True)
    criterion = torch.nn.CrossEntropyLoss()

    def forward_loss(x, y):
        return criterion(module(x), y)

    if "compile" in mode:
        forward_loss = torch.compile(forward_loss)

    def step():
        optimizer.zero_grad(set_to_none=True)
        forward_loss(x, y).backward()
        optimizer.step()

    return step


def opacus_step(module, mode, x, y):
    import opacus
    import torch

    optimizer = torch.optim.SGD(module.parameters(), lr=LEARNING_RATE)
    data = torch.utils.data.TensorDataset(x, y)
    criterion = torch.nn.CrossEntropyLoss()
    parts = opacus.PrivacyEngine().make_private(
        module=module, optimizer=optimizer, criterion=criterion, noise_multiplier=1.0,
        max_grad_norm=1.0, data_loader=torch.utils.data.DataLoader(data, batch_size=len(x)),
        poisson_sampling=False, grad_sample_mode=mode.removesuffix("_channels_last"))
    module, optimizer = parts[0], parts[1]
    if mode.startswith("ghost"):
        criterion = parts[2]

    def step():
        optimizer.zero_grad(set_to_none=True)
        criterion(module(x), y).backward()
        optimizer.step()

    return step


def measure(step, seconds):
    """Seconds of each step, over `seconds`, after a warm-up."""
    for steps in (WARM_UP_STEPS, None):
        times = []
        end = time.perf_counter() + seconds
        while not times or (time.perf_counter() < end and len(times) != steps):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
    return times


def main():
    import networks

    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, choices=networks.NETWORKS)
    parser.add_argument("--side", required=True, choices=("pytorch", "opacus"))
    parser.add_argument("--mode", required=True, choices=PYTORCH_MODES + OPACUS_MODES)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    if options.mode not in modes_of(options.side, networks.NETWORKS[options.network].is_image):
        parser.error(f"{options.side} has no mode {options.mode} for {options.network}")

    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    batch = options.batch or networks.NETWORKS[options.network].batch
    module = networks.make_network(options.network)
    x, y = networks.make_batch(options.network, batch)
    if "channels_last" in options.mode:
        module = module.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    make_step = pytorch_step if options.side == "pytorch" else opacus_step
    step = make_step(module, options.mode, x, y)
    step()  # compiles, where the mode does
    peak_bytes(reset=True)
    times = measure(step, options.seconds)
    median = statistics.median(times)
    json.dump({"network": options.network, "side": options.side, "mode": options.mode,
               "batch": batch, "threads": options.threads, "torch": torch.__version__,
               "examples_per_second": batch / median, "step_ms": median * 1e3,
               "best_step_ms": min(times) * 1e3, "steps": len(times),
               "peak_bytes": peak_bytes()}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
