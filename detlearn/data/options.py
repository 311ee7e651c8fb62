"""What every shell command on somebody's data can be told."""

from __future__ import annotations

import argparse

__all__ = ["add_exif_option"]


def add_exif_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--exif-upright`` to a command that reads boxes.

    Args:
        parser: of the command.
    """
    parser.add_argument(
        "--exif-upright", action="store_true",
        help="boxes of pictures that the camera's note (EXIF) turns were drawn on upright ones",
    )  # fmt: skip
