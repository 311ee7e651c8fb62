"""A detector as an ONNX file: the network and its decoding, for whoever runs it without PyTorch.

The file takes pictures of the network's size and answers with scores and boxes of every prior.
Resizing before it and NMS behind it stay with the caller: every runtime has its own.
"""

from __future__ import annotations

import io
import json
import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import write_atomically
from .detector import Detector
from .modes import evaluating

__all__ = ["ONNX_OPSET", "export_onnx"]

ONNX_OPSET = 18
"""Version of ONNX's operators that the files are written in; onnxruntime reads it from 1.14 on."""


class _Decoded(nn.Module):
    """From pixels in [0, 1] to scores, boxes and key points, normalising and decoding included."""

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        inputs = (images - self.model.image_mean) / self.model.image_std  # (B, 3, S, S)
        predictions = self.model(inputs)
        scores, boxes = self.model.scores_and_boxes(predictions)
        points = self.model.keypoints(predictions)
        return (scores, boxes) if points is None else (scores, boxes, points)


def export_onnx(model: Detector, path: str | os.PathLike[str]) -> Path:
    """Write a detector to an ONNX file.

    Input ``images (B, 3, S, S)`` float32 RGB in [0, 1], any B; outputs ``scores (B, P, K)``
    after softmax and ``boxes (B, P, 4)`` xyxy, fractions of the input, not clipped; of a detector
    that finds key points also ``keypoints (B, P, J, 2)`` x, y, fractions of the input. The metadata
    hold the model's name, its class names and its thresholds.

    Args:
        model: a detector; left in the mode that it was in.
        path: the file, by custom with the suffix ``.onnx``; appears when it is complete.

    Returns:
        The path.

    Raises:
        ValueError: if the model is no detector.
        ModuleNotFoundError: without the packages onnx and onnxscript, which only this needs.

    Source: the operators of https://onnx.ai; opset `ONNX_OPSET`.

    >>> import detlearn
    >>> export_onnx(detlearn.create_model("pose_hrnet_tiny"), "pose.onnx")
    Traceback (most recent call last):
        ...
    ValueError: model: expected a detector with priors, got PoseHRNet
    """
    if not isinstance(model, Detector):
        raise ValueError(f"model: expected a detector with priors, got {type(model).__name__}")
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name}: exporting needs two more packages: pip install onnx onnxscript"
        ) from error
    S = model.config.image_size
    device = next(model.parameters()).device
    # Two pictures: the exporter would take a batch of one for a fixed number.
    example = torch.zeros(2, 3, S, S, device=device)
    batch = torch.export.Dim("batch", min=1)
    with evaluating(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its future
        with torch.no_grad():
            decoded = _Decoded(model)(example)
        program = torch.export.export(_Decoded(model), (example,), dynamic_shapes=({0: batch},))
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=ONNX_OPSET,
            input_names=["images"],
            output_names=["scores", "boxes", "keypoints"][: len(decoded)],
            verbose=False,
        )
    if exported is None:
        raise RuntimeError("torch.onnx.export returned no program")
    proto = exported.model_proto
    texts = {
        "model": model.config.name,
        "class_names": json.dumps(list(model.class_names or ())),
        "image_size": str(S),
        "score_threshold": str(model.config.score_threshold),
        "iou_threshold": str(model.config.iou_threshold),
    }
    for key, value in texts.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    buffer = io.BytesIO(proto.SerializeToString())
    write_atomically(path, buffer.getvalue())
    return Path(path)
