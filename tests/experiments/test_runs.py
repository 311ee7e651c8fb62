"""One run for real, small; one that is interrupted and goes on; the programme around them."""

from __future__ import annotations

import json

import pytest
import torch

import experiments.__main__ as programme
from detlearn.metrics import ERROR_KINDS
from detlearn.training import TrainConfig
from experiments import runs, scenes, ssd
from experiments.plan import Experiment, Spec, Variant
from experiments.records import RUN_KEYS, read_runs, record_path

EXPERIMENT = Experiment(
    name="small",
    question="Does it run?",
    variants=(Variant("plain", "ssd_tiny", rate=1e-3),),
    reference="plain",
    recipe=TrainConfig(batch_size=16, amp="off"),
    scenes=64,
    epochs=2,
    seeds=(0, 1),
    standing=True,
)
SPEC = Spec("plain", "final", 1e-3, 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return runs.execute(EXPERIMENT, SPEC, folder, quick=True), folder


def test_a_run_says_all_that_a_record_needs(whole):
    run, folder = whole
    assert set(run) | {"command"} == {*RUN_KEYS, "standing"}
    assert set(run["standing"]["errors"]) == set(ERROR_KINDS)
    assert run["scores"].keys() == {"half", "tune", "test"}
    assert (run["steps"], run["images"], run["scenes"]) == (8, 128, 64)
    assert [sorted(row) for row in run["loss"]] == [["bbox_regression", "classification"]] * 2
    assert run["parameters"] == 557_894 and 80e6 < run["multiply_adds"] < 100e6
    assert run["milliseconds"] > 0 and run["cpu_seconds"] > 0
    assert run["config"]["learning_rate"] == 1e-3 and run["versions"]["shapes"]
    assert run["check_up"].keys() == {"never_active", "dead", "troubles"}
    assert run == json.loads(json.dumps(run))
    assert (folder / "model.safetensors").is_file()


def test_an_interrupted_run_ends_as_the_whole_one(whole, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def fall(clock):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(runs.Clock, "write", fall)
        with pytest.raises(Killed):
            runs.execute(EXPERIMENT, SPEC, tmp_path, quick=True)
    again = runs.execute(EXPERIMENT, SPEC, tmp_path, quick=True)
    differing = {key for key in again if again[key] != whole[0][key]}
    assert differing <= {"cpu_seconds", "milliseconds", "standing"}
    measured = [{**one["standing"], "milliseconds": None} for one in (again, whole[0])]
    assert measured[0] == measured[1]


def test_the_clock_counts_all_sittings(tmp_path):
    (tmp_path / "cpu.json").write_text("100.0")
    clock = runs.Clock(tmp_path / "cpu.json")
    assert 100 <= clock.seconds < 160
    clock.write()
    assert runs.Clock(tmp_path / "cpu.json").before >= 100


def test_order_follows_from_seed_scenes_and_batches_alone():
    dataset = range(64)
    config = TrainConfig(epochs=2, batch_size=16, seed=1)

    def order(**changes):
        given = {"epochs": 2, "batch_size": 16, "seed": 1, **changes}
        return runs.order_of(dataset, 64, TrainConfig(**given))

    assert order(learning_rate=0.5, weight_decay=0.0) == runs.order_of(dataset, 64, config)
    others = [
        order(seed=2),
        order(batch_size=8),
        order(epochs=3),
        runs.order_of(dataset, 65, config),
    ]
    assert len({order(), *others}) == 5


def test_the_three_sets_never_meet():
    seen: dict[bytes, str] = {}
    sets = {"train": scenes.train_set(40).items, "tune": scenes.view("tune", scenes=40),
            "test": scenes.view("test", scenes=40)}  # fmt: skip
    for name, items in sets.items():
        for number in range(40):
            pixels = torch.as_tensor(items[number][0]).numpy().tobytes()
            assert seen.setdefault(pixels, name) == name
    assert len(seen) == 120 and len(set(scenes.SEEDS.values())) == 3


def test_a_smaller_training_set_is_a_part_of_a_larger_one():
    few, many = scenes.train_set(4).items, scenes.train_set(8).items
    assert all(torch.equal(few[k][0], many[k][0]) for k in range(4))


def test_ssds_augmentation_begins_with_nothing():
    drawn = scenes.train_set(4).items
    rows = {one.name: dict(one.augment) for one in ssd.AUGMENTATION.variants}
    assert sorted(row["zoom_out"] for row in rows.values()) == [1, 1, 1, 4]
    plain = scenes.train_set(4, augment=rows.pop("nothing"))
    for (image, target), (seen, lesson) in zip(drawn, [plain[k] for k in range(4)], strict=True):
        assert torch.equal(seen, image)
        torch.testing.assert_close(lesson["boxes"], target["boxes"], rtol=0, atol=1e-4)
    torch.manual_seed(0)
    for settings in rows.values():
        varied = scenes.train_set(4, augment=settings)
        assert not all(torch.equal(varied[k][0], plain[k][0]) for k in range(4))


def fake(experiment, spec, folder, quick=False):
    """A run that costs nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "last.pt").write_text("")
    (folder / "model.safetensors").write_text("")
    scores = {which: {"mAP": 0.1} for which in ("tune", "half", "test")}
    return dict.fromkeys(RUN_KEYS, 0) | {
        "variant": spec.variant, "role": spec.role, "learning_rate": spec.rate,
        "seed": spec.seed, "score": "mAP", "scores": scores, "check_up": {"dead": {}},
        "standing": {},
    }  # fmt: skip


@pytest.fixture
def programme_of_one(monkeypatch, tmp_path):
    monkeypatch.setattr(programme, "EXPERIMENTS", {"small": EXPERIMENT})
    monkeypatch.setattr(programme, "execute", fake)
    arguments = ["small", "--records", str(tmp_path / "records"), "--runs", str(tmp_path / "runs")]
    return arguments, record_path(EXPERIMENT, tmp_path / "records"), tmp_path / "runs"


def test_the_programme_makes_what_is_missing_and_no_more(programme_of_one, capsys):
    arguments, path, folder = programme_of_one
    programme.main(arguments)
    assert [run["seed"] for run in read_runs(path, EXPERIMENT)] == [0, 1]
    weights = sorted(str(one.relative_to(folder)) for one in folder.rglob("*.safetensors"))
    assert weights == [f"small/plain_final_0.001_seed_{seed}/model.safetensors" for seed in (0, 1)]
    assert list(folder.rglob("*.pt")) == []
    before = path.read_bytes()
    programme.main(arguments)
    assert path.read_bytes() == before
    capsys.readouterr()
    programme.main([*arguments, "--list"])
    assert capsys.readouterr().out.split() == "small 2 runs, 0.00 h; complete".split()


def test_a_killed_programme_keeps_what_was_done(programme_of_one, monkeypatch):
    arguments, path, _ = programme_of_one

    def second_falls(experiment, spec, folder, quick=False):
        if spec.seed == 1:
            raise KeyboardInterrupt
        return fake(experiment, spec, folder)

    with monkeypatch.context() as patch:
        patch.setattr(programme, "execute", second_falls)
        with pytest.raises(KeyboardInterrupt):
            programme.main(arguments)
    assert [run["seed"] for run in read_runs(path, EXPERIMENT)] == [0]
    programme.main(arguments)
    assert [run["seed"] for run in read_runs(path, EXPERIMENT)] == [0, 1]


def test_two_processes_share_the_runs_out(programme_of_one):
    _, path, folder = programme_of_one
    first = programme.claim([EXPERIMENT], path.parent, folder)
    second = programme.claim([EXPERIMENT], path.parent, folder)
    assert first is not None and second is not None
    assert {first[1].seed, second[1].seed} == {0, 1}
    first[2].release()
    second[2].release()


def test_quick_concludes_nothing(programme_of_one, capsys, monkeypatch):
    arguments, path, folder = programme_of_one
    programme.main([*arguments, "--quick"])
    out = capsys.readouterr().out
    assert "nothing is concluded from so little" in out and "plain" in out
    assert not path.exists() and not (folder / "quick").exists()


def test_an_unknown_experiment(programme_of_one, capsys):
    with pytest.raises(SystemExit):
        programme.main(["sorting"])
    assert "sorting: expected some of small" in capsys.readouterr().err
