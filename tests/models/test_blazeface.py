"""BlazeFace says what the published runtime says, and runs through the common contract."""

import hashlib
import json

import numpy as np
import pytest
import torch

import detlearn
from detlearn.boxes import box_iou, make_priors
from detlearn.data import data_path, load_photo, runtime_picture
from detlearn.models.blazeface import BLAZEFACE, BlazeFace, pad_same

# What the runtime ai-edge-litert 2.3.0 answered with MediaPipe's own file, whole pixels of
# scikit-image's photographs, without any resizing: rows of 200 priors, drawn by lot.
REFERENCE = dict(np.load(data_path("weights", "blazeface_runtime.npz")))


@pytest.fixture(scope="module")
def model():
    return detlearn.load_model(data_path("weights", "blazeface.safetensors"))


@pytest.mark.parametrize("index", range(7), ids=[str(name) for name in REFERENCE["names"]])
def test_equal_to_the_published_runtime(model, index):
    name, rows = str(REFERENCE["names"][index]), REFERENCE["rows"].astype(int)
    with torch.inference_mode():
        said = model(runtime_picture(name))
    pixels = 128 * torch.cat([said.deltas, said.points.flatten(2)], dim=-1)[0]  # (P, 16)
    expected = torch.from_numpy(REFERENCE["regressors"][index])
    spread = float(expected.max() - expected.min())
    assert (pixels[rows] - expected).abs().max() < 1e-3 * spread
    logits, theirs = said.logits[0, :, 1], torch.from_numpy(REFERENCE["classificators"][index])
    spread = float(theirs.max() - theirs.min())
    assert (logits[rows].clamp(-100, 100) - theirs.clamp(-100, 100)).abs().max() < 1e-3 * spread
    # and of all priors: the sums, and which is the surest
    total, total_logits = REFERENCE["total"][index]
    assert pixels.abs().double().sum().item() == pytest.approx(total, rel=1e-4)
    assert int(logits.argmax()) == int(REFERENCE["largest"][index, 0])


def test_the_shifting_padding_would_be_noticed(model, monkeypatch):
    """The bug that does not show in the score: padding=1 moves the box by pixels."""
    right = model.detect([load_photo("astronaut")[0]])[0]

    def symmetric(maps, kernel_size, stride):
        n = kernel_size // 2
        return torch.nn.functional.pad(maps, (n, n, n, n))

    monkeypatch.setattr("detlearn.models.blazeface.pad_same", symmetric)
    wrong = model.detect([load_photo("astronaut")[0]])[0]
    assert abs(wrong["scores"][0] - right["scores"][0]) < 0.02
    assert box_iou(wrong["boxes"], right["boxes"]).max() < 0.7


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [
        pytest.param(3, 1, (1, 1), id="stride 1: one on each side"),
        pytest.param(3, 2, (0, 1), id="stride 2: one, behind"),
        pytest.param(5, 2, (1, 2), id="5x5, stride 2: one before, two behind"),
        pytest.param(1, 2, (0, 0), id="1x1: none"),
    ],
)
def test_same_padding_by_hand(kernel, stride, expected):
    padded = pad_same(torch.ones(1, 1, 4, 6), kernel, stride)[0, 0]
    first, last = expected
    assert padded.shape == (4 + first + last, 6 + first + last)
    inner = padded[first : first + 4, first : first + 6]
    assert bool((inner == 1).all()) and padded.sum() == 24


def test_same_padding_refuses_what_it_was_not_made_for():
    with pytest.raises(ValueError, match="sides that 2 divides, got 5 x 4"):
        pad_same(torch.ones(1, 1, 5, 4), 3, 2)


def test_896_priors_all_as_large_as_the_picture():
    priors = make_priors(BLAZEFACE.priors)
    assert priors.shape == (896, 4) and bool((priors[:, 2:] == 1).all())
    assert sum(p.numel() for p in BlazeFace(BLAZEFACE).parameters()) == 101_390


# ---------------------------------------------------------------- through detect


def test_the_astronauts_face(model):
    """As MediaPipe's own runtime reports it, but for the resize, which it does without smoothing."""
    photo, target = load_photo("astronaut")
    found = model.detect([photo])[0]
    assert found["scores"].tolist() == pytest.approx([0.92083], abs=1e-3)
    expected = torch.tensor([[177.33, 80.61, 271.88, 175.16]])
    torch.testing.assert_close(found["boxes"], expected, atol=0.1, rtol=0)
    assert found["keypoints"].shape == (1, 6, 3) and bool((found["keypoints"][..., 2] == 1).all())
    # every fourth pixel, as MediaPipe shrinks: its very answer, 177.57 82.87 272.91 178.22
    found = model.detect([photo[:, ::4, ::4].contiguous()])[0]
    assert found["scores"].tolist() == pytest.approx([0.92174], abs=1e-4)
    expected = torch.tensor([[177.57, 82.87, 272.91, 178.22]])
    torch.testing.assert_close(4 * found["boxes"], expected, atol=0.05, rtol=0)
    points = found["keypoints"][0, :, :2]
    assert points[0, 0] < points[1, 0], "the subject's right eye is left in the picture"
    assert bool((points[:2, 1] < points[3, 1]).all()), "the eyes are above the mouth"


@pytest.mark.parametrize("where", ["left and right", "above and below"])
def test_black_borders_move_nothing(model, where):
    """Letterboxing by hand and by the model are the same picture."""
    photo = load_photo("astronaut")[0][:, :256:4, ::4]  # (3, 64, 128): nothing is left to resize
    square = torch.zeros(3, 128, 128, dtype=torch.uint8)
    square[:, 32:96] = photo
    if where == "left and right":
        photo, square = photo.transpose(1, 2).flip(1), square.transpose(1, 2).flip(1)
    photo, square = photo.contiguous(), square.contiguous()
    alone, padded = model.detect([photo, square], score_threshold=0.3)
    assert len(alone["boxes"]) == len(padded["boxes"]) >= 1
    shift = torch.tensor([32.0, 0.0] if where == "left and right" else [0.0, 32.0])
    torch.testing.assert_close(alone["scores"], padded["scores"], atol=1e-4, rtol=0)
    torch.testing.assert_close(alone["boxes"] + shift.repeat(2), padded["boxes"], atol=1e-3, rtol=0)
    moved = alone["keypoints"][..., :2] + shift
    torch.testing.assert_close(moved, padded["keypoints"][..., :2], atol=1e-3, rtol=0)


def test_no_face_no_answer(model):
    nothing = model.detect([torch.zeros(3, 90, 40, dtype=torch.uint8)])[0]
    assert nothing["boxes"].shape == (0, 4) and nothing["keypoints"].shape == (0, 6, 3)
    assert model.detect([]) == []


def test_greedy_nms_keeps_the_best_box_weighted_nms_a_mean():
    state = detlearn.load_model(data_path("weights", "blazeface.safetensors")).state_dict()
    photo = load_photo("astronaut")[0]
    found = {}
    for weighted in (False, True):
        one = detlearn.create_model("blazeface", weighted_nms=weighted)
        one.load_state_dict(state)
        found[weighted] = one.detect([photo])[0]
    best, mean = found[False], found[True]
    assert best["priors"].tolist() == mean["priors"].tolist()
    torch.testing.assert_close(best["scores"], mean["scores"])
    assert 0.05 < float((best["boxes"] - mean["boxes"]).abs().max()) < 10
    assert best["keypoints"].shape == mean["keypoints"].shape


def test_it_cannot_be_trained(model):
    with pytest.raises(ValueError, match="comes with its weights only"):
        model.loss(None, [])


def test_predictions_of_another_network_are_refused(model):
    other = detlearn.create_model("ssd_tiny")
    with pytest.raises(ValueError, match="expected PointPredictions"):
        model.postprocess(other(torch.zeros(1, 3, 128, 128)), [(128, 128)])
    said = model(torch.zeros(1, 3, 128, 128))
    with pytest.raises(ValueError, match="expected points"):
        model.postprocess(said._replace(points=said.points[:, :, :5]), [(128, 128)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"taps": (10,)}, "expected 2 of the blocks", id="a tap too few"),
        pytest.param({"taps": (10, 16)}, "expected 2 of the blocks", id="no such block"),
        pytest.param({"blocks": ((24, 1), (20, 1))}, "shortcut can add channels", id="narrower"),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        detlearn.create_model("blazeface", **settings)


# ---------------------------------------------------------------- the file


def test_the_file_and_its_notice_belong_together():
    notice = json.loads(data_path("weights", "blazeface.json").read_text("utf-8"))
    content = data_path("weights", "blazeface.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == notice["sha256"]
    assert notice["parameters"] == 101_390 and len(content) < 250_000
    licence = data_path("weights", "blazeface.LICENSE").read_text("utf-8")
    assert "Apache License" in licence and "Version 2.0" in licence
    assert "Apache-2.0" in notice["licence"] and "converted" in notice["changed"]


def test_the_conversion_permutes_the_axes():
    from tools import convert_blazeface as convert

    generator = np.random.default_rng(0)
    names = convert.layer_names(16)
    theirs = {}
    for ours, name in names.items():
        shape = dict(BlazeFace(BLAZEFACE).named_parameters())[f"{ours}.weight"].shape
        out, inner, h, w = shape
        axes = (1, h, w, out) if "depthwise" in ours else (out, h, w, inner)
        theirs[f"{name}/Kernel"] = generator.standard_normal(axes).astype(np.float16)
        theirs[f"{name}/Bias"] = generator.standard_normal(out).astype(np.float16)
    state = convert.state_dict(theirs, 16)
    BlazeFace(BLAZEFACE).load_state_dict(state)  # strictly
    kernel = theirs["conv2d_3/Kernel"]  # block 2, pointwise
    assert state["blocks.2.pointwise.weight"][5, 7, 0, 0] == kernel[5, 0, 0, 7]
    kernel = theirs["depthwise_conv2d_2/Kernel"]
    assert state["blocks.2.depthwise.weight"][7, 0, 1, 2] == kernel[0, 1, 2, 7]
    with pytest.raises(ValueError, match="no layer of ours takes: more"):
        convert.state_dict(theirs | {"more": kernel}, 16)


def test_the_conversion_refuses_another_wheel(tmp_path):
    from tools import convert_blazeface as convert

    (tmp_path / "wheel.whl").write_bytes(b"something else")
    with pytest.raises(ValueError, match="expected SHA-256 a8073"):
        convert.convert(tmp_path / "wheel.whl", tmp_path / "out")
    assert not (tmp_path / "out").exists()
