"""The repository's ``data/`` folder: where it is, and whether it is whole.

``python -m detlearn.data.files --check`` compares every file with ``data/SHA256SUMS``;
``--write`` makes that list anew.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from ..files import checksum, write_atomically

__all__ = ["check_files", "data_path", "path_inside", "read_lines", "write_sums"]

SUMS = "SHA256SUMS"


def data_path(*parts: str) -> Path:
    """A file or folder of the repository's ``data/``, which lies beside the package.

    Args:
        parts: names below ``data/``.

    Returns:
        the path, which exists.  The environment variable ``DETLEARN_DATA`` names another
        ``data/`` folder.

    Raises:
        FileNotFoundError: it is not there; the message says where it was looked for.

    >>> data_path("photos", "photos.json").name
    'photos.json'
    """
    root = Path(os.environ.get("DETLEARN_DATA") or Path(__file__).resolve().parents[2] / "data")
    path = root.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: not there. The course's data lie in the folder data/ of its repository: work "
            "in a clone of it, or set DETLEARN_DATA to that folder."
        )
    return path


def path_inside(folder: Path, name: str, where: str) -> Path:
    """The file that somebody else's list names, if it lies in the folder that it belongs in.

    Args:
        folder: where files of the list lie, or folders below it.
        name: what the list says; both kinds of slashes separate folders, on every system.
        where: what the message calls the place in the list.

    Returns:
        the path; whether it exists is not looked at.

    Raises:
        ValueError: the name leads out of the folder, or is none.

    >>> path_inside(Path("images"), "../../etc/passwd", "a.json")
    Traceback (most recent call last):
        ...
    ValueError: a.json: expected a file inside the folder 'images', got '../../etc/passwd'
    """
    path = PureWindowsPath(name)  # knows drives, and both slashes
    if path.anchor or ".." in path.parts or not path.parts:
        raise ValueError(
            f"{where}: expected a file inside the folder {folder.name!r}, got {name!r}"
        )
    return folder.joinpath(*path.parts)


def read_lines(path: Path) -> list[str]:
    """Lines of a list that people keep: of any system's line ends, without blanks around them.

    Args:
        path: text in UTF-8.

    Returns:
        the lines that are not empty.

    Raises:
        ValueError: another encoding.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8 ({error})") from error
    return [line.strip() for line in lines if line.strip()]


def _files(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and path.name != SUMS and not path.name.startswith(".")
    )


def write_sums(root: Path) -> int:
    """List the SHA-256 of every file below a folder in its ``SHA256SUMS``.

    Args:
        root: the folder.

    Returns:
        number of files.
    """
    files = _files(root)
    lines = [f"{checksum(path)}  {path.relative_to(root).as_posix()}\n" for path in files]
    write_atomically(root / SUMS, "".join(lines).encode())
    return len(files)


def check_files(root: Path) -> list[str]:
    """Compare a folder with its ``SHA256SUMS``.

    Args:
        root: the folder.

    Returns:
        one sentence for every file that is missing, changed or not listed; empty if all is well.
    """
    listed = {}
    for line in (root / SUMS).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    there = {path.relative_to(root).as_posix(): path for path in _files(root)}
    problems = [f"{name}: missing" for name in listed.keys() - there.keys()]
    problems += [f"{name}: not in {SUMS}" for name in there.keys() - listed.keys()]
    problems += [
        f"{name}: changed (SHA-256 differs)"
        for name in listed.keys() & there.keys()
        if checksum(there[name]) != listed[name]
    ]
    return sorted(problems)


def main(arguments: Sequence[str] | None = None) -> int:
    """Shell entry: ``--check`` or ``--write``."""
    parser = argparse.ArgumentParser(prog="python -m detlearn.data.files")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--check", action="store_true", help="compare data/ with its SHA256SUMS")
    choice.add_argument("--write", action="store_true", help="make SHA256SUMS anew")
    root = data_path()
    if parser.parse_args(arguments).write:
        print(f"{write_sums(root)} files listed")
        return 0
    problems = check_files(root)
    print("\n".join(problems) or "data/: every file is as listed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
