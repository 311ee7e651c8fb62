"""Which pictures a command was given, and a file of its own for what is drawn of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Pictures", "drawing_names", "find_pictures", "why_unreadable"]

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm", ".wmv"}
PHOTO_SUFFIXES = {  # pictures, too, but Pillow alone cannot read them
    ".avif", ".heic", ".heif", ".jxl",
    ".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2",
}  # fmt: skip


@dataclass(slots=True)
class Pictures:
    """What a command's arguments stand for.

    Attributes:
        paths: pictures to read, in the order of the arguments; each once.
        unreadable: pictures in a format that cannot be read here, and why.
        passed_over: a sentence for each folder in which other files lie.
    """

    paths: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def find_pictures(arguments: Sequence[str | os.PathLike[str]]) -> Pictures:
    """Every file as given, and the pictures that lie in every folder.

    Args:
        arguments: files and folders.  What lies in folders of a folder is not looked at.

    Returns:
        See `Pictures`.  A file that is named itself is among the ``paths`` whatever it is.

    Raises:
        ValueError: a folder without any picture.
    """
    found = Pictures()
    seen: set[Path] = set()
    for path in map(Path, arguments):
        inside = _look_into(path, found) if path.is_dir() else [path]
        for one in inside:
            if one.absolute() not in seen:
                seen.add(one.absolute())
                found.paths.append(one)
    return found


def _look_into(folder: Path, found: Pictures) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if not path.is_dir()]
    readable = IMAGE_SUFFIXES | (PHOTO_SUFFIXES & _suffixes_of_plugins())
    inside = [path for path in files if path.suffix.lower() in readable]
    photos = [path for path in files if path.suffix.lower() in PHOTO_SUFFIXES - readable]
    if not inside:
        if inner := _inner_folders(folder, readable):
            more = ", ..." if inner[3:] else ""
            raise ValueError(
                f"{folder}: no pictures in this folder, but in {', '.join(inner[:3])}{more}; name "
                "the folders that are meant"
            )
        others = f", {len(photos)} that cannot be read: {_counts(photos)}" if photos else ""
        raise ValueError(f"{folder}: no pictures in this folder{others}")
    found.unreadable += [
        (path, f"{path.suffix} cannot be read here; save it as JPEG or PNG") for path in photos
    ]
    if inner := _inner_folders(folder, readable):
        found.passed_over.append(
            f"{folder}: folders in it are not looked into: {', '.join(inner[:3])}"
            f"{', ...' if inner[3:] else ''}"
        )
    rest = [path for path in files if path not in inside and path not in photos]
    rest = [path for path in rest if not path.name.startswith(".")]
    if rest:
        video = any(path.suffix.lower() in VIDEO_SUFFIXES for path in rest)
        hint = "; --video FILE takes a video" if video else ""
        found.passed_over.append(f"{folder}: passed over what is no picture: {_counts(rest)}{hint}")
    return inside


def _inner_folders(folder: Path, readable: set[str]) -> list[str]:
    """Folders of a folder that hold pictures, but for those that a run has written."""
    return [
        path.name
        for path in sorted(folder.iterdir())
        if path.is_dir()
        and not (path / "detections.json").is_file()
        and any(one.suffix.lower() in readable for one in path.glob("*"))
    ]


def _suffixes_of_plugins() -> set[str]:
    """What this Pillow opens, with the plug-ins that it has."""
    from PIL import Image

    return {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def _counts(paths: Iterable[Path]) -> str:
    numbers = Counter(path.suffix or path.name for path in paths)
    return ", ".join(f"{number} {suffix}" for suffix, number in sorted(numbers.items()))


def why_unreadable(path: Path, error: Exception) -> str:
    """The reason for which a picture could not be read, without its path.

    Args:
        path: the picture.
        error: what reading it raised.

    Returns:
        a few words; those that help most where the kind of the file is known.

    >>> why_unreadable(Path("._IMG_1.JPG"), ValueError("cannot be read"))
    'a note of macOS about IMG_1.JPG, no picture; it can be deleted'
    """
    if path.name.startswith("._"):
        return f"a note of macOS about {path.name[2:]}, no picture; it can be deleted"
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty"
    reason = " ".join(str(error).split())
    for start in (str(path), repr(str(path))):
        reason = reason.replace(start, "").strip(": ")
    return reason


def drawing_names(
    paths: Sequence[Path], out: Path, earlier: dict[Path, str] | None = None
) -> list[Path]:
    """A file for the drawing of each picture, and none for two of them.

    Pictures of several folders are kept apart as they lie: in folders of ``out``.

    Args:
        paths: pictures.
        out: the folder for drawings.
        earlier: drawings of an earlier run in that folder, and the picture that each is of.  One
            of the same picture is replaced; no other file ever is.

    Returns:
        a path below ``out`` for each picture.

    >>> names = drawing_names([Path("a/1.png"), Path("b/1.png"), Path("b/1.jpg")], Path("out"))
    >>> [name.as_posix() for name in names]
    ['out/a/1_detections.png', 'out/b/1_detections.png', 'out/b/1_jpg_detections.png']
    """
    earlier = earlier or {}
    parents = [Path(os.path.abspath(path)).parent for path in paths]  # without ".."
    try:
        common = os.path.commonpath(parents) if parents else ""
    except ValueError:  # several drives of Windows
        common = ""
    taken: set[str] = set()
    names = []
    for path, parent in zip(paths, parents, strict=True):
        inside = Path(os.path.relpath(parent, common)) if common else Path(*parent.parts[1:])
        choices = [path.stem, path.name.replace(".", "_")]
        choices += [f"{choices[1]}_{number}" for number in range(2, len(paths) + 1000)]
        for choice in choices:
            name = out / inside / f"{choice}_detections.png"
            key = str(name.absolute()).casefold()  # A.png and a.png may be one file
            own = earlier.get(name) == str(path)
            if key not in taken and (own or not name.exists()):
                break
        taken.add(key)
        names.append(name)
    return names
