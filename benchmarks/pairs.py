"""Two ways to do the same thing, timed in turn: what every comparison of speed here is made of.

A pair is A B B A, ours and theirs in turn, so that a slow minute of the machine hits both.  Only
CPU time counts, on one thread: another program on the same core takes wall-clock time, and much
less of this.  What both give is compared before any clock starts.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Run = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One row: two ways, and how far apart their answers may be.

    Attributes:
        ours: what the package does.
        theirs: what it is compared with.
        peer: whose that is, in words.
        apart: the largest difference of two answers; None where they answer different questions.
        tolerance: what it may be.
        pairs: how many, at most.
    """

    ours: Run
    theirs: Run
    peer: str
    apart: Callable[[Any, Any], float] | None
    tolerance: float = 0.0
    pairs: int = 99


@dataclass(frozen=True)
class Figure:
    """What came out of a row.

    Attributes:
        ratio: the median of CPU time of ours by theirs.
        low: the smallest one of a pair.
        high: the largest one.
        ours: the median, seconds.
        theirs: the median, seconds.
        peer: see `Case`.
        apart: how far the answers are apart; None where that is no question.
    """

    ratio: float
    low: float
    high: float
    ours: float
    theirs: float
    peer: str
    apart: float | None


def cpu_seconds(run: Run) -> float:
    """CPU time of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def ratios(ours: Run, theirs: Run, pairs: int) -> tuple[list[float], float, float]:
    """CPU time of ours by theirs, A B B A for each pair; and the medians of both, in seconds."""
    found, seconds = [], ([], [])
    for _ in range(pairs):
        a, b, c, d = (cpu_seconds(run) for run in (ours, theirs, theirs, ours))
        found.append((a + d) / (b + c))
        seconds[0].extend((a, d))
        seconds[1].extend((b, c))
    return found, statistics.median(seconds[0]), statistics.median(seconds[1])


def repeated(run: Run, seconds: float) -> Run:
    """The same call so often that a clock can see it: `seconds` of CPU time, once at least."""
    times = max(1, round(seconds / max(1e-6, min(cpu_seconds(run) for _ in range(2)))))

    def often() -> Any:
        for _ in range(times):
            answer = run()
        return answer

    often.times = times  # type: ignore[attr-defined]
    return often


def measure(case: Case, pairs: int, seconds: float = 0.05) -> Figure:
    """Compare the answers, then the times.

    Args:
        case: what to compare.
        pairs: how many pairs.
        seconds: the least CPU time between two looks at the clock.

    Raises:
        ValueError: the answers differ; times of different things are not compared.
    """
    mine, other = case.ours(), case.theirs()  # warms up, too
    apart = None if case.apart is None else case.apart(mine, other)
    if apart is not None and not apart <= case.tolerance:
        raise ValueError(f"{case.peer}: the answers differ by {apart:.3g}, no time is compared")
    ours, theirs = repeated(case.ours, seconds), repeated(case.theirs, seconds)
    found, a, b = ratios(ours, theirs, min(pairs, case.pairs))
    a, b = a / ours.times, b / theirs.times  # type: ignore[attr-defined]
    scale = theirs.times / ours.times  # type: ignore[attr-defined]
    found = [scale * ratio for ratio in found]
    return Figure(statistics.median(found), min(found), max(found), a, b, case.peer, apart)


def largest_difference(ours: Any, theirs: Any) -> float:
    """Of all numbers in two answers of one structure; infinite where one is NaN and one is not.

    Raises:
        ValueError: they are not of one structure.

    >>> largest_difference([torch.tensor([1.0, 2.0])], [torch.tensor([1.0, 2.5])])
    0.5
    """
    if isinstance(ours, Mapping):
        if list(ours) != list(theirs):
            raise ValueError(f"expected the same names, got {list(ours)} and {list(theirs)}")
        return max((largest_difference(ours[key], theirs[key]) for key in ours), default=0.0)
    if isinstance(ours, Tensor):
        if ours.shape != theirs.shape:
            raise ValueError(f"expected one shape, got {ours.shape} and {theirs.shape}")
        a, b = ours.double(), theirs.double()
        if not torch.equal(a.isnan(), b.isnan()):
            return math.inf
        return float((a - b).nan_to_num().abs().max()) if a.numel() else 0.0
    if isinstance(ours, list | tuple):
        if len(ours) != len(theirs):
            raise ValueError(f"expected one length, got {len(ours)} and {len(theirs)}")
        pairs = zip(ours, theirs, strict=True)
        return max((largest_difference(a, b) for a, b in pairs), default=0.0)
    a, b = (torch.as_tensor(answer, dtype=torch.float64) for answer in (ours, theirs))
    return largest_difference(a, b)


def version(package: str) -> str | None:
    """Of an installed package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """The CPU's own name, and what it multiplies besides float32."""
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        text = facts.read_text(encoding="utf-8")
        names = [line.split(":")[1].strip() for line in text.splitlines() if "model name" in line]
        name = names[0] if names else name
    checks = {"AMX": "_is_amx_tile_supported", "AVX-512 BF16": "_is_avx512_bf16_supported"}
    has = [words for words, check in checks.items() if getattr(torch.cpu, check, bool)()]
    return f"{name} ({', '.join(has) or 'no bfloat16'})"
