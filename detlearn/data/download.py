"""The shell command ``data``: PASCAL VOC and COCO, announced, downloaded, checked and unpacked.

Whatever interrupts it, the same command continues: archives are received into ``NAME.part``, count
only once their checksum is right, and are unpacked beside the place where they will lie.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..files import replace_file
from .published import DATASETS, Archive, Downloads
from .receive import length_of, md5_of, receive
from .unpack import format_bytes, unpack

__all__ = ["DATASETS", "Archive", "Downloads", "add_commands", "download_dataset", "unpack"]


def download_dataset(
    name: str,
    root: str | Path | None = None,
    *,
    ask: Callable[[], bool] | None = None,
    keep_archives: bool = False,
) -> Path | None:
    """Download a data set, or what of it is not there yet.

    An archive that lies in ``root`` already, put there by hand or by a run that was interrupted,
    is checked and used, and stays.  Sizes, terms and the disk's room are printed first.

    Args:
        name: of `DATASETS`.
        root: the folder; None takes the data set's own, below the current one.
        ask: called after the announcement; nothing is downloaded where it says no.  None asks
            nobody.
        keep_archives: leave the downloaded archives beside what they held.

    Returns:
        the folder, as ``--data`` takes it; None after a no.

    Raises:
        ValueError: an unknown name, or an archive that is another than the published one.
        OSError: too little room, or no address gave the file: the message has the addresses, and
            says where to put a file that was got otherwise.
    """
    if name not in DATASETS:
        raise ValueError(f"data: expected one of {', '.join(DATASETS)}, got {name!r}")
    root = Path(root if root is not None else DATASETS[name].folder)
    if root.exists() and not root.is_dir():
        raise ValueError(f"--root: expected a folder, {root} is a file")
    missing = []
    for archive in DATASETS[name].archives:
        if _is_whole(root, archive):
            print(f"already there: {archive.name}, unpacked in {root}")
        else:
            missing.append(archive)
    if not missing:
        return root
    _announce(missing, root)
    if ask is not None and not ask():
        print("nothing was downloaded")
        return None
    root.mkdir(parents=True, exist_ok=True)
    command = f'python -m detlearn data {name} --root "{root}"'
    for archive in missing:
        placed = root / archive.name
        downloaded = not placed.is_file()
        if downloaded:
            receive(archive, placed, command)
        elif (got := md5_of(placed)) != archive.md5:
            raise ValueError(
                f"{placed}: expected MD5 {archive.md5}, got {got}: not the published file, or not "
                "all of it. Remove it, and the command downloads it"
            )
        _unpack_into(root, archive, placed)
        if downloaded and not keep_archives:
            placed.unlink()
        elif not keep_archives:
            print(f"{placed}: lay there before and stays; nothing needs it any more")
    print(f"ready: {root}")
    return root


def _is_whole(root: Path, archive: Archive) -> bool:
    """Whether an archive lies unpacked in a folder, with all its images."""
    for path, count in archive.holds:
        there = root / path
        if there.suffix == ".txt":
            if not there.is_file():
                return False
            lines = there.read_text(encoding="utf-8", errors="replace").splitlines()
            names, year = {line.split()[0] for line in lines if line.strip()}, there.parents[2]
            if len(names) < count or not all(
                names <= {Path(file).stem for file in _names(year / folder)}
                for folder in ("JPEGImages", "Annotations")
            ):
                return False
        elif there.suffix == ".json":
            if not there.is_file() or there.stat().st_size == 0:
                return False
        elif len(_names(there)) < count:
            return False
    return True


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def _announce(missing: list[Archive], root: Path) -> None:
    """Say what comes, how large it is and under which terms; refuse a disk without the room."""
    load, need = 0, 0
    for archive in missing:
        if (root / archive.name).is_file():
            rest, note = 0, "lies there already"
        else:
            here = length_of(root / f"{archive.name}.part")
            rest = archive.size - here if here <= archive.size else archive.size
            note = f"{format_bytes(rest)} of them to come" if rest < archive.size else "to download"
        print(f"{archive.name}: {format_bytes(archive.size)}, {note}\n  {archive.terms}")
        load, need = load + rest, need + rest + archive.unpacked
    existing = next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    print(
        f"to download: {format_bytes(load)}; to {root}, with what is in them: "
        f"{format_bytes(need)} of {format_bytes(free)} free"
    )
    if need > free:
        raise OSError(
            f"{root}: {format_bytes(need)} are needed for the archives and what is in them, "
            f"{format_bytes(free)} are free; --root takes a folder on another disk"
        )


def _unpack_into(root: Path, archive: Archive, file: Path) -> None:
    """Unpack beside the data set and move it in when it is whole."""
    temporary = root / f".{archive.name}.unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        unpack(file, temporary)
        if not _is_whole(temporary, archive):
            wanted = ", ".join(f"{path} ({count:,})" for path, count in archive.holds)
            raise ValueError(f"{file}: unpacked, but not all is there of {wanted}")
        _move(temporary, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    """Move a folder's content, in one step where nothing is in the way; image sets last, because
    a loader believes them.
    """
    for entry in sorted(source.iterdir(), key=lambda entry: (entry.name == "ImageSets", entry)):
        there = target / entry.name
        if entry.is_dir() and there.is_dir():
            _move(entry, there)
        else:
            replace_file(entry, there)


# ---------------------------------------------------------------- the command
def run_data(args: argparse.Namespace) -> None:
    """``python -m detlearn data voc2007|voc2012|coco2017``."""
    try:
        root = download_dataset(
            args.name, args.root, ask=None if args.yes else _ask, keep_archives=args.keep_archives
        )
    except KeyboardInterrupt:
        print("\ndetlearn: stopped; the same command continues where it was", file=sys.stderr)
        raise SystemExit(130) from None
    if root is not None:
        print(f'train on it: python -m detlearn train MODEL --data "{root}" --out RUN')


def _ask() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ValueError("data: nobody is there to ask; --yes downloads without a question")
    try:
        return input("Download? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def add_commands(commands: Any) -> None:
    """Add ``data`` to an argument parser's commands."""
    p = commands.add_parser("data", help="download VOC or COCO", description=run_data.__doc__)
    p.set_defaults(run=run_data)
    p.add_argument("name", choices=list(DATASETS), metavar="NAME", help=", ".join(DATASETS))
    p.add_argument("--root", help="folder (default: datasets/voc, datasets/coco)")
    p.add_argument("--yes", action="store_true", help="do not ask")
    p.add_argument("--keep-archives", action="store_true", help="leave the archives in the folder")
