"""Models by name, and models as files."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
import safetensors.torch
import torch

import detlearn
from detlearn import create_model, list_models, load_model, save_model
from detlearn.boxes import SSD_TINY_PRIORS
from detlearn.models import SSD_TINY

NAMES = ("background", "disc", "square")


def test_names():
    assert list_models()[:5] == [
        "ssd300_vgg16",
        "ssd512_vgg16",
        "ssd300_resnet50",
        "ssdlite300_mobilenet_v2",
        "ssd_tiny",
    ]
    assert len(set(list_models())) == len(list_models())


def test_overrides_are_config_fields():
    model = create_model("ssd_tiny", num_classes=4, score_threshold=0.3)
    assert model.config == dataclasses.replace(SSD_TINY, num_classes=4, score_threshold=0.3)
    assert model(torch.zeros(1, 3, 128, 128)).logits.shape[-1] == 4
    assert SSD_TINY.num_classes == 9


def test_same_seed_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(create_model("ssd_tiny").state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_priors_and_constants_are_not_saved():
    assert not {"priors", "image_mean", "image_std"} & create_model("ssd_tiny").state_dict().keys()


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("ssd", {}, "'ssd': there is no such model; (did you mean|there are) "),
        ("ssd300_vgg", {}, "did you mean ssd300_vgg16?"),
        ("", {}, "there are ssd300_vgg16, ssd512_vgg16"),
        (None, {}, "'None': there is no such model|None: there is no such model"),
        ("ssd_tiny", {"num_class": 3}, "num_class: .*did you mean num_classes?"),
        ("ssd_tiny", {"pretrained": True}, "pretrained: create_model never downloads"),
        ("ssd_tiny", {"weights": "DEFAULT"}, "load_reference_weights a published one"),
        ("ssd_tiny", {"num_classes": 0}, "num_classes: expected an integer, at least 2"),
        ("ssd_tiny", {"priors": {"image_size": 128}}, "priors: .*does not fit"),
        ("ssd_tiny", {"extras": [[1]]}, "extras: .*does not fit"),
        ("ssd_tiny", {"widths": [8, 8]}, "map_sizes: 2 stages on 128 px have maps of side"),
    ],
)
def test_create_model_refuses(name, overrides, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, **overrides)


# --------------------------------------------------------------------- files


def assert_equal_models(first, second):
    assert first.config == second.config and type(first) is type(second)
    a, b = first.state_dict(), second.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"num_classes": 3, "score_threshold": 0.25, "max_candidates": None},
        {
            "widths": (8, 8, 16, 16, 24),
            "priors": dataclasses.replace(SSD_TINY_PRIORS, min_sizes=(9.5, 20, 40, 72)),
            "image_std": (1.0, 1.0, 1.0),
        },
        {
            "priors": dataclasses.replace(
                SSD_TINY_PRIORS,
                map_sizes=(32, 16, 8, 4, 2),
                steps=(4, 8, 16, 32, 64),
                min_sizes=(10, 20, 40, 72, 100),
                max_sizes=(),
                aspect_ratios=((2,), (), (2, 3), (1.5,), (2,)),
            ),
            "extras": ((16, 32, 3, 2, 1),),
            "extra_block": "conv_bn",
            "head": "separable",
        },
    ],
    ids=["the preset", "numbers", "widths and priors", "an extra level"],
)
def test_round_trip(tmp_path, overrides):
    model = create_model("ssd_tiny", **overrides)
    model(torch.rand(2, 3, 128, 128))  # moves the statistics of BatchNorm
    path = tmp_path / "größe 1" / "tiny.safetensors"
    save_model(model, path)
    again = load_model(str(path))
    assert_equal_models(model, again)
    assert not again.training and again.class_names is None
    image = torch.rand(3, 50, 70)
    for key, value in model.detect([image])[0].items():
        assert torch.equal(value, again.detect([image])[0][key])


def test_class_names_and_notes_travel_along(tmp_path):
    model = create_model("ssd_tiny", num_classes=3)
    model.class_names = NAMES
    path = tmp_path / "tiny.safetensors"
    save_model(model, path, {"command": "python -m detlearn train", "seed": "0"})
    assert load_model(path).class_names == NAMES
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["command"] == "python -m detlearn train" and metadata["model"] == "ssd_tiny"
    assert json.loads(metadata["overrides"]) == {"num_classes": 3}
    assert json.loads(metadata["class_names"]) == list(NAMES)


def test_class_names_may_come_as_metadata(tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_model(create_model("ssd_tiny", num_classes=3), path, {"class_names": json.dumps(NAMES)})
    assert load_model(path).class_names == NAMES


def test_saving_twice_gives_the_same_bytes(tmp_path):
    model = create_model("ssd_tiny")
    for name in "ab":
        save_model(model, tmp_path / name, {"z": "1", "a": "2"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_memory_format_is_no_obstacle(tmp_path):
    model = create_model("ssd_tiny").to(memory_format=torch.channels_last)
    save_model(model, tmp_path / "tiny.safetensors")
    assert_equal_models(model, load_model(tmp_path / "tiny.safetensors"))


def test_saving_does_not_depend_on_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(create_model("ssd_tiny"), "tiny.safetensors")
    assert os.listdir() == ["tiny.safetensors"]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"model": "mine"}, "the key 'model' is not free"),
        ({"overrides": "{}"}, "the key 'overrides' is not free"),
        ({"epochs": 3}, r"metadata\['epochs'\]: expected a text, got int"),
        ({3: "epochs"}, "the key 3 is not free"),
        ({"class_names": "disc, square"}, "expected a JSON list of names, got 'disc, square'"),
        ({"class_names": "[1, 2]"}, "expected a JSON list of names"),
        ({"class_names": '["disc"]'}, "expected 9 names, the background's first, got 1"),
    ],
)
def test_save_refuses_metadata(tmp_path, metadata, message):
    with pytest.raises(ValueError, match=message):
        save_model(create_model("ssd_tiny"), tmp_path / "tiny.safetensors", metadata)
    assert list(tmp_path.iterdir()) == []


def test_save_refuses_other_models(tmp_path):
    with pytest.raises(ValueError, match="expected one of create_model, got Linear"):
        save_model(torch.nn.Linear(1, 1), tmp_path / "linear.safetensors")


def test_save_refuses_wrong_class_names(tmp_path):
    model = create_model("ssd_tiny")
    model.class_names = NAMES
    with pytest.raises(ValueError, match="model.class_names: expected 9 names.* got 3"):
        save_model(model, tmp_path / "tiny.safetensors")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(b"old")

    def crash(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, step, crash)
    with pytest.raises(OSError, match="no space"):
        save_model(create_model("ssd_tiny"), path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def saved(path, tensors=None, **metadata):
    tensors = create_model("ssd_tiny").state_dict() if tensors is None else tensors
    safetensors.torch.save_file(tensors, path, metadata or None)
    return path


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "expected a file of save_model.*load_reference_weights"),
        ({"format": "pt"}, "expected a file of save_model"),
        ({"model": "yolo", "overrides": "{}"}, "'yolo': there is no such model"),
        ({"model": "ssd_tiny", "overrides": "{"}, "overrides: expected a JSON object, got"),
        ({"model": "ssd_tiny", "overrides": "[]"}, "overrides: expected a JSON object"),
        ({"model": "ssd_tiny", "overrides": '{"colour": 1}'}, "colour: ssd_tiny has no such"),
        (
            {"model": "ssd_tiny", "overrides": "{}", "class_names": '["a"]'},
            "class_names: expected 9 names",
        ),
        (
            {"model": "ssd_tiny", "overrides": '{"num_classes": 3}'},
            "do not fit ssd_tiny\n.*of wrong shape or type: head.logits.0.weight is",
        ),
    ],
)
def test_load_refuses_metadata(tmp_path, metadata, message):
    path = saved(tmp_path / "tiny.safetensors", **metadata)
    with pytest.raises(ValueError, match=message) as caught:
        load_model(path)
    assert "tiny.safetensors" in str(caught.value)


def test_load_names_missing_and_unexpected_keys(tmp_path):
    tensors = create_model("ssd_tiny").state_dict()
    tensors["extra"] = tensors.pop("head.deltas.0.bias")
    path = saved(tmp_path / "a.safetensors", tensors, model="ssd_tiny", overrides="{}")
    with pytest.raises(ValueError, match="1 missing: head.deltas.0.bias\n  1 unexpected: extra"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"PNG", b"\x08\0\0\0\0\0\0\0notjson!", None])
def test_load_refuses_damaged_files(tmp_path, content):
    path = tmp_path / "tiny.safetensors"
    if content is None:
        save_model(create_model("ssd_tiny"), path)
        content = path.read_bytes()[:-100]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="tiny.safetensors: no complete safetensors file"):
        load_model(path)


def test_load_names_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors: there is no such file"):
        load_model(tmp_path / "nowhere.safetensors")
    with pytest.raises(ValueError, match="expected a file, got a folder"):
        load_model(tmp_path)


# -------------------------------------------------------------------- import


def test_import_is_light():
    heavy = ["IPython", "ipywidgets", "matplotlib", "pycocotools", "skimage", "safetensors"]
    code = (
        "import sys, torch, torchvision\n"
        "before = set(sys.modules)\n"
        "import detlearn\n"
        f"print([name for name in {heavy} if name in sys.modules and name not in before])"
    )
    folder = os.path.dirname(os.path.dirname(detlearn.__file__))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True
    )
    assert done.stdout.strip() == "[]"


def test_version_is_written_once():
    from detlearn._version import __version__

    assert detlearn.__version__ == __version__
