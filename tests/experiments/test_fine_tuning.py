"""A trained detector to begin with, scenes of the night, and the curve of a run."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path

import pytest
import torch

from detlearn.data import Shapes, data_path
from detlearn.training import TrainConfig
from experiments import runs, scenes
from experiments.fine_tuning import FINE_TUNING, publish, table_of
from experiments.plan import Experiment, Spec, Variant
from experiments.records import make_record, settings_of, variants_of

ROOT = Path(__file__).resolve().parents[2]
SMALL = dataclasses.replace(
    FINE_TUNING,
    variants=tuple(dataclasses.replace(one, rate=1e-4) for one in FINE_TUNING.variants),
    recipe=TrainConfig(batch_size=8, amp="off", warmup_steps=2, schedule="flat"),
    scenes=16,
    epochs=4,
    looks=4,
)


@pytest.fixture
def few_scenes(monkeypatch):
    monkeypatch.setattr(scenes, "SIZES", {"tune": 4, "test": 4})
    monkeypatch.setattr(runs, "LOOKED_AT", 4)
    scenes.view.cache_clear()
    yield
    scenes.view.cache_clear()


def test_the_night_is_the_same_each_time_and_of_the_same_boxes():
    night, day = (scenes.shapes_of(domain, 6, seed=5) for domain in ("night", "shapes"))
    for index in range(6):
        (dark, target), (again, _), (light, of_day) = night[index], night[index], day[index]
        assert torch.equal(dark, again) and dark.dtype == torch.uint8
        assert torch.equal(dark[0], dark[1]) and torch.equal(dark[0], dark[2])  # grey
        assert torch.equal(target["boxes"], of_day["boxes"])
        pair = torch.stack([dark[0].float().flatten(), light.float().mean(dim=0).flatten()])
        assert torch.corrcoef(pair)[0, 1] < -0.3  # negative
        named = [scenes.NIGHT_NAMES[label] for label in target["labels"]]
        by_day = [Shapes.class_names[label] for label in of_day["labels"]]
        assert named == [scenes.NIGHT_NAMES[scenes.NIGHT_OF[name]] for name in by_day]
    assert set(scenes.NIGHT_OF) == set(Shapes.class_names)
    assert Shapes.class_names[1] == "disc"  # nobody else's names were changed


def test_a_detector_of_shapes_has_seen_none_of_the_nights_scenes():
    first = scenes.train_set(4, domain="night").items[0][1]["image_id"]
    assert first > 12_000  # so many the shipped one has learned from, from 0 on


def test_an_unknown_domain_is_refused():
    with pytest.raises(ValueError, match="domain: expected one of shapes, night, got 'dusk'"):
        scenes.shapes_of("dusk", 1, seed=0)


def test_two_rows_begin_differently_and_are_scored_four_times(few_scenes, tmp_path):
    begun = {}
    for row in SMALL.variants:
        run = runs.execute(SMALL, Spec(row.name, "final", 1e-4, 0), tmp_path / row.name)
        assert [point["epoch"] for point in run["curve"]] == [1, 2, 3, 4]
        assert run["curve"][1]["mAP"] == run["scores"]["half"]["mAP"]
        assert run["curve"][3]["mAP"] == run["scores"]["tune"]["mAP"]
        assert run == json.loads(json.dumps(run))
        begun[row.name] = run
    fresh, trained = (begun[row.name] for row in SMALL.variants)
    assert fresh["order"] == trained["order"] and fresh["parameters"] == trained["parameters"]
    assert trained["loss"][0]["bbox_regression"] < 0.7 * fresh["loss"][0]["bbox_regression"]

    record = make_record(SMALL, list(begun.values()))
    with pytest.raises(ValueError, match="expected a complete record, runs are missing"):
        table_of(record)
    file = tmp_path / "fine_tuning.json"
    assert not publish(tmp_path, file)  # none is there
    file.write_text(json.dumps(record))
    assert not publish(tmp_path, tmp_path / "table.json")
    assert not (tmp_path / "table.json").exists()
    file.write_text(json.dumps(record | {"complete": True}))
    assert publish(tmp_path, tmp_path / "table.json")
    table = json.loads((tmp_path / "table.json").read_text())
    assert (table["steps"], table["tuning_steps"]) == ([2, 4, 6, 8], 16)
    for name, row in table["rows"].items():
        assert row["curves"] == [[point["mAP"] for point in begun[name]["curve"]]]
        assert row["mAP"] == [begun[name]["scores"]["test"]["mAP"]]


def test_a_record_says_domain_looks_and_beginning_only_where_they_are_not_the_usual():
    assert settings_of(FINE_TUNING).items() >= {"domain": "night", "looks": 8}.items()
    assert [row.get("init") for row in variants_of(FINE_TUNING)] == [None, "ssd_tiny"]
    usual = Experiment(
        name="usual", question="?", variants=(Variant("one", "ssd_tiny", rate=1e-3),),
        reference="one", recipe=TrainConfig(), scenes=8, epochs=2,
    )  # fmt: skip
    assert not {"domain", "looks"} & set(settings_of(usual))
    assert "init" not in variants_of(usual)[0]


def test_what_readers_see_is_the_record():
    record = json.loads((ROOT / "experiments/records/fine_tuning.json").read_text("utf-8"))
    table = json.loads(data_path("results", "fine_tuning.json").read_text("utf-8"))
    assert table == json.loads(json.dumps(table_of(record)))
    said = [
        f"{statistics.mean(row['mAP']):.3f} ({min(row['mAP']):.3f} to {max(row['mAP']):.3f})"
        for row in table["rows"].values()
    ]
    assert "mAP " + " · ".join(reversed(said)) in (ROOT / "README.md").read_text("utf-8")
    tried = table["rows"]["a detector of Shapes"]["tried"]
    docs = (ROOT / "docs/training.md").read_text("utf-8")
    assert f"({tried['0.01']:.2f} mAP" in docs and f"({tried['0.001']:.2f};" in docs


@pytest.mark.parametrize("looks", [3, 10])
def test_looks_meet_half_of_the_budget(looks):
    with pytest.raises(ValueError, match=f"looks: expected an even number that divides.*{looks}"):
        dataclasses.replace(FINE_TUNING, looks=looks)
