"""Makes data/mediapipe/pose.safetensors from the wheel of MediaPipe.

    pip download --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
        --platform manylinux2014_x86_64 mediapipe==0.10.14         # 36 MB
    pip install tflite                                             # reads the file's format
    python -m tools.convert_mediapipe_pose mediapipe-0.10.14-*.whl

As with `tools.convert_blazeface`, the course never runs this, and the same wheel gives the same
file, bit for bit. The network's two other branches, points and a mask, are left out. The weights
are Copyright The MediaPipe Authors, Apache License 2.0, whose text stands in
data/weights/blazeface.LICENSE.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from detlearn.files import write_atomically
from detlearn.models.pose.mediapipe_pose import MediaPipePose
from tools.convert_blazeface import ROOT, WHEEL, checked

NETWORK = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
NETWORK_SHA256 = "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
HEAT_MAPS = "Identity_3"  # what the published graph calls the answer that is kept


class Filter(NamedTuple):
    """A convolution of the published graph: weights in PyTorch's order, and its output's name."""

    weight: Tensor
    bias: Tensor
    output: str


def filters(content: bytes) -> Iterator[Filter]:
    """The convolutions of a TFLite file, in the order in which it computes them."""
    import tflite

    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    stored: dict[int, int] = {}  # float32 tensor -> the float16 tensor of the file
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind == tflite.BuiltinOperator.DEQUANTIZE:
            stored[operator.Outputs(0)] = operator.Inputs(0)
        if kind not in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
            continue
        numbers = []
        for place in (1, 2):
            tensor = graph.Tensors(stored[operator.Inputs(place)])
            raw = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
            values = np.frombuffer(raw, "<f2").reshape(tensor.ShapeAsNumpy())
            numbers.append(torch.from_numpy(values.copy()))
        depthwise = kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D
        axes = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
        name = graph.Tensors(operator.Outputs(0)).Name().decode()
        yield Filter(numbers[0].permute(axes).contiguous(), numbers[1], name)


def layers(model: MediaPipePose) -> list[nn.Conv2d | None]:
    """Our layers in the published order; None for one of the branches that are left out."""
    stages: Any = model.stages
    order: list[Any] = [model.stem, model.first_depthwise, model.first]
    for number, stage in enumerate(stages):
        for place, block in enumerate(stage):
            order.append(block.expand)
            if place == 0 and number == 0:
                order += [None, None]  # of the mask: its lateral at half the picture's side
            elif place == 0:
                lateral = model.laterals[number - 1]
                order += [lateral.depthwise, lateral.pointwise]
            order += [block.depthwise, block.project]
    last = model.laterals[-1]
    return [*order, model.last_expand, model.last_depthwise, last.depthwise, last.pointwise]


def convert(wheel: Path, out: Path) -> list[Path]:
    """Write pose.safetensors and its notice into the folder ``out``."""
    checked(wheel.read_bytes(), WHEEL, str(wheel))
    with zipfile.ZipFile(wheel) as archive:
        content = checked(archive.read(NETWORK), NETWORK_SHA256, NETWORK)
    theirs, model = list(filters(content)), MediaPipePose().half()
    head = next(one for one in theirs if one.output == HEAT_MAPS)
    pairs = [*zip(layers(model), theirs, strict=False), (model.head, head)]
    with torch.no_grad():
        for ours, published in pairs:
            if ours is not None:
                if ours.weight.shape != published.weight.shape:
                    raise ValueError(
                        f"{published.output}: expected {tuple(ours.weight.shape)}, "
                        f"got {tuple(published.weight.shape)}"
                    )
                ours.weight.copy_(published.weight)
                ours.bias.copy_(published.bias)  # type: ignore[union-attr]
    weights, notice = out / "pose.safetensors", out / "pose.json"
    data = save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
    write_atomically(weights, data)
    record = {
        "what": "the heat-map branch of MediaPipe's pose_landmark_full, converted to PyTorch",
        "copyright": "Copyright The MediaPipe Authors",
        "licence": "Apache-2.0, full text in ../weights/blazeface.LICENSE; the rest of this "
        "project is MIT",
        "changed": "converted by tools/convert_mediapipe_pose.py: one of three branches kept, "
        "layers renamed, axes permuted; the numbers are the file's own float16",
        "source": {
            "package": "mediapipe 0.10.14 from PyPI",
            "wheel_sha256": WHEEL,
            "file": NETWORK,
            "file_sha256": NETWORK_SHA256,
        },
        "parameters": sum(p.numel() for p in model.parameters()),
        "sha256": hashlib.sha256(data).hexdigest(),
        "command": "python -m tools.convert_mediapipe_pose mediapipe-0.10.14-*.whl",
    }
    write_atomically(notice, (json.dumps(record, indent=1) + "\n").encode())
    return [weights, notice]


def main() -> None:
    """Convert the wheel that the command line names."""
    parser = argparse.ArgumentParser(description="convert MediaPipe's pose network")
    parser.add_argument("wheel", type=Path, help="the wheel mediapipe 0.10.14, see above")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "mediapipe", help="a folder")
    args = parser.parse_args()
    try:
        written = convert(args.wheel, args.out)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.exit(str(error))
    for path in written:
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
