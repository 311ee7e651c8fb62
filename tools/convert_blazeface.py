"""Makes data/weights/blazeface.safetensors from the wheel of MediaPipe in which Google ships it.

    pip download --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
        --platform manylinux2014_x86_64 mediapipe==0.10.14         # 36 MB
    pip install tflite                                             # reads the file's format
    python tools/convert_blazeface.py mediapipe-0.10.14-*.whl

The course never runs this: the converted file is committed. It is here so that anybody can check
what was done; the same wheel gives the same file, bit for bit. The weights are Copyright The
MediaPipe Authors, Apache License 2.0, whose text the tool takes from the wheel and writes beside
them; a JSON file states what was converted, from what, and how.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.files import write_atomically
from detlearn.models import create_model, save_model

ROOT = Path(__file__).resolve().parents[1]
WHEEL = "a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4"
"""SHA-256 of mediapipe-0.10.14-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl."""
NETWORK = "mediapipe/modules/face_detection/face_detection_short_range.tflite"
NETWORK_SHA256 = "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
LICENCE = "mediapipe-0.10.14.dist-info/LICENSE"


def checked(content: bytes, expected: str, name: str) -> bytes:
    """The content, if its SHA-256 is the expected one."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(f"{name}: expected SHA-256 {expected}, got {found}; it is another file")
    return content


def constants(content: bytes) -> dict[str, np.ndarray]:
    """The constant tensors of a TFLite file by name."""
    try:
        import tflite
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this tool needs the package tflite: pip install tflite"
        ) from error
    kinds = {tflite.TensorType.FLOAT32: "<f4", tflite.TensorType.FLOAT16: "<f2"}
    model = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    found = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        data = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if tensor.Type() in kinds and isinstance(data, np.ndarray) and data.size:
            values = np.frombuffer(data.tobytes(), kinds[tensor.Type()])
            found[tensor.Name().decode()] = values.reshape(tensor.ShapeAsNumpy())
    return found


def layer_names(num_blocks: int) -> dict[str, str]:
    """Our layers, and what the published file calls them."""
    names = {"stem": "conv2d"}
    for k in range(num_blocks):
        names[f"blocks.{k}.depthwise"] = "depthwise_conv2d" + (f"_{k}" if k else "")
        names[f"blocks.{k}.pointwise"] = f"conv2d_{k + 1}"
    for level, stride in enumerate((8, 16)):
        names[f"score_heads.{level}"] = f"classificator_{stride}"
        names[f"box_heads.{level}"] = f"regressor_{stride}"
    return names


def state_dict(theirs: Mapping[str, np.ndarray], num_blocks: int) -> dict[str, Tensor]:
    """The weights under our names, float16 as they are stored there.

    TensorFlow's axes are (out, H, W, in), for a depthwise filter (1, H, W, channels); PyTorch's
    are (out, in, H, W), and (channels, 1, H, W).
    """
    rest = dict(theirs)
    state = {}
    for ours, name in layer_names(num_blocks).items():
        kernel = torch.from_numpy(rest.pop(f"{name}/Kernel").copy())
        axes = (3, 0, 1, 2) if "depthwise" in ours else (0, 3, 1, 2)
        state[f"{ours}.weight"] = kernel.permute(axes).contiguous()
        state[f"{ours}.bias"] = torch.from_numpy(rest.pop(f"{name}/Bias").copy())
    if rest:
        raise ValueError(f"tensors that no layer of ours takes: {', '.join(sorted(rest))}")
    return state


def convert(wheel: Path, out: Path) -> list[Path]:
    """Write blazeface.safetensors, its licence and its notice into the folder ``out``."""
    content = wheel.read_bytes()
    checked(content, WHEEL, str(wheel))
    with zipfile.ZipFile(wheel) as archive:
        network = checked(archive.read(NETWORK), NETWORK_SHA256, NETWORK)
        licence = archive.read(LICENCE)
    model = create_model("blazeface").half()
    model.class_names = ("background", "face")
    model.load_state_dict(state_dict(constants(network), len(model.blocks)))
    weights, notice = out / "blazeface.safetensors", out / "blazeface.json"
    save_model(model, weights)
    write_atomically(out / "blazeface.LICENSE", licence)
    record: dict[str, Any] = {
        "what": "BlazeFace short-range, the face detector of MediaPipe, converted to PyTorch",
        "copyright": "Copyright The MediaPipe Authors",
        "licence": "Apache-2.0, full text in blazeface.LICENSE; the rest of this project is MIT",
        "changed": "converted by tools/convert_blazeface.py: layers renamed, axes permuted from "
        "TensorFlow's order to PyTorch's; the numbers are the file's own float16",
        "source": {
            "package": "mediapipe 0.10.14 from PyPI",
            "wheel_sha256": WHEEL,
            "file": NETWORK,
            "file_sha256": NETWORK_SHA256,
        },
        "parameters": sum(p.numel() for p in model.parameters()),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "command": "python tools/convert_blazeface.py mediapipe-0.10.14-*.whl",
    }
    write_atomically(notice, (json.dumps(record, indent=1) + "\n").encode())
    return [weights, notice, out / "blazeface.LICENSE"]


def main() -> None:
    """Convert the wheel that the command line names."""
    parser = argparse.ArgumentParser(description="convert MediaPipe's face detector")
    parser.add_argument("wheel", type=Path, help="the wheel mediapipe 0.10.14, see above")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "weights", help="a folder")
    args = parser.parse_args()
    try:
        written = convert(args.wheel, args.out)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.exit(str(error))
    for path in written:
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
