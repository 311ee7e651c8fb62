"""MediaPipe's heat maps say what the published runtime says."""

import hashlib
import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from detlearn.data import data_path, load_photo
from detlearn.models.pose.mediapipe_pose import MEDIAPIPE_POINTS, MediaPipePose, load_mediapipe_pose

PATH = data_path("mediapipe", "pose.safetensors")
# What the runtime ai-edge-litert 2.3.0 answered with MediaPipe's own file: every eighth row and
# column of each map, the sum of all, and where each map is highest.
REFERENCE = dict(np.load(data_path("mediapipe", "pose_runtime.npz")))


@pytest.fixture(scope="module")
def model():
    return load_mediapipe_pose(PATH)


def picture(name):
    """(1, 3, 256, 256): a pattern that anybody can write down, or a photograph halved by means."""
    if name == "stripes":
        return (torch.arange(3 * 256 * 256) * 7919 % 256).reshape(1, 3, 256, 256) / 255
    whole = load_photo(name)[0].as_subclass(torch.Tensor)
    return F.avg_pool2d(whole[None].float(), 2) / 255


@pytest.mark.parametrize("index", (0, 1), ids=[str(name) for name in REFERENCE["names"]])
def test_equal_to_the_published_runtime(model, index):
    with torch.inference_mode():
        logits = model(picture(str(REFERENCE["names"][index])))[0]  # (J, H, W)
    expected = torch.from_numpy(REFERENCE["logits"][index])
    spread = float(expected.max() - expected.min())
    assert (logits[:, ::8, ::8] - expected).abs().max() < 1e-3 * spread
    total = float(REFERENCE["total"][index])
    assert logits.abs().double().sum().item() == pytest.approx(total, rel=1e-4)
    ours = logits.flatten(1)
    theirs = torch.from_numpy(REFERENCE["largest"][index].astype(int))[:, None]
    assert (ours.max(1).values - ours.gather(1, theirs)[:, 0]).max() < 1e-3 * spread


def test_the_astronauts_face_is_sharp_and_the_elbows_wide(model):
    """With room for the legs below, as the detector before this network would cut the person out."""
    whole = load_photo("astronaut")[0].as_subclass(torch.Tensor)[None].float()
    small = F.interpolate(whole, (192, 192), mode="bilinear", antialias=True) / 255
    with torch.inference_mode():
        maps = model(F.pad(small, (32, 32, 10, 54))).sigmoid()[0]  # (J, H, W)
    peak = maps.amax((1, 2))  # (J,)
    wide = (maps > 0.5 * peak[:, None, None]).sum((1, 2))  # (J,) pixels above half of the peak
    nose = MEDIAPIPE_POINTS.index("nose")
    assert peak[nose] > 0.8
    for name in ("left elbow", "right elbow"):
        elbow = MEDIAPIPE_POINTS.index(name)
        assert peak[elbow] < 0.6 and wide[elbow] > 3 * wide[nose]


def test_the_file_is_what_its_notice_says(model):
    notice = json.loads(data_path("mediapipe", "pose.json").read_text())
    assert hashlib.sha256(PATH.read_bytes()).hexdigest() == notice["sha256"]
    assert sum(p.numel() for p in model.parameters()) == notice["parameters"] == 1_601_759
    assert "Apache" in data_path("weights", "blazeface.LICENSE").read_text()
    assert PATH.stat().st_size < 5_000_000


def test_larger_pictures_give_larger_maps(model):
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, 64, 96)).shape == (2, 39, 16, 24)


def test_another_file_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="expected the weights of MediaPipePose, got another"):
        load_mediapipe_pose(data_path("weights", "blazeface.safetensors"))
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="another file"):
        load_mediapipe_pose(tmp_path / "x.safetensors")
    with pytest.raises(OSError):
        load_mediapipe_pose(tmp_path / "none.safetensors")


def test_the_doctests_network_is_untrained_and_alive():
    assert MediaPipePose()(torch.rand(1, 3, 32, 32)).shape == (1, 39, 8, 8)
