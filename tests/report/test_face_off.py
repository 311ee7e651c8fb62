"""What the face-off measures of a detector, its table, and who may stand in it."""

from __future__ import annotations

import json
import math
import statistics

import pytest
import torch

from detlearn import create_model, load_model
from detlearn.data import data_path
from detlearn.data.shapes import COMPLEX, SIMPLE, TEST_SEED, Shapes
from detlearn.metrics import ERROR_KINDS
from detlearn.report import (
    broken_rules,
    measure_standing,
    read_face_off,
    read_run,
    verdicts,
)
from experiments.face_off import EQUAL, FACE_OFF, publish, publish_others, table_of
from experiments.hrnet import EXCHANGE
from experiments.refinedet import PARTS

RULES = {"images": 24_000}
SCENES = 24


class Knowing:
    """A detector that knows the answers, each with a score of its own."""

    def __init__(self, wrong=()):
        self.config = create_model("ssd_tiny").config
        self.scenes = Shapes(SCENES, seed=TEST_SEED)
        self.class_names, self.wrong, self.seen = self.scenes.class_names, set(wrong), 0

    def eval(self):
        return self

    def __call__(self, images):
        return images

    def detect(self, images, **how):
        answers = []
        for image in images:
            target = next(
                (t for i, t in self.scenes if i.shape == image.shape and torch.equal(i, image)),
                None,
            )
            if target is None:  # a scene to choose the threshold on
                answers.append({"boxes": torch.zeros(0, 4), "scores": torch.zeros(0),
                                "labels": torch.zeros(0, dtype=torch.int64)})  # fmt: skip
                continue
            labels = target["labels"].clone()
            for number in self.wrong:
                labels[labels == number] = 1 + number % 8
            scores = torch.full((len(labels),), 0.75)
            answers.append({"boxes": target["boxes"].as_subclass(torch.Tensor).clone(),
                            "scores": scores, "labels": labels})  # fmt: skip
        return answers


def test_a_detector_that_knows_everything():
    found = measure_standing(Knowing(), tune_scenes=4, test_scenes=SCENES)
    objects = sum(len(target["labels"]) for _, target in Shapes(SCENES, seed=TEST_SEED))
    assert found["scores"]["mAP"] == 1.0
    assert found["scores"]["mAP_simple"] == found["scores"]["mAP_complex"] == 1.0
    assert found["scores"]["found_free"] == found["scores"]["found_hidden"] == 1.0
    assert found["errors"] == dict.fromkeys(ERROR_KINDS, 0) | {"correct": objects}
    bins = found["reliability"]
    assert [one["count"] for one in bins] == [0] * 7 + [objects] + [0] * 2
    assert (bins[7]["score"], bins[7]["right"]) == (0.75, 1.0)


def test_a_detector_that_mistakes_the_complex_classes():
    names = Shapes(1).class_names
    wrong = [names.index(name) for name in COMPLEX]
    found = measure_standing(Knowing(wrong), tune_scenes=4, test_scenes=SCENES)
    scores = found["scores"]
    assert scores["mAP_complex"] == pytest.approx(
        statistics.mean(scores[f"AP/{name}"] for name in COMPLEX), abs=1e-4
    )
    assert scores["mAP_simple"] == pytest.approx(
        statistics.mean(scores[f"AP/{name}"] for name in SIMPLE), abs=1e-4
    )
    assert scores["mAP_complex"] == 0.0 < scores["mAP_simple"]
    assert found["errors"]["wrong class"] == found["errors"]["missed"] > 0


def test_what_is_hidden_is_counted_apart():
    scenes = Shapes(SCENES, seed=TEST_SEED)
    shares = [thing.seen / thing.pixels for i in range(SCENES) for thing in scenes.scene(i).objects]
    hidden = sum(share < 0.9 for share in shares)
    assert 0 < hidden < len(shares)

    class Shy(Knowing):
        """Finds nothing that is hidden."""

        def detect(self, images, **how):
            answers = super().detect(images, **how)
            for answer, image in zip(answers, images, strict=True):
                for i in range(SCENES):
                    if torch.equal(scenes[i][0], image):
                        free = torch.tensor(
                            [t.seen >= 0.9 * t.pixels for t in scenes.scene(i).objects],
                            dtype=torch.bool,
                        )
                        for key in answer:
                            answer[key] = answer[key][free]
            return answers

    scores = measure_standing(Shy(), tune_scenes=4, test_scenes=SCENES)["scores"]
    assert (scores["found_free"], scores["found_hidden"]) == (1.0, 0.0)


def test_a_shipped_network_is_measured():
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    found = measure_standing(model, tune_scenes=8, test_scenes=16)
    assert 0.3 < found["scores"]["mAP"] < 1.0 and 0.05 < found["threshold"] < 0.95
    assert all(value > 0 for value in found["milliseconds"])
    assert found == json.loads(json.dumps(found))


def test_other_classes_are_refused():
    with pytest.raises(ValueError, match="model: expected the classes of Shapes, disc, .*got none"):
        measure_standing(create_model("ssd_tiny"))


# ------------------------------------------------------------------ the table
def a_run(variant, seed, score, **changes):
    bins = [{"score": 0.5, "right": 0.4, "count": 10}] * 10
    seen = {
        "scores": {"mAP": score}, "threshold": 0.4, "errors": dict.fromkeys(ERROR_KINDS, seed),
        "reliability": bins, "milliseconds": [10.0 + seed, 5.0],
    }  # fmt: skip
    return {
        "variant": variant, "role": "final", "seed": seed, "scores": {"half": {"mAP": score / 2}},
        "standing": seen, "learning_rate": 0.01, "parameters": 5, "multiply_adds": 7,
        "cpu_seconds": 100 + seed, "check_up": {"dead": {}}, "versions": {"torch": "2"},
    } | changes  # fmt: skip


def a_record(experiment, *runs, **table):
    return {
        "experiment": experiment.name, "question": "?", "command": "python", "complete": False,
        "paper": "Table 3", "table": table, "runs": list(runs),
        "settings": {
            "reference": experiment.reference, "delta": 0.01, "score": "mAP",
            "scenes": experiment.scenes, "epochs": experiment.epochs,
        },
        "variants": [{"name": one.name, "model": one.model} for one in experiment.variants],
        "tuning": {}, "set_aside": [],
    }  # fmt: skip


def test_a_table_out_of_records(tmp_path):
    first = a_record(
        FACE_OFF,
        *(a_run("ssd_tiny", seed, 0.6 + seed / 100) for seed in (1, 0)),
        a_run("refinedet_tiny", 0, 0.7, check_up={"dead": {"top": 0.8}}),
        a_run("m2det_tiny", 0, 0.9, role="tune"),
        refinedet_tiny={"difference": {"mean": 0.1, "verdict": "helps"}},
    )
    first["tuning"] = {
        "ssd_tiny": {"tried": {"0.01": [0.5, 0.6], "0.02": [0.7]}, "sick": ["0.02"], "chosen": 0.01}
    }
    ended = {"half": {"mAP": 0.1}, "test": {"mAP": 0.2}}
    dead = {"dead": {"top": 0.8, "stem": 0.9}}
    first["set_aside"] = [
        a_run("ssd_tiny", 0, 0.2, learning_rate=0.02, scores=ended, check_up=dead)
    ]
    second = a_record(EQUAL, a_run("ssd_tiny", 0, 0.1), a_run("refinedet_tiny, narrow", 0, 0.65))
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table_of([first, second])))
    table = read_face_off(path)
    assert list(table.rows) == ["ssd_tiny", "refinedet_tiny", "refinedet_tiny, narrow"]
    ssd, refinedet, _ = table.rows.values()
    assert (ssd.seeds, ssd.scores["mAP"], ssd.half) == ((0, 1), (0.6, 0.61), (0.3, 0.305))
    assert ssd.mean() == pytest.approx(0.605) and ssd.milliseconds == (10.5, 5.0)
    assert ssd.reliability[0] == {"score": 0.5, "right": 0.4, "count": 20}
    assert ssd.expected_calibration_error == pytest.approx(0.1)
    assert ssd.difference is None and refinedet.difference["verdict"] == "helps"
    assert refinedet.dead == {"0": {"top": 0.8}}
    assert not table.complete and table.rules["images"] == 24_000
    assert table.command == "python -m experiments face_off face_off_equal"
    assert ssd.search == {
        "tried": {"0.01": [0.5, 0.6], "0.02": [0.7]}, "sick": ["0.02"],
        "given_up": {"0.02": {"half": [0.1], "end": [0.2], "dead": [2]}},
    }  # fmt: skip
    assert refinedet.search == {"tried": {}, "sick": [], "given_up": {}}


@pytest.mark.parametrize("ends", [(True, True), (True, False), (False, True)])
def test_a_table_is_complete_if_all_its_records_are(ends):
    run = a_run("ssd_tiny", 0, 0.6)
    records = [
        a_record(FACE_OFF, run), a_record(EQUAL, a_run("refinedet_tiny, narrow", 0, 0.5)),
    ]  # fmt: skip
    for record, end in zip(records, ends, strict=True):
        record["complete"] = end
    assert table_of(records)["complete"] == all(ends)
    records[1]["runs"] = []  # no row of it is shown
    assert table_of(records)["complete"] == ends[0]


def test_a_side_table_is_published_when_it_is_whole(tmp_path):
    path, side = tmp_path / "table.json", a_run("refinedet_tiny, narrow", 0, 0.5)
    assert not publish(tmp_path, path)
    for complete in (False, True):
        records = [a_record(FACE_OFF, a_run("ssd_tiny", 0, 0.6)), a_record(EQUAL, side)]
        records[1]["complete"] = complete
        for record in records:
            (tmp_path / f"{record['experiment']}.json").write_text(json.dumps(record))
        assert publish(tmp_path, path)
        assert ("refinedet_tiny, narrow" in read_face_off(path).rows) == complete


def test_the_table_of_another_experiment(tmp_path):
    def plain(variant, seed, score, **changes):
        ends = {"half": {"mAP": score / 2}, "test": {"mAP": score, "mAP_large": math.nan}}
        return a_run(variant, seed, score, scores=ends, milliseconds=3.0 + seed, **changes)

    turned = {
        "difference": {"mean": -0.1, "interval": [-0.2, -0.05], "values": [-0.1] * 5,
                       "verdict": "hurts"},
        "at half the budget": {"mean": 0.02, "verdict": "helps"},
    }  # fmt: skip
    record = a_record(
        PARTS,
        *(plain("refinedet_tiny", seed, 0.6 + seed / 100) for seed in (1, 0)),
        *(plain("no TCB", seed, 0.5) for seed in range(5)),
        **{"no TCB": turned},
    )
    (tmp_path / "refinedet_parts.json").write_text(json.dumps(record))
    assert publish_others([PARTS, FACE_OFF], tmp_path, tmp_path) == [], "it is not complete"
    record["complete"] = True
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "refinedet_parts.json").write_text(json.dumps(record))
    assert publish_others([PARTS, FACE_OFF], tmp_path / "records", tmp_path) == ["refinedet_parts"]
    table = read_face_off(tmp_path / "refinedet_parts.json")
    assert (table.question, table.paper, table.reference) == ("?", "Table 3", "refinedet_tiny")
    whole, less = table.rows.values()
    assert (whole.scores, whole.milliseconds) == ({"mAP": (0.6, 0.61)}, (3.5,))
    assert whole.errors == {} and math.isnan(whole.expected_calibration_error)
    assert verdicts.half_verdicts(table) == [
        "After half of the training: no TCB is better than refinedet_tiny (+0.020)."
    ]
    lines = verdicts.experiment_table(table, ["mAP"]).splitlines()
    assert lines[1:] == [
        "refinedet_tiny    0.00    0.0    0.01   0.605 ± 0.007",
        "no TCB            0.00    0.0    0.01   0.500 ± 0.000",
    ]
    assert verdicts.verdict_sentence(less) == (
        "no TCB is worse than refinedet_tiny: -0.100 mAP (-0.200 to -0.050, 5 pairs)."
    )


def test_a_table_of_poses_is_told_in_its_own_score(tmp_path):
    def plain(variant, seed, score, **changes):
        ends = {"half": {"AP": score / 2}, "test": {"AP": score, "AP50": 1.0}}
        return a_run(
            variant, seed, score, scores=ends, milliseconds=3.0, made_for="pose", **changes
        )

    of = {"mean": -0.1, "interval": [-0.2, -0.05], "values": [-0.1] * 5, "verdict": "hurts"}
    record = a_record(
        EXCHANGE,
        *(plain("pose_hrnet_tiny", seed, 0.9) for seed in range(5)),
        *(plain("across stages", seed, 0.8 + seed / 100) for seed in range(5)),
        **{"across stages": {"difference": of}},
    )
    record["settings"]["score"] = "AP"
    record["set_aside"] = [plain("across stages", 0, 0.3, learning_rate=0.1)]
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table_of([record], standing=False)))
    table = read_face_off(path)
    row = table.rows["across stages"]
    assert (row.score, row.half[0], table.cpu_hours) == ("AP", 0.4, 0.0)  # made elsewhere
    assert row.mean() == pytest.approx(0.82)
    assert row.search["given_up"] == {"0.1": {"half": [0.15], "end": [0.3], "dead": [0]}}
    assert "-0.100 AP (-0.200 to" in verdicts.verdict_sentence(row)
    assert verdicts.compare_rows(table, "across stages", "pose_hrnet_tiny").found[1] == -0.1
    assert "AP (" in verdicts.pair_sentence(table, "pose_hrnet_tiny", "across stages")
    assert verdicts.paired(table, "across stages", "pose_hrnet_tiny")[0] == pytest.approx(-0.1)
    assert verdicts.experiment_table(table).splitlines()[0].split()[-2:] == ["AP", "AP50"]


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "table.json"
    path.write_text('{"rows": [{"name": "ssd_tiny"}]}')
    with pytest.raises(ValueError, match="table.json: expected the table of an experiment"):
        read_face_off(path)


# ------------------------------------------------------------------ who may stand in it
def a_folder(tmp_path, **changes):
    (tmp_path / "history.json").write_text("[]")
    (tmp_path / "run.json").write_text(json.dumps({
        "command": "python -m detlearn train ssd_tiny --scenes 12000 --epochs 2 --out x",
        "model": "ssd_tiny", "data": "shapes", "config": {"epochs": 2}, "finished": True,
        "images": {"different": 12_000, "seen": 24_000},
    } | changes))  # fmt: skip
    return read_run(tmp_path)


def test_a_run_that_kept_to_the_rules(tmp_path):
    assert broken_rules(a_folder(tmp_path), RULES) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "coco"}, "data: expected shapes, got coco"),
        ({"finished": False}, "the run is not finished"),
        ({"images": {"seen": 24_008}}, "images seen: expected at most 24,000, got 24,008"),
        ({"images": None}, "images: run.json does not say how many the network has seen"),
        ({"command": "train ssd_tiny --init best.pt"}, "--init: expected a network that began"),
        ({"command": "train ssd_tiny --init=a.pt"}, "--init: expected a network that began"),
        ({"config": None}, "run.json: expected the settings of the run, there are none"),
    ],
)
def test_a_broken_rule_is_told(tmp_path, changes, message):
    told = broken_rules(a_folder(tmp_path, **changes), RULES)
    assert len(told) == 1 and message in told[0]
