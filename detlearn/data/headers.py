"""What the first bytes of a picture tell: its size, upright, without decoding a pixel."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

__all__ = ["Header", "read_header", "read_headers"]

ORIENTATION = 0x0112
"""EXIF's number of the note by which a camera says how it was held."""

TIFF_WIDTH, TIFF_HEIGHT = 256, 257  # numbers of a TIFF's own entries

ON_THEIR_SIDE = (5, 6, 7, 8)
"""Values of that note which exchange width and height; 2, 3 and 4 mirror or turn by 180 degrees."""

THREADS = 8

TAIL = 1024
"""So many of the last bytes are searched for the mark that ends a picture."""


class Header(NamedTuple):
    """A picture as its first bytes describe it.

    Attributes:
        width: px, as `detlearn.data.read_image` will return the picture: upright.
        height: likewise; both are 0 where the file cannot be read.
        orientation: the camera's note (EXIF): 1 is upright, 2 to 8 is turned or mirrored.
        problem: "" or why the file cannot be read: ``"missing"``, or the reader's words.
    """

    width: int
    height: int
    orientation: int = 1
    problem: str = ""


def read_header(path: Path) -> Header:
    """Size of one picture, as it is when upright.

    Args:
        path: the file.

    Returns:
        A `Header`; a file that is missing or no picture has a ``problem``, nothing is raised.

    >>> read_header(Path("nowhere.png")).problem
    'missing'
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _read(path)
    except FileNotFoundError:
        return Header(0, 0, problem="missing")
    except Exception as error:  # Pillow's readers raise half a dozen kinds
        if not _is_file(path):
            return Header(0, 0, problem="missing")
        return Header(0, 0, problem=str(error).replace(repr(str(path)), path.name) or "unreadable")


def read_headers(paths: Sequence[Path]) -> list[Header]:
    """Sizes of many pictures; a disk or a network drive answers several questions at a time.

    Args:
        paths: the files.

    Returns:
        A `Header` for each, in their order.
    """
    if len(paths) < 2 * THREADS:
        return [read_header(path) for path in paths]
    with ThreadPoolExecutor(THREADS) as pool:
        blocks = [paths[start::THREADS] for start in range(THREADS)]
        answers = list(pool.map(lambda block: [read_header(path) for path in block], blocks))
    return [answers[n % THREADS][n // THREADS] for n in range(len(paths))]


def _read(path: Path) -> Header:
    with path.open("rb") as file, Image.open(file) as opened:
        width, height = opened.size
        if isinstance(opened, TiffImageFile):  # newer releases of Pillow have turned its size
            width, height = opened.tag_v2[TIFF_WIDTH], opened.tag_v2[TIFF_HEIGHT]
        if not _has_end(opened.format, file):
            opened.load()  # which says what is missing, if anything is
        if opened.format == "PNG" and not _has_note(opened, file):
            orientation = 1  # asking Pillow would decode the picture to look behind its pixels
        else:
            try:
                orientation = int(opened.getexif().get(ORIENTATION, 1))
            except Exception:  # a note that is rubbish turns nothing
                orientation = 1
    if orientation in ON_THEIR_SIDE:
        width, height = height, width
    return Header(width, height, orientation if 1 <= orientation <= 8 else 1)


def _has_end(kind: str | None, file: BinaryIO) -> bool:
    """Whether a JPEG or PNG has its last mark among its last bytes; behind it there may be more."""
    mark = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}.get(kind or "")
    if mark is None:
        return True
    here = file.tell()
    file.seek(0, 2)
    file.seek(max(0, file.tell() - TAIL))
    found = mark in file.read(TAIL)
    file.seek(here)
    return found


def _has_note(opened: Image.Image, file: BinaryIO) -> bool:
    """Whether a PNG holds EXIF, in one of its three places, before its pixels or behind them."""
    if any(key in opened.info for key in ("exif", "Raw profile type exif", "xmp")):
        return True
    here = file.tell()
    kinds = list(_chunks(file))
    file.seek(here)
    behind = kinds[kinds.index(b"IDAT") :] if b"IDAT" in kinds else []
    return any(kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt") for kind in behind)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """The kinds of a PNG's chunks, without reading what is in them."""
    file.seek(8)
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        yield kind
        file.seek(length + 4, 1)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no system knows
        return False
