"""Measures `anchorhold` beside PyTorch and Opacus and prints one table: `make bench`.

For each network: writes the ONNX file, checks that both sides compute the same (check.py), tries
each mode of the peers once and keeps the fastest, then measures PyTorch, Opacus, our training and
our private training in turn, round after round. A figure is the median of the rounds; a ratio is the
median of the rounds' own ratios, so that a machine that slows down slows both sides. Every
measurement is a process of its own, and the peers' have glibc keep its memory (peers.py).

A share is that of the peak of multiply-adds that this machine reaches in registers, measured beside
each of our runs; the operations are those of matrix products and convolutions, backward included,
and the same on both sides.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import peers
import report
from catalogue import NETWORKS

HERE = pathlib.Path(__file__).resolve().parent
OURS = {"ours": "train", "ours_private": "dp-train"}
SIDES = ("pytorch", "opacus", *OURS)


class Failed(Exception):
    pass


def run_json(command, environment=None):
    """The object that the command printed last, or Failed with what it said."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                            env={**os.environ, **(environment or {})})
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip() or "nothing").splitlines()
        raise Failed(said[-1])
    return json.loads(result.stdout.strip().splitlines()[-1])


class Bench:
    def __init__(self, options):
        self.options = options
        self.models = options.work / "models"
        threads = str(options.threads)
        self.environment = {**peers.PEER_ENVIRONMENT, "OMP_NUM_THREADS": threads,
                            "MKL_NUM_THREADS": threads,
                            "TORCHINDUCTOR_CACHE_DIR": str(options.work / "inductor")}

    def prepare(self, name):
        made = self.models / f"{name}.y.npy"
        sources = [HERE / "export.py", HERE / "networks.py"]
        if not made.exists() or any(source.stat().st_mtime > made.stat().st_mtime
                                    for source in sources):
            subprocess.run([sys.executable, HERE / "export.py", self.models, name], check=True)
        return run_json([sys.executable, HERE / "check.py", self.options.anchorhold, self.models,
                         name])

    def peer(self, name, side, mode, seconds):
        return run_json([sys.executable, HERE / "peers.py", "--network", name, "--side", side,
                         "--mode", mode, "--threads", self.options.threads, "--seconds", seconds],
                        self.environment)

    def ours(self, name, side, seconds):
        batch = NETWORKS[name].batch
        result = run_json([self.options.anchorhold, "model", "bench", self.models / f"{name}.onnx",
                           "--mode", OURS[side], "--batch", batch, "--threads",
                           self.options.threads, "--loss", "cross-entropy", "--seconds", seconds,
                           "--json"])
        return {**result, "mode": OURS[side]}

    def fastest_mode(self, name, side):
        """The mode, and what each of them reached."""
        tried = {}
        for mode in peers.modes_of(side, NETWORKS[name].is_image):
            if self.options.modes and mode not in self.options.modes:
                continue
            try:
                tried[mode] = self.peer(name, side, mode, self.options.seconds / 2)
            except Failed as failure:
                print(f"  {side} {mode}: {failure}", file=sys.stderr)
        if not tried:
            raise Failed(f"{side} runs in no mode")
        return max(tried, key=lambda mode: tried[mode]["examples_per_second"]), tried

    def measure(self, name, earlier):
        result = {"title": NETWORKS[name].title, "batch": NETWORKS[name].batch,
                  "agreement": self.prepare(name), "rounds": [], "modes": {}}
        sides = list(OURS)
        if earlier is None and not self.options.skip_peers:
            sides = list(SIDES)
            fastest = {}
            for side in ("pytorch", "opacus"):
                fastest[side], result["modes"][side] = self.fastest_mode(name, side)
        for _ in range(self.options.rounds):
            measured = {}
            for side in sides:
                if side in OURS:
                    measured[side] = self.ours(name, side, self.options.seconds)
                else:
                    measured[side] = self.peer(name, side, fastest[side], self.options.seconds)
            result["rounds"].append(measured)
        if earlier is not None:
            reused = {side: earlier["summary"][side] for side in ("pytorch", "opacus")
                      if side in earlier["summary"]}
            for measured in result["rounds"]:
                measured.update(reused)
            result["reused"] = sorted(reused)
        result["summary"] = summarise(result["rounds"])
        return result


def summarise(rounds):
    """Medians over the rounds, and medians of the rounds' ratios."""
    def median(values):
        return statistics.median(list(values))

    summary = {}
    for side in rounds[0]:
        summary[side] = {"mode": rounds[0][side]["mode"]}
        for what in ("examples_per_second", "step_ms", "peak_bytes"):
            summary[side][what] = median(measured[side][what] for measured in rounds)
    # 10^9 operations of an example; the private side does the same and more.
    work = median(m["ours"]["gflops"] / m["ours"]["examples_per_second"] for m in rounds)
    peak = max(m[side]["fma_peak_gflops"] for m in rounds for side in OURS)
    summary["gflop_an_example"], summary["fma_peak_gflops"] = work, peak
    for side in rounds[0]:
        summary[side]["fma_peak_share"] = work * summary[side]["examples_per_second"] / peak

    def ratio(name, above, below):
        if above in rounds[0] and below in rounds[0]:
            summary[name] = median(m[above]["examples_per_second"] / m[below]["examples_per_second"]
                                   for m in rounds)

    ratio("ours_by_pytorch", "ours", "pytorch")
    ratio("private_by_pytorch", "ours_private", "pytorch")
    ratio("private_by_opacus", "ours_private", "opacus")
    ratio("cost_of_privacy", "ours", "ours_private")
    return summary


def options_of_command_line():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anchorhold", type=pathlib.Path, default="build/release/bin/anchorhold")
    parser.add_argument("--networks", help="some of " + ",".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round of one second each")
    parser.add_argument("--skip-peers", action="store_true", help="measure our side alone")
    parser.add_argument("--modes", help="of the peers, try only some of " +
                        ",".join(peers.PYTORCH_MODES + peers.OPACUS_MODES))
    parser.add_argument("--peers-from", type=pathlib.Path, metavar="FILE",
                        help="take the peers' figures from an earlier result; nothing is then "
                        "interleaved")
    parser.add_argument("--work", type=pathlib.Path, default="build/bench",
                        help="folder for models and results")
    parser.add_argument("--out", type=pathlib.Path, help="default: result.json in the work folder")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1.0
    options.modes = options.modes.split(",") if options.modes else []
    strange = sorted(set(options.modes) - set(peers.PYTORCH_MODES + peers.OPACUS_MODES))
    if strange:
        parser.error("--modes: there is no " + ", ".join(strange))
    options.names = options.networks.split(",") if options.networks else list(NETWORKS)
    unknown = sorted(set(options.names) - set(NETWORKS))
    if unknown or options.rounds < 1:
        parser.error("--networks: there is no " + ", ".join(unknown) if unknown else "--rounds")
    options.out = options.out or options.work / "result.json"
    return options


def main():
    options = options_of_command_line()
    options.work.mkdir(parents=True, exist_ok=True)
    earlier = json.loads(options.peers_from.read_text()) if options.peers_from else {}
    bench = Bench(options)
    results, failures = {}, 0
    for name in options.names:
        print(f"{name}: {NETWORKS[name].title}", file=sys.stderr, flush=True)
        try:
            results[name] = bench.measure(name, earlier.get("networks", {}).get(name))
        except (Failed, subprocess.CalledProcessError) as failure:
            print(f"  failed: {failure}", file=sys.stderr)
            failures += 1
        options.out.write_text(json.dumps({"threads": options.threads, "rounds": options.rounds,
                                           "networks": results}, indent=1) + "\n")
    print(report.text(results, options.threads))
    print(f"Wrote {options.out}.")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
