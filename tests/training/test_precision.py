"""The precision to predict in: what auto means, what it says, and that scores stay."""

import json

import pytest
import torch

from detlearn import load_model
from detlearn.__main__ import main
from detlearn.data import data_path, read_image
from detlearn.models.modes import predicting_in
from detlearn.training import evaluate, precision
from detlearn.training.cli import open_dataset

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
WEIGHTS = data_path("weights", "ssd_tiny.safetensors")
PICTURES = sorted(data_path("shapes_val", "images").iterdir())[:9]


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [
        (False, False, torch.float32),
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
    ],
)
def test_auto_on_a_cpu_is_what_it_multiplies_in_hardware(monkeypatch, amx, avx512, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    assert precision.inference_dtype(CPU, "auto") == expected
    assert precision.inference_dtype(CPU, "off") == torch.float32
    assert precision.inference_dtype(CPU, "bf16") == torch.bfloat16
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert precision.inference_dtype(CPU, "auto") == torch.float32


def test_auto_on_a_cpu_of_a_torch_that_does_not_tell(monkeypatch):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert precision.inference_dtype(CPU, "auto") == torch.float32


def test_auto_elsewhere_is_what_training_takes(monkeypatch):
    monkeypatch.setattr(precision, "resolve_amp", lambda device, amp: "fp16")
    assert precision.inference_dtype(CUDA, "auto") == torch.float16


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="amp: expected one of 'auto', 'off', 'bf16', 'fp16'"):
        precision.inference_dtype(CPU, "half")


@pytest.mark.parametrize("command", ["detect", "evaluate"])
def test_the_shell_says_which_precision(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: True)
    given = {
        "detect": [str(PICTURES[0]), "--out", str(tmp_path)],
        "evaluate": ["--quiet"],
    }
    seen = []
    for amp in ("auto", "off"):
        assert main([command, "--weights", str(WEIGHTS), "--device", "cpu", "--amp", amp,
                     *given[command]]) == 0  # fmt: skip
        seen.append(capsys.readouterr())
    auto, off = seen
    first, *rest = auto.out.splitlines()
    assert first == "the network computes in bfloat16; --amp off for float32"
    assert rest[0].split()[0] == off.out.splitlines()[0].split()[0]
    assert auto.err == off.err == ""


def test_half_precision_leaves_the_scores_of_the_shipped_weights():
    model, dataset = load_model(WEIGHTS), open_dataset("shapes", "val")
    scores = []
    for dtype in (torch.float32, torch.bfloat16):
        with predicting_in(model, dtype):
            scores.append(evaluate(model, dataset))
    full, half = scores
    assert half["mAP"] == pytest.approx(full["mAP"], abs=0.002)
    assert half["mAP"] != full["mAP"]


def test_detect_reads_ahead_and_answers_each_picture(tmp_path, capsys):
    """Nine pictures, more than wait; each has the answer that it has alone."""
    assert main(["detect", "--weights", str(WEIGHTS), "--device", "cpu", "--amp", "off",
                 "--out", str(tmp_path), *map(str, PICTURES)]) == 0  # fmt: skip
    results = json.loads((tmp_path / "detections.json").read_text())
    assert [result["image"] for result in results] == list(map(str, PICTURES))
    model = load_model(WEIGHTS)
    for path, result in zip(PICTURES, results, strict=True):
        (alone,) = model.detect([read_image(path)], score_threshold=0.5)
        assert [found["label"] for found in result["objects"]] == alone["labels"].tolist()
        for found, box in zip(result["objects"], alone["boxes"].tolist(), strict=True):
            assert found["box_xyxy"] == pytest.approx(box, abs=0.01)
