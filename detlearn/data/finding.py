"""Where the pictures of somebody else's list lie."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from .files import path_inside

__all__ = [
    "PICTURE_SUFFIXES", "by_stem", "find_pictures", "folded", "picture_of", "pictures_in",
]  # fmt: skip

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
"""Endings, in small letters, of files that are taken for pictures."""


def pictures_in(folder: Path, deep: bool = False) -> list[Path]:
    """The pictures of a folder, by name.

    Args:
        folder: which need not exist.
        deep: those of folders below it, too.

    >>> pictures_in(Path("nowhere"))
    []
    """
    files = folder.rglob("*") if deep else folder.glob("*")
    return sorted(
        file
        for file in files
        if file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")
    )


def picture_of(stem: str, there: Mapping[str, Sequence[Path]], where: str) -> Path | None:
    """The picture that has a name, without its ending.

    Args:
        stem: the name.
        there: the pictures of a folder by their stems, see `by_stem`.
        where: what the message calls the file that asks.

    Returns:
        the path; None without such a picture.

    Raises:
        ValueError: several pictures have that name, and none or all of them end with ``.jpg``.
    """
    found = there.get(unicodedata.normalize("NFC", stem), ())
    plain = [file for file in found if file.suffix == ".jpg"] if len(found) > 1 else found
    if len(found) > 1 and len(plain) != 1:
        raise ValueError(
            f"{where}: its picture may be {found[0]} or {found[1].name}; rename one of them"
        )
    return plain[0] if plain else None


def by_stem(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Files under their names without endings, in Unicode's composed form (macOS writes the other).

    >>> list(by_stem([Path("a.b.png"), Path("c.jpg")]))
    ['a.b', 'c']
    """
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(unicodedata.normalize("NFC", file.stem), []).append(file)
    return found


class _Spelled:
    """Files as a disk spells them; Windows and macOS may write them otherwise (``A.JPG``)."""

    def __init__(self) -> None:
        self.folders: dict[Path, dict[str, list[Path]]] = {}

    def __call__(self, path: Path) -> Path:
        """The one file of that folder and name, whatever its case; else the path as it is."""
        if path.is_file():
            return path
        if path.parent not in self.folders:
            known = self.folders[path.parent] = {}
            for file in path.parent.glob("*") if path.parent.is_dir() else ():
                known.setdefault(folded(file.name), []).append(file)
        same = self.folders[path.parent].get(folded(path.name), [])
        return same[0] if len(same) == 1 and same[0].is_file() else path


def folded(name: str) -> str:
    """A name as every system spells it: without case, in Unicode's composed form.

    >>> folded("A.TXT")
    'a.txt'
    """
    return unicodedata.normalize("NFC", name).casefold()


def find_pictures(
    names: Sequence[str],
    folders: Sequence[Path],
    where: Sequence[str],
    file: Path,
    other_endings: bool = True,
) -> list[Path]:
    r"""The picture of each name: where the list says, or else by its name alone.

    Tools that export annotations keep the folders of their own machine in the names
    (``..\..\label-studio\media\upload\4\000.jpg``, ``images\000.jpg``).  So many leading folders
    are dropped, of all names alike, as it takes to find the pictures.  One way serves a whole list:
    where some pictures lie as the list says, another that does not is missing, and no picture of
    the same name takes its place.

    Args:
        names: N, each once or more often.
        folders: at least one: where the pictures belong, then other folders where they may lie.
        where: what messages call the place of each name in the list.
        file: the list, for messages.
        other_endings: whether a picture may have another ending than its name, or the name none.

    Returns:
        N paths.  Those of missing pictures do not exist.

    Raises:
        ValueError: a name leads out of the folder, and no picture has that name; two names mean one
            picture; pictures of one name lie in several places.

    Warns:
        UserWarning: that folders were dropped.
    """
    if not names:
        return []
    written, spelled = [_parts(name) for name in names], _Spelled()
    for drop in range(max(1, *map(len, written))):
        ways = [_way(names, written, folder, drop, spelled) for folder in folders]
        hits = [sum(path is not None and path.is_file() for path in way) for way in ways]
        most = max(hits)
        if most == 0:
            continue
        first, *others = (n for n, found in enumerate(hits) if found == most)
        if others:
            raise ValueError(
                f"{file}: pictures of its names lie in {folders[first]} and in "
                f"{folders[others[0]]}; move or rename the folder that is not meant"
            )
        paths = _fill(ways[first], names, folders[first], where)
        return _said(paths, names, where, file) if drop else paths
    found = _search(written, folders[0], where, other_endings)
    paths = _fill(found, names, folders[0], where)
    return _said(paths, names, where, file) if any(found) else paths


def _parts(name: str) -> tuple[str, ...]:
    """Folders and file of a name, without what leads elsewhere."""
    if "://" in name:  # an address: %20 is a blank, and a question follows the path
        name = unquote(urlsplit(name).path)
    path = PureWindowsPath(name)  # knows drives, and both slashes
    if path.drive and not path.root:  # "C:a.png": wherever one stands on that drive
        return ()
    return tuple(part for part in path.parts if part not in (path.anchor, ".."))


def _way(
    names: Sequence[str],
    written: Sequence[tuple[str, ...]],
    folder: Path,
    drop: int,
    spelled: _Spelled,
) -> list[Path | None]:
    """The path of each name without its first folders; None where it leads out of the folder."""
    found: list[Path | None] = []
    for name, parts in zip(names, written, strict=True):
        path = PureWindowsPath(name)
        leads_out = ".." in path.parts or bool(path.anchor)
        if not parts or (leads_out and drop == 0):
            found.append(None)
        else:
            found.append(spelled(folder.joinpath(*parts[min(drop, len(parts) - 1) :])))
    return found


def _search(
    written: Sequence[tuple[str, ...]], folder: Path, where: Sequence[str], other_endings: bool
) -> list[Path | None]:
    """The one picture below a folder with a name; of several, that in folders of those names.

    Where no name is found with its ending, endings do not count: pictures have been converted.
    """
    there: dict[str, list[Path]] = {}
    pictures = pictures_in(folder, deep=True)
    for file in pictures:
        there.setdefault(folded(file.name), []).append(file)
    whole = not other_endings or any(parts and folded(parts[-1]) in there for parts in written)
    if not whole:
        for file in pictures:
            there.setdefault(folded(file.stem), []).append(file)
    found: list[Path | None] = []
    for parts, place in zip(written, where, strict=True):
        wanted = (parts[-1] if whole else _stem(parts[-1])) if parts else ""
        same = there.get(folded(wanted), [])
        shared = [_shared_end(file.relative_to(folder).parts, parts) for file in same]
        best = [file for file, length in zip(same, shared, strict=True) if length == max(shared)]
        if len(best) > 1:
            raise ValueError(
                f"{place}: {parts[-1]!r} may be {best[0]} or {best[1]}; rename one of them, or "
                "write its folder before its name"
            )
        found.append(best[0] if best else None)
    return found


def _stem(name: str) -> str:
    """A name without the ending of a picture."""
    path = PureWindowsPath(name)
    return path.stem if path.suffix.lower() in PICTURE_SUFFIXES else name


def _shared_end(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many of the last parts are the same, whatever their case."""
    count = 0
    for one, other in zip(reversed(ours), reversed(theirs), strict=False):
        if one.casefold() != other.casefold():
            break
        count += 1
    return count


def _fill(
    found: Sequence[Path | None], names: Sequence[str], folder: Path, where: Sequence[str]
) -> list[Path]:
    """Where a picture is not found, the path that it should have; names that lead out refused."""
    return [
        path_inside(folder, name, place) if path is None else path
        for path, name, place in zip(found, names, where, strict=True)
    ]


def _said(paths: list[Path], names: Sequence[str], where: Sequence[str], file: Path) -> list[Path]:
    """The same, if each picture has one name; says that they were found by their names."""
    owner: dict[Path, int] = {}
    for number, path in enumerate(paths):
        first = owner.setdefault(path, number)
        if names[first] != names[number]:
            raise ValueError(
                f"{where[number]}: {names[number]!r} and {names[first]!r} would both be {path}; "
                "keep the pictures in the folders that the file names, or rename them"
            )
    warnings.warn(
        f"{file}: the {len(owner)} pictures do not lie in the folders that it names; they are "
        f"taken by their names; the first: {names[0]!r} is {paths[0]}",
        stacklevel=4,
    )
    return paths
