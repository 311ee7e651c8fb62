"""The benchmark of COCO's scores: it runs, small; says what is missing; compares numbers first."""

import importlib.metadata
import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
try:
    import coco_map
finally:
    sys.path.pop(0)

SMALL = ["--images", "6", "--pairs", "1"]


@pytest.fixture
def peer():
    return pytest.importorskip("faster_coco_eval", reason="requirements-dev.txt has the peer")


def test_it_prints_a_ratio_of_each_reference(peer, capsys):
    coco_map.main(SMALL)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("6 images of 100 detections; CPU time, ours / faster-coco-eval ")
    assert [row.split()[0] for row in rows] == ["hotcoco", "pycocotools"]
    for row in rows:
        if "not installed" not in row:
            assert " ratio " in row and "scores equal to " in row


def test_scores_that_differ_are_not_timed(peer, monkeypatch):
    true = coco_map.by_the_peer
    monkeypatch.setattr(coco_map, "by_the_peer", lambda *s: true(*s) | {"mAP75": 0.5})
    with pytest.raises(SystemExit, match="a score differs by 0.*: no time is compared"):
        coco_map.main(SMALL)


def test_what_is_missing_is_named(monkeypatch, capsys):
    def version(name: str) -> str:
        if name in missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    missing = {"faster-coco-eval"}
    coco_map.main(SMALL)
    assert capsys.readouterr().out.startswith("faster-coco-eval is not installed")
    missing = {"hotcoco", "pycocotools"}
    monkeypatch.setattr(coco_map, "by_the_peer", lambda *scenes: {})
    coco_map.main(SMALL)
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split(" (")[0] for row in rows] == [
        "hotcoco is not installed", "pycocotools is not installed",
    ]  # fmt: skip


def test_differences():
    differ = coco_map.largest_difference
    assert differ({"a": 0.5, "b": math.nan}, {"a": 0.75, "b": math.nan}) == 0.25
    assert differ({"a": math.nan}, {"a": 0.0}) == math.inf
    with pytest.raises(ValueError, match="expected the same scores"):
        differ({"a": 0.5}, {"b": 0.5})


def test_pairs_run_in_turn(monkeypatch):
    calls = []
    monkeypatch.setattr(coco_map, "cpu_seconds", lambda run: run())
    found, mine, theirs = coco_map.ratios(
        lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 4.0, pairs=2
    )
    assert "".join(calls) == "abbaabba"
    assert (found, mine, theirs) == ([0.25, 0.25], 1.0, 4.0)
