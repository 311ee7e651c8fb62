"""Records of experiments: whole, and their summaries are those of their runs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

from detlearn.data import data_path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def benchmark(name: str) -> ModuleType:
    """A script of benchmarks/ as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_a_record_is_whole() -> None:
    name = "hrnet"
    record = json.loads(data_path("results", f"{name}.json").read_text(encoding="utf-8"))
    experiment = benchmark(f"{name}_experiment")
    assert record["command"].startswith(f"python benchmarks/{name}_experiment.py")
    assert {"settings", "versions"} <= record.keys()
    done = [(one["variant"], one["seed"]) for one in record["runs"]]
    assert done == [(variant, seed) for variant in experiment.VARIANTS for seed in (0, 1, 2)]
    assert record["summary"] == experiment.summary(record["runs"])
