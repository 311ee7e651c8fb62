"""``python -m detlearn export``: a detector as an ONNX file."""

from __future__ import annotations

import argparse
from typing import Any

from ..models.onnx_export import ONNX_OPSET, export_onnx
from .weights import WEIGHTS_HELP, load_detector, shipped_weights

__all__ = ["add_command", "run_export"]


def run_export(args: argparse.Namespace) -> None:
    """``python -m detlearn export WEIGHTS --out FILE.onnx``: for runtimes without PyTorch."""
    model = load_detector(args.weights, "export")
    try:
        path = export_onnx(model, args.out)
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from error
    size = model.config.image_size
    print(f"{path}: {model.config.name}, opset {ONNX_OPSET}, {path.stat().st_size / 1e6:.1f} MB; "
          f"takes (B, 3, {size}, {size}) RGB in [0, 1]")  # fmt: skip


def add_command(commands: Any) -> None:
    """Add ``export`` to an argument parser's commands."""
    p = commands.add_parser("export", help="a detector for other runtimes, as ONNX",
                            description=run_export.__doc__)  # fmt: skip
    p.set_defaults(run=run_export)
    p.add_argument("weights", metavar="WEIGHTS",
                   help=WEIGHTS_HELP.format(", ".join(shipped_weights())))  # fmt: skip
    p.add_argument("--out", required=True, metavar="FILE.onnx", help="the file to write")
