"""Benchmarks of speed: they run, small; their records are whole; what is missing says so."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from detlearn.data import VocDetectionDataset, data_path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
CPU = torch.device("cpu")
TINY = ["--device", "cpu", "--quick", "--models", "ssd_tiny", "pose_hrnet_tiny", "timm hrnet_w32"]


def load(name: str) -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


throughput, loading = load("throughput"), load("loading")


@pytest.fixture(autouse=True)
def threads_stay_and_garbage_may(monkeypatch):
    monkeypatch.setattr(throughput.gc, "collect", lambda: 0)  # half a second each time
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_throughput_measures_writes_and_keeps_the_other_half(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "timm", None)  # importing it fails
    out = tmp_path / "throughput.json"
    gpu = {
        "rows": [
            {
                "model": "ssd_tiny",
                "mode": "fp32",
                "training": {"batch": 32, "images_per_second": 4321.0, "peak_gib": 1.5},
            }
        ]
    }
    out.write_text(json.dumps({"cpu": {"rows": []}, "cuda": gpu}))
    throughput.main([*TINY, "--note", "busy", "--write", str(out)])

    record = json.loads(out.read_text())
    assert record["cuda"] == gpu
    run = record["cpu"]
    assert run["command"].startswith("python benchmarks/throughput.py --device cpu --quick")
    assert {"torch", "torchvision", "python"} <= run["versions"].keys()
    assert (run["threads"], run["note"], run["settings"]["train_batch"]) == (1, "busy", 2)
    names = [(row["model"], row["mode"]) for row in run["rows"]]
    assert names == list(itertools.product(TINY[4:], ["fp32", "channels_last"]))
    for row in run["rows"][:4]:
        assert row["training"]["batch"] == 2 and row["detection, batch 1"]["batch"] == 1
        assert row["training"]["images_per_second"] > 0
        assert row["training"]["peak_gib"] == "not measured"  # PyTorch counts a GPU's memory only
    assert run["rows"][-1]["training"] == "not measured: timm is not installed"

    printed = capsys.readouterr().out
    lines = {
        line.split(" | ")[0] + line.split(" | ")[1]: line
        for line in printed.splitlines()
        if line.startswith("| `")
    }
    assert lines["| `ssd_tiny`fp32"].endswith(
        "| 4321 | 1.5 | not measured | not measured | not measured |"
    )
    assert lines["| `ssd_tiny`channels_last"].count("not measured") == 5
    assert throughput.table(record) in printed


def test_a_record_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"runs": []}')
    with pytest.raises(SystemExit, match="expected a record of this benchmark"):
        throughput.main([*TINY, "--write", str(tmp_path / "other.json")])


@pytest.mark.parametrize(
    ("error", "mode", "expected"),
    [
        pytest.param(
            torch.OutOfMemoryError("CUDA out of memory"), "fp32", "out of memory", id="on a GPU"
        ),
        pytest.param(
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "fp32",
            "out of memory",
            id="on a CPU",
        ),
        pytest.param(MemoryError(), "fp32", "out of memory", id="in Python"),
        pytest.param(
            RuntimeError("no compiler"),
            "bf16 + compile",
            "not measured: torch.compile failed (RuntimeError)",
            id="no compiler",
        ),
    ],
)
def test_a_cell_that_fails_ends_nothing(monkeypatch, error, mode, expected):
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(throughput, "train_step", fail)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: None)
    row = throughput.measure_row("ssd_tiny", mode, throughput.QUICK, CPU)
    assert row["training"] == expected
    assert row["detection, batch 1"]["images_per_second"] > 0
    cpu = throughput.table({"cpu": {"rows": [row]}, "cuda": None}).splitlines()[-1].split(" | ")
    assert cpu[2] == expected


def test_a_mistake_is_no_lack_of_memory(monkeypatch):
    monkeypatch.setattr(throughput, "train_step", lambda *given: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(RuntimeError, match="must match the size"):
        throughput.measure_row("ssd_tiny", "fp32", throughput.QUICK, CPU)


def test_the_fastest_repeat_counts_and_warm_up_does_not(monkeypatch):
    clock = SimpleNamespace(now=0.0, steps=0)
    durations = [100.0, 4.0, 4.0, 2.0, 2.0, 3.0, 3.0]  # warm-up, then three repeats of two steps

    def step() -> None:
        clock.now += durations[clock.steps]
        clock.steps += 1

    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock.now)
    settings = throughput.Settings(
        train_batch=8, detect_batches=(1,), warm_up=1, steps=2, repeats=3
    )
    cell = throughput.measure(step, 8, settings, CPU)
    assert cell["images_per_second"] == 8 * 2 / 4 and clock.steps == 7


@pytest.mark.parametrize("mode", ["fp32", "channels_last"])
def test_each_mode_is_what_it_says(mode):
    ours = throughput.Ours("ssd_tiny", throughput.MODES[mode], CPU)
    conv = next(layer for layer in ours.model.modules() if isinstance(layer, torch.nn.Conv2d))
    seen = []
    conv.register_forward_pre_hook(lambda module, given: seen.append(given[0].is_contiguous()))
    ours.train(2)()
    ours.detect(1)()
    assert set(seen) == {mode == "fp32"}
    assert conv.weight.is_contiguous() == (mode == "fp32")


def test_detection_finds_what_a_trained_network_would():
    ours = throughput.Ours("refinedet_tiny", throughput.MODES["channels_last"], CPU)
    found = ours.detect(1)()[0]
    assert 20 < len(found["scores"]) <= 100
    assert found["scores"].min() > 0.99 and len(found["labels"].unique()) == 8


def test_the_stored_record_is_whole():
    record = json.loads(data_path("results", "throughput.json").read_text(encoding="utf-8"))
    assert record.keys() == {"cpu", "cuda"}
    for device, run in record.items():
        if run is not None:
            assert run["command"].startswith("python benchmarks/throughput.py")
            modes = list(throughput.MODES) if device == "cuda" else ["fp32", "channels_last"]
            done = [(row["model"], row["mode"]) for row in run["rows"]]
            assert done == list(itertools.product(throughput.MODELS, modes))
    table = throughput.table(record)
    assert table.count("\n") == 1 + max(len(run["rows"]) for run in record.values() if run)


def test_voc_tree_is_one(tmp_path):
    loading.write_voc_tree(tmp_path, 3)
    dataset = VocDetectionDataset(tmp_path, "2012", "trainval")
    assert [tuple(dataset[i][0].shape) for i in range(3)] == [(3, 375, 500)] * 3
    assert all(len(dataset[i][1]["labels"]) == 3 for i in range(3))
    assert dataset[0][0].float().std() > 10  # a photograph, not a flat colour


def test_loading_prints_both_sides(capsys, monkeypatch):
    monkeypatch.setattr(loading, "WORKERS", (0,))
    small = ["--scenes", "16", "--pictures", "8", "--steps", "1", "--voc-model", "ssd_tiny"]
    monkeypatch.setattr(loading, "loading_rate", lambda dataset, workers: 30.0)
    monkeypatch.setattr(loading, "training_rate", lambda name, dataset, steps: 20.0)
    with pytest.raises(SystemExit, match="loading is less than 2 times as fast as training"):
        loading.main([*small, "--at-least", "2"])
    loading.main([*small, "--at-least", "1.5"])
    assert "ssd_tiny trains on 20.0 images a second" in capsys.readouterr().out
    monkeypatch.undo()
    scenes = loading.Cached(loading.Shapes(24, objects=(1, 3)), loading.shapes_train_transform(128))
    assert loading.loading_rate(scenes, 0) > 0 and loading.training_rate("ssd_tiny", scenes, 1) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_annotations_are_opened_and_shared(capsys, tmp_path):
    found = load("annotations").main(
        ["--images", "600", "--boxes", "60000", "--workers", "1", "--folder", str(tmp_path)]
    )
    assert found.keys() == {"seconds", "peak_mib", "growth_mib"}
    # An object for a box would be copied: 60,000 of them take 33 MiB and more.
    assert found["growth_mib"] < 15
    assert "600 images, 60000 boxes" in capsys.readouterr().out
