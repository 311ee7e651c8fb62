"""The exported file says what the detector says, for any number of pictures."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import detlearn
import detlearn.data
from detlearn.models.onnx_export import ONNX_OPSET, export_onnx

onnx = pytest.importorskip("onnx", reason="exporting needs onnx (requirements-dev.txt)")
runtime = pytest.importorskip("onnxruntime", reason="comparing needs onnxruntime")


def export_in_a_process(model, path):
    """Away from the checks of shape comments: what they look at, torch.export takes for fixed."""
    program = (
        "import detlearn\nfrom detlearn.data import data_path\n"
        "from detlearn.models.onnx_export import export_onnx\n"
        f"model = {model}\nmodes = [module.training for module in model.modules()]\n"
        f"export_onnx(model, {str(path)!r})\n"
        "assert modes == [module.training for module in model.modules()]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny", "blazeface"]
)
def test_onnxruntime_answers_as_the_detector(name, tmp_path):
    model = detlearn.load_model(detlearn.data.data_path("weights", f"{name}.safetensors"))
    path = tmp_path / "new" / f"{name}.onnx"
    mode = ".train()" if name == "ssd_tiny" else ""  # exported for detection, and left as it was
    weights = f"data_path('weights', '{name}.safetensors')"
    export_in_a_process(f"detlearn.load_model({weights}){mode}", path)
    proto = onnx.load(path)
    assert {entry.version for entry in proto.opset_import if entry.domain == ""} == {ONNX_OPSET}
    session = runtime.InferenceSession(path)
    S = model.config.image_size
    for B in (1, 3):  # neither is the example's number
        images = torch.rand(B, 3, S, S, generator=torch.Generator().manual_seed(B))
        scores, boxes, *points = session.run(None, {"images": images.numpy()})
        with torch.inference_mode():
            predictions = model(model.normalize(images))
            expected = model.scores_and_boxes(predictions)
            expected_points = model.keypoints(predictions)
        assert len(points) == (expected_points is not None) == (name == "blazeface")
        if points:
            assert points[0].shape == (B, 896, 6, 2)
            np.testing.assert_allclose(points[0], expected_points.numpy(), atol=1e-3)
        assert scores.shape == (B, model.config.priors.num_priors, model.config.num_classes)
        np.testing.assert_allclose(scores, expected[0].numpy(), atol=1e-3)
        np.testing.assert_allclose(boxes, expected[1].numpy(), atol=1e-3)
    texts = {entry.key: entry.value for entry in proto.metadata_props}
    assert texts["model"] == name and texts["image_size"] == str(S)
    assert tuple(json.loads(texts["class_names"])) == model.class_names


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ModuleNotFoundError, match="pip install onnx onnxscript"):
        export_onnx(detlearn.create_model("ssd_tiny"), tmp_path / "model.onnx")
