"""A network is trained on the pictures that it will be shown: one way in, for every detector."""

import argparse
import ast
from pathlib import Path

import pytest
import torch
from PIL import Image

import detlearn
from detlearn import create_model, list_models
from detlearn.data import eval_transform, load_photo, shapes_train_transform, train_transform
from detlearn.models import Detector
from detlearn.models.inputs import resize
from detlearn.models.zoo import ZOO
from detlearn.training import cli

DETECTORS = [name for name in list_models() if hasattr(ZOO[name].config, "antialias")]
ROUNDING = 1.01
"""Grey levels: whole numbers are resized along one side, then the other, and rounded both times."""


class Seen(Exception):
    """The network's input, before the network runs."""


def meta_model(name, **overrides):
    """A model without memory or arithmetic, but for what its way in needs."""
    with torch.device("meta"):
        model = create_model(name, **overrides)
    for buffer in ("image_mean", "image_std"):
        values = torch.tensor(getattr(model.config, buffer))[:, None, None]  # (3, 1, 1)
        setattr(model, buffer, values)
    return model


def detection_input(model, image):
    """What `forward` gets when `detect` is called."""

    def stop(module, arguments):
        raise Seen(arguments[0])

    hook = model.register_forward_pre_hook(stop)
    with pytest.raises(Seen) as seen:
        model.detect([image])
    hook.remove()
    return seen.value.args[0]


def grey_levels(model, first, second):
    """The largest difference of two inputs, in grey levels."""
    std = model.image_std  # (3, 1, 1) RGB
    if getattr(model.config, "channel_order", "rgb") == "bgr":
        std = std.flip(0)
    return ((first - second).abs() * std * 255).max().item()


@pytest.fixture(scope="module")
def photo():
    return load_photo("motorcycle")


def plain_transforms(config):
    size = config.image_size
    fitting = {"antialias": config.antialias, "letterbox": config.letterbox}
    return {
        "eval": eval_transform(size, **fitting),
        "train": train_transform(
            size, photometric=False, zoom_out=1, crop=False, flip=False, **fitting
        ),
        "shapes": shapes_train_transform(size, zoom=0, **fitting),
    }


def test_every_detector_is_asked():
    others = {name for name in list_models() if name not in DETECTORS}
    assert all(name.startswith(("pose_hrnet", "hrnetv2p")) for name in others)
    assert len(DETECTORS) >= 18


@pytest.mark.parametrize("name", DETECTORS)
def test_training_pictures_are_detection_pictures(name, photo, monkeypatch):
    model = meta_model(name)
    assert isinstance(model, Detector)
    expected = detection_input(model, photo[0])  # (1, 3, S, S)
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor(1.0))  # no mirror, no window
    for kind, transform in plain_transforms(model.config).items():
        image, _ = transform(*photo)
        trained_on = model.normalize(image[None])  # as `train_step` does
        difference = grey_levels(model, trained_on, expected)
        assert difference <= ROUNDING, f"{kind}: {difference:.2f} grey levels"


def test_the_other_resizing_would_be_noticed(photo):
    model = meta_model("ssd300_vgg16")
    expected = detection_input(model, photo[0])
    image, _ = eval_transform(300, antialias=not model.config.antialias)(*photo)
    assert grey_levels(model, model.normalize(image[None]), expected) > 50


def test_boxes_move_with_a_letterboxed_picture(photo):
    """Back in the picture, by the model's own way, the boxes are where they were."""
    model = meta_model("blazeface")
    image, target = photo
    height, width = image.shape[-2:]
    assert height != width
    _, moved = eval_transform(128, letterbox=True)(image, target)
    assert float(moved["boxes"][:, 1].min()) >= 128 * (1 - height / width) / 2 - 1, "black above"
    fractions = model.in_picture(moved["boxes"].as_subclass(torch.Tensor) / 128, (height, width))
    back = fractions * torch.tensor([width, height] * 2)
    torch.testing.assert_close(back, target["boxes"].as_subclass(torch.Tensor), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssd300_resnet50", "m2det320_vgg16", "blazeface"])
def test_the_command_train_asks_the_model(name, photo, tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    image, target = photo
    pixels = Image.fromarray(image.permute(1, 2, 0).numpy())
    pixels.save(tmp_path / "images" / "a.png")
    box = ",".join(str(side) for side in target["boxes"][0].tolist())
    (tmp_path / "train.csv").write_text(f"image,x1,y1,x2,y2,label\na.png,{box},thing\n")
    monkeypatch.setattr(cli, "create_model", meta_model)
    arguments = argparse.Namespace(
        model=name, data=str(tmp_path), scenes=1, no_eval=True, priors=None, exif_upright=False
    )
    model, dataset, *_ = cli.prepare_detector(arguments, 0)
    assert dataset.transform.antialias == model.config.antialias
    assert dataset.transform.letterbox == model.config.letterbox
    assert dataset.transform.size == model.config.image_size
    arguments.data = "shapes"
    model, dataset, *_ = cli.prepare_detector(arguments, 0)
    assert dataset.transform.antialias == model.config.antialias
    assert dataset.transform.letterbox == model.config.letterbox


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [(17, 60), (200, 150)], ids=["smaller", "larger"])
def test_whole_numbers_are_resized_as_fractions_are(antialias, size):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 70, 90), dtype=torch.uint8, generator=generator)
    got = resize(images, size, antialias)
    assert got.shape == (2, 3, *size) and got.dtype == torch.uint8
    assert (got - resize(images.float(), size, antialias)).abs().max() <= ROUNDING
    assert resize(images, (70, 90), antialias) is images


# -------------------------------------------------------------- nobody else


PACKAGE = Path(detlearn.__file__).parent
RESIZERS = {"interpolate", "grid_sample", "Resize", "resize", "resized_crop", "RandomResizedCrop"}
ALLOWED = {
    "models/inputs.py": {"F.interpolate"},
    # Maps inside a network, from level to level.
    "models/m2det": {"F.interpolate"},
    "models/hrnet": {"F.interpolate"},
    "models/pose/mediapipe_pose.py": {"F.interpolate"},  # maps of its decoder
    "show/explorers/model/tum_walk.py": {"F.interpolate"},
    # A person, turned upright and cut out: one function for training and for answering.
    "models/pose/crops.py": {"F.grid_sample"},
    # A photograph seen from elsewhere: the reader's camera, which stands before the way in.
    "data/views.py": {"F.interpolate", "F.grid_sample"},
    # An exercise about maps from level to level.
    "teach/exercises/nb09.py": {"torch.nn.functional.interpolate"},
}


def resizers(tree):
    """Calls that change how many pixels a tensor has; Pillow's pictures are for the reader."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in RESIZERS and "Resampling" not in ast.unparse(node):
            yield ast.unparse(node.func)


def test_nobody_else_resizes_for_a_network():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        said = set(resizers(ast.parse(path.read_text(encoding="utf-8"))))
        allowed = [calls for place, calls in ALLOWED.items() if name.startswith(place)]
        if extra := said.difference(*allowed):
            found[name] = extra
    assert found == {}
