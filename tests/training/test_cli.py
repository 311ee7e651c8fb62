"""The shell commands, as a shell runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file

from detlearn import create_model, save_model
from detlearn.__main__ import main
from detlearn.data import Shapes
from detlearn.training import cli
from detlearn.training.checkpoint import save_checkpoint
from detlearn.training.cli import open_dataset
from tests.patience import HANG, wait_for_file

ROOT = Path(__file__).parents[2]
TRAIN = ["train", "ssd_tiny", "--data", "shapes", "--scenes", "24", "--epochs", "2",
         "--batch-size", "4", "--checkpoint-every", "2", "--no-eval", "--quiet", "--device", "cpu"]  # fmt: skip


# Trains, and stands still in its fifth step until it is killed.
STOPS = """
import pathlib, sys, time
from detlearn.__main__ import main
from detlearn.training import loop

steps, step = [], loop.train_step

def stopping(*arguments):
    steps.append(1)
    if len(steps) == 5:
        pathlib.Path(sys.argv[1]).touch()
        while True:
            time.sleep(1)
    return step(*arguments)

loop.train_step = stopping
sys.exit(main(sys.argv[2:]))
"""


def start(arguments: list[str]) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *arguments], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def shell(*arguments: str) -> subprocess.Popen:
    return start(["-m", "detlearn", *arguments])


@pytest.mark.slow
def test_kill_9_and_resume_ends_with_the_same_weights(tmp_path):
    unbroken = shell(*TRAIN, "--out", str(tmp_path / "unbroken"))
    script = tmp_path / "stops.py"
    script.write_text(STOPS)
    command = [str(script), str(tmp_path / "stands"), *TRAIN, "--out", str(tmp_path / "killed")]
    killed = start(command)
    wait_for_file(tmp_path / "stands", killed)
    killed.kill()
    killed.communicate(timeout=HANG)
    assert (tmp_path / "killed" / "last.pt").exists()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    output, _ = unbroken.communicate(timeout=HANG)
    assert unbroken.returncode == 0, output

    refused = shell(*TRAIN, "--out", str(tmp_path / "killed"))
    output, _ = refused.communicate(timeout=HANG)
    assert refused.returncode == 2 and "holds a run already; resume it (--resume)" in output

    resumed = shell(*TRAIN, "--out", str(tmp_path / "killed"), "--resume")
    output, _ = resumed.communicate(timeout=HANG)
    assert resumed.returncode == 0, output
    assert "trained in" in output
    ours = load_file(tmp_path / "killed" / "model.safetensors")
    theirs = load_file(tmp_path / "unbroken" / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)
    record = json.loads((tmp_path / "killed" / "run.json").read_text())
    assert record["command"].startswith("python -m detlearn train ssd_tiny")
    assert record["versions"]["torch"] == torch.__version__


def test_a_resumed_run_tells_how_it_began(tmp_path):
    arguments = ["train", "ssd_tiny", "--scenes", "4", "--epochs", "1", "--batch-size", "2",
                 "--no-eval", "--quiet", "--device", "cpu", "--out", str(tmp_path)]  # fmt: skip
    assert main(arguments) == 0
    assert main([*arguments, "--resume"]) == 0
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["finished"] and "--resume" not in record["command"]
    assert ["--resume" in run["command"] for run in record["resumed"]] == [True]


def test_an_attempt_that_was_refused_is_not_how_it_began(tmp_path, capsys):
    arguments = ["train", "ssd_tiny", "--scenes", "4", "--epochs", "1", "--batch-size", "2",
                 "--no-eval", "--quiet", "--device", "cpu", "--out", str(tmp_path), "--resume"]  # fmt: skip
    assert main([*arguments, "--evaluate-every", "0"]) == 2
    assert main(arguments) == 0
    record = json.loads((tmp_path / "run.json").read_text())
    assert "--evaluate-every" not in record["command"] and "resumed" not in record
    (tmp_path / "file").write_text("in the way")
    capsys.readouterr()
    assert main([*arguments[:-2], str(tmp_path / "file")]) == 2
    assert "file is no folder that can be written to" in capsys.readouterr().err


def test_a_run_that_was_stopped_in_its_first_epoch_has_a_report(tmp_path, capsys):
    arguments = ["train", "ssd_tiny", "--scenes", "4", "--epochs", "1", "--batch-size", "2",
                 "--no-eval", "--quiet", "--device", "cpu", "--out", str(tmp_path)]  # fmt: skip
    assert main(arguments) == 0
    for path in tmp_path.iterdir():
        if path.is_file() and path.name != "last.pt":
            path.unlink()
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The run is not finished" in page and "holds no weights yet" in page


def test_pictures_that_cannot_be_drawn_do_not_end_a_training(tmp_path):
    (tmp_path / "samples").write_text("a file in the way")
    arguments = ["train", "ssd_tiny", "--scenes", "4", "--epochs", "1", "--batch-size", "2",
                 "--quiet", "--device", "cpu", "--evaluate-every", "9", "--out", str(tmp_path)]  # fmt: skip
    with pytest.warns(UserWarning, match=r"epoch-001\.png: not written"):
        assert main(arguments) == 0


@pytest.mark.parametrize(
    ("message", "status"),
    [
        pytest.param("[gloo/transport/tcp/pair.cc:537] Connection closed by peer", 3, id="peer"),
        pytest.param("CUDA out of memory. Tried to allocate 2 GiB", None, id="its own trouble"),
    ],
)
def test_only_anothers_death_is_called_so(monkeypatch, capsys, message, status):
    def run_models(args):
        raise RuntimeError(message)

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("detlearn.__main__.run_models", run_models)
    if status is None:
        with pytest.raises(RuntimeError, match="out of memory"):
            main(["models"])
    else:
        assert main(["models"]) == status
        assert "another process of this run has ended" in capsys.readouterr().err


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model = create_model("ssd_tiny")
    model.class_names = Shapes(length=0).class_names
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_model(model, path, {})
    return path


def test_detect_draws_and_writes(tmp_path, weights, capsys):
    pictures = tmp_path / "in"
    pictures.mkdir()
    Image.new("RGB", (90, 60), (200, 30, 30)).save(pictures / "a.png")
    Image.new("L", (33, 47), 128).save(pictures / "a.jpg")
    (pictures / "notes.txt").write_text("not a picture")
    arguments = ["detect", "--weights", str(weights), str(pictures), "--out", str(tmp_path / "out"),
                 "--score-threshold", "0.05", "--device", "cpu"]  # fmt: skip
    assert main(arguments) == 0
    assert "objects ->" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [Path(r["image"]).name for r in results] == ["a.jpg", "a.png"]
    assert len({r["picture"] for r in results}) == 2
    for result, size in zip(results, [(33, 47), (90, 60)], strict=True):
        assert result["objects"], "random weights find something at 0.05"
        with Image.open(result["picture"]) as picture:
            assert picture.size[0] >= size[0]
        for found in result["objects"]:
            x1, y1, x2, y2 = found["box_xyxy"]
            assert 0 <= x1 <= x2 <= size[0] and 0 <= y1 <= y2 <= size[1]
            assert found["class"] == Shapes(length=0).class_names[found["label"]]


def test_evaluate_prints_and_writes(tmp_path, weights, capsys):
    arguments = ["evaluate", "--weights", str(weights), "--data", "shapes", "--quiet",
                 "--device", "cpu", "--json", str(tmp_path / "scores.json")]  # fmt: skip
    assert main(arguments) == 0
    assert "mAP50" in capsys.readouterr().out
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert 0 <= scores["mAP"] < 0.1


def test_classes_are_compared_by_name_not_by_number(monkeypatch):
    # The same pictures, with classes numbered by the alphabet, as a table of boxes has them.
    from torch.utils.data import Subset

    from detlearn import load_model
    from detlearn.data import data_path
    from detlearn.training import evaluate

    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    validation = open_dataset("shapes", "val")
    names = ("background", *sorted(validation.class_names[1:]))
    assert names != validation.class_names
    labels = torch.tensor([names.index(name) for name in validation.class_names])

    class Renumbered:
        class_names = names

        def __len__(self):
            return 20

        def __getitem__(self, index):
            image, target = validation[index]
            return image, target | {"labels": labels[target["labels"]]}

    few = Subset(validation, range(20))
    plain = evaluate(model, few, class_names=validation.class_names)
    scores = evaluate(model, Renumbered())
    assert plain["mAP"] > 0.5 and scores == pytest.approx(plain, nan_ok=True)
    others = ("background", "lorry", *names[2:])
    with pytest.raises(ValueError, match=r"the model knows disc, .*; the data set lorry, "):
        evaluate(model, few, class_names=others)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["detect", "--weights", "nowhere.safetensors", "x.png"], "nowhere.safetensors"),
        (["evaluate", "--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (
            ["train", "ssd_tiny", "--data", "nowhere", "--out", "OUT"],
            "expected 'shapes' or a folder, got 'nowhere'",
        ),
        (
            ["train", "ssd_tiny", "--data", "EMPTY", "--out", "OUT"],
            "none of the layouts known for 'train'",
        ),
        (
            ["train", "ssd_tiny", "--epochs", "0", "--out", "OUT"],
            "epochs: expected an integer, at least 1, got 0",
        ),
        (
            ["train", "ssd_tiny", "--device", "warp", "--out", "OUT"],
            "device: 'warp' cannot be used",
        ),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    names = {"OUT": str(tmp_path / "out"), "EMPTY": str(tmp_path / "empty")}
    assert main([names.get(a, a) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("detlearn: ") and message in error
    assert "Traceback" not in error


def test_missing_picture_and_wrong_file(tmp_path, weights, capsys):
    assert (
        main(
            ["detect", "--weights", str(weights), str(tmp_path / "no.png"), "--out", str(tmp_path)]
        )
        == 2
    )
    assert "no.png" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert (
        main(["detect", "--weights", str(weights), str(tmp_path / "empty"), "--out", str(tmp_path)])
        == 2
    )
    assert "no pictures in this folder" in capsys.readouterr().err


def test_models_and_unknown_model(capsys):
    assert main(["models"]) == 0
    assert "ssd_tiny" in capsys.readouterr().out.split()
    with pytest.raises(SystemExit):
        main(["train", "yolo", "--out", "x"])
    assert "invalid choice: 'yolo'" in capsys.readouterr().err


def test_voc_twin_is_found_by_its_layout():
    from detlearn.data import data_path

    dataset = open_dataset(str(data_path("shapes_voc")), "val")
    image, target = dataset[0]
    assert image.shape[0] == 3 and len(target["boxes"]) == len(target["labels"])


@pytest.fixture
def begun(monkeypatch):
    """What each training would have begun with; none of them is run."""
    models = []

    def begin(model, dataset, config, **_):
        models.append(model)
        return [{"epoch": 1.0, "seconds": 0.0}]

    monkeypatch.setattr(cli, "train", begin)
    return models


def test_train_begins_with_a_backbone(tmp_path, begun, capsys):
    theirs = torchvision.models.mobilenet_v2(weights=None).state_dict()
    file, run = tmp_path / "mobilenet.pth", tmp_path / "run"
    torch.save(theirs, file)
    command = ["train", "ssdlite300_mobilenet_v2", "--scenes", "2", "--no-eval", "--quiet", "--out",
               str(run), "--device", "cpu", "--backbone", str(file)]  # fmt: skip
    assert main([*command, "--resume"]) == 0  # nothing is there yet: a new run
    said = capsys.readouterr().out
    assert f"{file}: 312 tensors loaded" in said and "head.deltas" in said
    first = begun[0].backbone.state_dict()
    assert all(torch.equal(first[key], theirs[key]) for key in first)
    assert f"--backbone {file}" in json.loads((run / "run.json").read_text())["command"]

    save_checkpoint(run / "last.pt", {})
    file.unlink()
    assert main([*command, "--resume"]) == 0
    assert f"goes on from its checkpoint, {file} is not read" in capsys.readouterr().out
    assert main(command) == 2
    assert f"detlearn: {file}: there is no such file" in capsys.readouterr().err
    assert len(begun) == 2


@pytest.mark.parametrize("name", ["ssd_tiny", "pose_hrnet_tiny"])
def test_train_of_a_model_without_published_backbone(tmp_path, begun, capsys, name):
    command = ["train", name, "--scenes", "2", "--no-eval", "--out", str(tmp_path / "run")]
    assert main([*command, "--backbone", "weights.pth", "--device", "cpu"]) == 2
    assert f"detlearn: {name}: there is no published backbone" in capsys.readouterr().err
    assert not begun


@pytest.mark.skipif(os.name == "nt", reason="Windows says EINVAL, and has no head")
@pytest.mark.parametrize(
    "arguments", [["models"], ["train", "ssd_tiny", "--scenes", "8", "--epochs", "1", "--no-eval"]]
)
def test_a_reader_that_has_gone_ends_it_without_a_word(arguments, tmp_path):
    """``python -m detlearn models | head -1``, whose reader is faster still."""
    read, write = os.pipe()
    os.close(read)
    out = ["--out", str(tmp_path / "run")] if arguments[0] == "train" else []
    done = subprocess.run(
        [sys.executable, "-m", "detlearn", *arguments, *out], stdout=write,
        stderr=subprocess.PIPE, text=True, timeout=HANG,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


OTHER_PIPE = """
import sys
import detlearn.__main__ as shell

def broken(args):
    print("before")
    raise BrokenPipeError(32, "Broken pipe")

shell.run_models = broken
sys.exit(shell.main(["models"]))
"""


def test_another_pipe_that_breaks_is_told(monkeypatch, capsys):
    script = start(["-c", OTHER_PIPE])  # its own stdout is a pipe that somebody reads
    said, _ = script.communicate(timeout=HANG)
    assert script.returncode == 2
    assert sorted(said.splitlines()) == ["before", "detlearn: [Errno 32] Broken pipe"]

    def broken(args):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("detlearn.__main__.run_models", broken)
    assert main(["models"]) == 2, "a stdout that is no file, as in a notebook"
    assert "Broken pipe" in capsys.readouterr().err


def test_a_name_that_the_code_page_lacks_is_written_escaped(tmp_path):
    """As on Windows, where the output of a command that goes to a file is in an old code page."""
    for name in ("a.png", "\u732b.png", "z.png"):
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    asked = [sys.executable, "-m", "detlearn", "detect", "--weights", "ssd_tiny", str(tmp_path),
             "--out", str(tmp_path / "drawn")]  # fmt: skip
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(asked, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u732b.png" in done.stdout
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 3
