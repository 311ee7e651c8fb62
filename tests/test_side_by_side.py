"""The benchmark beside others: answers are compared first, what is missing is named, pairs in turn."""

import importlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from detlearn.boxes import select_soft
from detlearn.metrics import coco_evaluate

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def load(name: str) -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


pairs, peers, side_by_side, coco_map = map(load, ("pairs", "peers", "side_by_side", "coco_map"))


@pytest.fixture(autouse=True)
def threads_stay():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def case(ours: float = 1.0, theirs: float = 1.0) -> object:
    return pairs.Case(lambda: ours, lambda: theirs, "a peer", pairs.largest_difference, 0.1)


def test_pairs_run_in_turn(monkeypatch):
    calls = []
    monkeypatch.setattr(pairs, "cpu_seconds", lambda run: run())
    found, mine, theirs = pairs.ratios(
        lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 4.0, pairs=2
    )
    assert "".join(calls) == "abbaabba"
    assert (found, mine, theirs) == ([0.25, 0.25], 1.0, 4.0)


def test_a_short_call_is_repeated_and_counted_once(monkeypatch):
    clock = [0.0]
    costs = {"ours": 0.01, "theirs": 0.04}

    def spend(name: str) -> float:
        clock[0] += costs[name]
        return 1.0

    monkeypatch.setattr(pairs.time, "process_time", lambda: clock[0])
    figure = pairs.measure(
        pairs.Case(lambda: spend("ours"), lambda: spend("theirs"), "a peer", None), 3, 0.08
    )
    assert figure.ratio == pytest.approx(0.25) and figure.low == pytest.approx(figure.high)
    assert (figure.ours, figure.theirs) == pytest.approx((0.01, 0.04))
    assert clock[0] == pytest.approx(0.05 * 3 + 3 * 4 * 0.08)


def test_answers_that_differ_are_not_timed(monkeypatch):
    monkeypatch.setattr(pairs, "ratios", lambda *given: pytest.fail("it was timed"))
    with pytest.raises(ValueError, match=r"a peer: the answers differ by 0\.5, no time is"):
        pairs.measure(case(1.0, 1.5), 1)
    with pytest.raises(ValueError, match="differ by inf"):
        pairs.measure(case(math.nan, 1.5), 1)


def test_a_row_whose_answers_differ_is_told_and_the_others_go_on(table, monkeypatch, capsys):
    rows = (peers.Row("wrong", 1.0, lambda: case(1.0, 1.5)), peers.Row("right", 1e9, case))
    monkeypatch.setattr(side_by_side, "ROWS", rows)
    with pytest.raises(SystemExit, match="answers differ: wrong"):
        side_by_side.main(["--pairs", "1"])
    _, wrong, right, *_ = capsys.readouterr().out.splitlines()
    assert "the answers differ by 0.5" in wrong and "ABOVE" not in right


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ({"a": 0.5, "b": math.nan}, {"a": 0.75, "b": math.nan}, 0.25),
        ({"a": math.nan}, {"a": 0.0}, math.inf),
        ([torch.zeros(2), torch.ones(0)], (torch.tensor([0.0, 3.0]), torch.ones(0)), 3.0),
        (1.0, 1.0 + 1e-12, 1e-12),
        ([], [], 0.0),
    ],
)
def test_differences(ours, theirs, expected):
    assert pairs.largest_difference(ours, theirs) == pytest.approx(expected, rel=1e-3)


def test_other_things_have_no_difference():
    for ours, theirs in (({"a": 1}, {"b": 1}), ([1], [1, 2]), (torch.ones(2), torch.ones(1))):
        with pytest.raises(ValueError, match="expected"):
            pairs.largest_difference(ours, theirs)


@pytest.fixture
def table(monkeypatch):
    rows = (
        peers.Row("alone", 1.5, case, ("a package that nobody has",)),
        peers.Row("both", 1e9, case),
        peers.Row("slow", 1e-9, case),
        peers.Row("other CPU", 1.0, lambda: "no bfloat16 here"),
    )
    monkeypatch.setattr(side_by_side, "ROWS", rows)
    monkeypatch.setattr(side_by_side, "FIGURES", {"speed of light": (lambda: 3e8, "{:.0f} m/s")})
    monkeypatch.setattr(pairs, "repeated", once)


def once(run, seconds):
    def again():
        return run()

    again.times = 1
    return again


def test_the_table_says_what_is_missing_and_what_is_above(table, capsys):
    side_by_side.main(["--pairs", "1"])
    head, alone, both, slow, other, light, *_ = capsys.readouterr().out.splitlines()
    assert head.endswith("one thread; CPU time, ours / theirs")
    assert alone.endswith("not measured: a package that nobody has is not installed")
    assert "ABOVE" not in both and "answers equal to 0e+00" in both
    assert "ABOVE" in slow
    assert other.endswith("not measured: no bfloat16 here")
    assert light.split() == ["speed", "of", "light", "300000000", "m/s"]


def test_a_record_keeps_other_rows_and_other_machines(table, tmp_path, capsys, monkeypatch):
    record = tmp_path / "ratios.json"
    side_by_side.main(["--pairs", "1", "--rows", "both", "--write", str(record)])
    side_by_side.main(["--pairs", "1", "--rows", "slow", "light", "--write", str(record)])
    monkeypatch.setattr(side_by_side, "cpu_name", lambda: "another")
    side_by_side.main(["--pairs", "1", "--rows", "both", "--write", str(record)])
    first, second = json.loads(record.read_text())["machines"]
    assert list(first["rows"]) == ["both", "slow"] and list(second["rows"]) == ["both"]
    assert first["figures"] == {"speed of light": {"value": 3e8, "text": "{:.0f} m/s"}}
    assert second["cpu"] == "another" and "torch" in second["versions"]


def test_what_moved_is_named():
    def figure(ratio: float) -> object:
        return pairs.Figure(ratio, ratio, ratio, 1.0, 1.0, "a peer", None)

    now = {"a": figure(1.05), "b": figure(1.2), "c": figure(0.8), "new": figure(9.0)}
    then = {name: {"ratio": 1.0} for name in "abc"}
    assert side_by_side.moved(now, then) == [
        "b: 1.000 then, 1.200 now (+20%)", "c: 1.000 then, 0.800 now (-20%)",
    ]  # fmt: skip


def test_bench_names_the_machine_that_it_compares_with(table, tmp_path, capsys):
    record = tmp_path / "ratios.json"
    stored = {"cpu": "an old one", "rows": {"both": {"ratio": 1e-6}}}
    record.write_text(json.dumps({"machines": [stored]}))
    side_by_side.main(["--pairs", "1", "--rows", "both", "--against", str(record)])
    *_, against, both = capsys.readouterr().out.splitlines()
    assert against == "against an old one:" and both.startswith("both: 0.000 then")


def test_the_peer_of_cocos_scores_gives_ours():
    pytest.importorskip("faster_coco_eval", reason="requirements-dev.txt has the peer")
    scenes = coco_map.make_scenes(6)
    ours = coco_evaluate(*scenes, backend="pycocotools")
    assert pairs.largest_difference(ours, coco_map.by_the_peer(*scenes)) < 1e-12


def test_the_plain_soft_nms_gives_ours():
    g = torch.Generator().manual_seed(0)
    corner = 60 * torch.rand(60, 2, generator=g)
    boxes = torch.cat([corner, corner + 40], dim=1)
    scores = torch.rand(60, 4, generator=g)
    ours = select_soft(boxes, scores, score_threshold=0.01, plus_one=True, max_per_class=9)
    plain = peers.plain_soft_nms(boxes.numpy(), scores.numpy(), 0.3, 0.01, 9)
    assert len(plain) == 27
    assert [p for _, _, p in plain] == ours["priors"].tolist()
    assert [label for _, label, _ in plain] == ours["labels"].tolist()
    assert [s for s, *_ in plain] == pytest.approx(ours["scores"].tolist())


def test_the_stored_record_is_of_rows_that_there_are():
    machines = side_by_side.stored(BENCHMARKS / "ratios.json")
    names = {row.name for row in peers.ROWS}
    assert machines and all(machine["rows"] for machine in machines)
    for machine in machines:
        assert machine["rows"].keys() <= names
        assert machine["figures"].keys() <= side_by_side.FIGURES.keys()
        for row in machine["rows"].values():
            assert 0 < row["low"] <= row["ratio"] <= row["high"]
