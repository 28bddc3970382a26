"""The table that bench/run.py prints, from the results that it wrote; also by itself:

    python bench/report.py build/bench/result.json
"""

import json
import pathlib
import sys

MISSING = "-"


def number(value):
    """Three significant digits, thousands with commas."""
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def layout(rows):
    """Columns as wide as their widest cell, the first one to the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines)


def speed_cell(summary, side):
    if side not in summary:
        return MISSING
    one = summary[side]
    return f"{number(one['examples_per_second'])} ({100 * one['fma_peak_share']:.0f} %)"


def ratio_cell(summary, name):
    return f"{summary[name]:.2f}" if name in summary else MISSING


def mode_cell(summary, side):
    return summary[side]["mode"] if side in summary else MISSING


def memory_cell(summary, side):
    return number(summary[side]["peak_bytes"] / (1 << 20)) if side in summary else MISSING


def text(results, threads):
    speed = [("network, batch", "PyTorch", "Opacus", "ours", "ours private", "ours/PyT",
              "private/PyT", "private/Op", "ours/private")]
    memory = [("MiB at most", "PyTorch", "Opacus", "ours", "ours private", "PyTorch's mode",
               "Opacus' mode")]
    for result in results.values():
        summary = result["summary"]
        title = f"{result['title']}, {result['batch']}"
        sides = ("pytorch", "opacus", "ours", "ours_private")
        ratios = ("ours_by_pytorch", "private_by_pytorch", "private_by_opacus", "cost_of_privacy")
        speed.append((title, *(speed_cell(summary, side) for side in sides),
                      *(ratio_cell(summary, name) for name in ratios)))
        memory.append((title, *(memory_cell(summary, side) for side in sides),
                       mode_cell(summary, "pytorch"), mode_cell(summary, "opacus")))
    if len(speed) == 1:
        return "Nothing was measured."
    peak = max(result["summary"]["fma_peak_gflops"] for result in results.values())
    reused = any("reused" in result for result in results.values())
    notes = f"Examples a second (share of the FMA peak, {peak:.0f} GFLOP/s on {threads} threads)."
    if reused:
        notes += " The peers' figures are from an earlier run: the ratios are not of one run."
    return f"{notes}\n\n{layout(speed)}\n\n{layout(memory)}\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = json.loads(pathlib.Path(sys.argv[1]).read_text())
    print(text(found["networks"], found["threads"]))


if __name__ == "__main__":
    main()
