"""All that has a speed, beside others: CPU time of ours by theirs, on one thread.

    python benchmarks/side_by_side.py                                # the table, in some minutes
    python benchmarks/side_by_side.py --rows HRNet priors            # rows whose names hold a word
    python benchmarks/side_by_side.py --write benchmarks/ratios.json # and keep it for this CPU
    python benchmarks/side_by_side.py --against benchmarks/ratios.json   # `make bench`

A pair of runs is A B B A; a row prints the median of the ratios and their range, after it has
compared the answers.  Rows whose peer is not installed say so.  At the end stand figures without a
peer.  With ``--against`` the last lines name the ratios that moved by more than a tenth; that fails
nothing: a ratio may move because a peer or PyTorch became faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # hotcoco's threads; read when it is loaded

import torch
from pairs import Case, Figure, cpu_name, cpu_seconds, measure, version
from peers import ROWS, Row, hrnet_pair, ssd_forward
from torch.utils.flop_counter import FlopCounterMode

from detlearn.data import Shapes
from detlearn.files import write_atomically
from detlearn.training.cli import versions

MOVED = 0.1
PEERS = ("torchvision", "timm", "torchmetrics", "faster-coco-eval", "hotcoco", "pycocotools")


def fastest(run: Callable[[], object], repeats: int = 3) -> float:
    """The least CPU time of a call, after one that warms up."""
    run()
    return min(cpu_seconds(run) for _ in range(repeats))


def scenes_per_second() -> float:
    """Scenes of Shapes drawn in a second of CPU time, 128 x 128."""
    scenes = Shapes(length=60)
    return 60 / fastest(lambda: [scenes[i] for i in range(60)])


def import_seconds() -> float:
    """CPU time of `import detlearn` after torch and torchvision, in a process of its own.

    Nothing is tidied up before the clock starts: this is what a user waits for.
    """
    code = (
        "import time, torch, torchvision; start = time.process_time(); "
        "import detlearn; print(time.process_time() - start)"
    )
    seconds = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(2)]
    return min(map(float, seconds))


def matmul_peak() -> float:
    """Floating-point operations a second of one thread: the product of two large matrices."""
    side = 2048
    a, b = torch.randn(side, side), torch.randn(side, side)
    return 2 * side**3 / fastest(lambda: a @ b)


def share_of_peak(run: Callable[[], object]) -> float:
    """Which part of `matmul_peak` a forward pass reaches; multiplications of layers count."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / fastest(run) / matmul_peak()


def hrnet_share() -> float:
    """HRNet-W32's, batch 8, channels_last."""
    ours, _ = hrnet_pair(32, channels_last=True)
    images = torch.randn(8, 3, 256, 192).to(memory_format=torch.channels_last)
    return share_of_peak(torch.inference_mode()(lambda: ours(images)))


FIGURES: dict[str, tuple[Callable[[], float], str]] = {
    "import detlearn after torch and torchvision": (import_seconds, "{:.2f} s"),
    "scenes of Shapes": (scenes_per_second, "{:.0f} a CPU-second"),
    "matmul peak, float32": (lambda: matmul_peak() / 1e9, "{:.0f} GFLOP/s"),
    "SSD300-VGG, share of the peak": (lambda: share_of_peak(ssd_forward().ours), "{:.0%}"),
    "HRNet-W32 batch 8 channels_last, share of the peak": (hrnet_share, "{:.0%}"),
}
"""What has no peer: how it is measured, and how it is written."""


def print_row(row: Row, figure: Figure | str) -> None:
    """One row of the table."""
    if isinstance(figure, str):
        print(f"{row.name:<40} {figure}", flush=True)
        return
    within = "" if figure.ratio <= row.target else "  ABOVE"
    equal = "" if figure.apart is None else f", answers equal to {figure.apart:.0e}"
    target = "" if row.target == float("inf") else f", target {row.target:.2f}"
    print(f"{row.name:<40} {figure.ratio:6.3f} ({figure.low:.3f} to {figure.high:.3f})"
          f"{target}{within}: {1e3 * figure.ours:,.2f} ms, {figure.peer} "
          f"{1e3 * figure.theirs:,.2f} ms{equal}", flush=True)  # fmt: skip


def in_rounds(row: Row, case: Case, pairs: int) -> Figure:
    """Measure a row; one of several rounds in as many processes, which share the pairs.

    Raises:
        ValueError: the answers differ.
    """
    if row.rounds == 1:
        return measure(case, pairs)
    share = max(1, pairs // row.rounds)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        rounds = [pool.submit(one_round, row.name, share).result() for _ in range(row.rounds)]
    return replace(
        rounds[0],
        ratio=statistics.median(one.ratio for one in rounds),
        low=min(one.low for one in rounds),
        high=max(one.high for one in rounds),
        ours=statistics.median(one.ours for one in rounds),
        theirs=statistics.median(one.theirs for one in rounds),
    )


def one_round(name: str, pairs: int) -> Figure:
    """A row in a process of its own."""
    torch.set_num_threads(1)
    case = next(row for row in ROWS if row.name == name).make()
    assert not isinstance(case, str)  # it was made once already
    return measure(case, pairs)


def run_rows(
    rows: Sequence[Row], pairs: int, keep: Callable[[dict[str, Figure]], None]
) -> tuple[dict[str, Figure], list[str]]:
    """Measure, print and keep; a row whose peer is missing is left out.

    Returns:
        what was measured, and the rows whose answers differ.
    """
    found, differ = {}, []
    for row in rows:
        if missing := [name for name in row.needs if version(name) is None]:
            print_row(row, f"not measured: {', '.join(missing)} is not installed")
            continue
        case = row.make()
        if isinstance(case, str):
            print_row(row, f"not measured: {case}")
            continue
        try:
            found[row.name] = in_rounds(row, case, pairs)
        except ValueError as error:
            differ.append(row.name)
            print_row(row, str(error))
            continue
        print_row(row, found[row.name])
        keep({row.name: found[row.name]})
    return found, differ


def moved(now: dict[str, Figure], then: dict[str, Any]) -> list[str]:
    """What is more than a tenth away from a stored ratio, in words."""
    lines = []
    for name, figure in now.items():
        if name in then and abs(figure.ratio / then[name]["ratio"] - 1) > MOVED:
            change = figure.ratio / then[name]["ratio"] - 1
            lines.append(f"{name}: {then[name]['ratio']:.3f} then, {figure.ratio:.3f} now "
                         f"({change:+.0%})")  # fmt: skip
    return lines


def stored(path: Path) -> list[dict[str, Any]]:
    """The machines of a record; none where there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))["machines"] if path.is_file() else []


def write(path: Path, found: dict[str, Figure], figures: dict[str, float]) -> None:
    """Keep what was measured with this CPU's other rows; other machines stay what they are."""
    machines, cpu = stored(path), cpu_name()
    mine = next((machine for machine in machines if machine["cpu"] == cpu), None)
    if mine is None:
        mine = {"cpu": cpu, "rows": {}, "figures": {}}
        machines.append(mine)
    mine["versions"] = versions() | {name: version(name) for name in PEERS if version(name)}
    mine["rows"] |= {
        name: {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in asdict(one).items()}
        for name, one in found.items()
    }
    mine["figures"] |= {
        name: {"value": float(f"{value:.3g}"), "text": FIGURES[name][1]}
        for name, value in figures.items()
    }
    write_atomically(path, (json.dumps({"machines": machines}, indent=1) + "\n").encode())


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table; write or compare it if asked.  Exit 1 where answers differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="words of their names")
    parser.add_argument("--pairs", type=int, default=11, help="runs A B B A, at most")
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--against", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    start = time.process_time()

    def wanted(name: str) -> bool:
        return any(word.lower() in name.lower() for word in args.rows)

    print(f"{cpu_name()}, one thread; CPU time, ours / theirs")

    def keep(rows: dict[str, Figure], figures: dict[str, float] | None = None) -> None:
        if args.write:
            write(args.write, rows, figures or {})

    found, differ = run_rows([row for row in ROWS if wanted(row.name)], args.pairs, keep)
    for name, (run, text) in FIGURES.items():
        if wanted(name):
            if name.startswith("HRNet") and version("timm") is None:
                print(f"{name:<51} not measured: timm is not installed")
                continue
            value = run()
            keep({}, {name: value})
            print(f"{name:<51} {text.format(value)}", flush=True)
    print(", ".join(f"{name} {value}" for name, value in versions().items()))
    print(f"{time.process_time() - start:.0f} s of CPU time")
    if args.against:
        machines = stored(args.against)
        same = [machine for machine in machines if machine["cpu"] == cpu_name()]
        for machine in (same or machines)[:1]:
            lines = moved(found, machine["rows"])
            print(f"against {machine['cpu']}:", *(lines or ["nothing moved by more than 10 %"]),
                  sep="\n")  # fmt: skip
    if differ:
        sys.exit(f"answers differ: {', '.join(differ)}")


if __name__ == "__main__":
    main()
