"""The shell command ``data``: PASCAL VOC and COCO, announced, downloaded, checked and unpacked.

Whatever interrupts it, the same command continues: archives are received into ``NAME.part``, count
only once their checksum is right, and are unpacked beside the place where they will lie.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import stat
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._version import __version__
from ..files import checksum, replace_file

__all__ = ["DATASETS", "Archive", "Downloads", "add_commands", "download_dataset", "unpack"]

CHUNK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without a byte
WAITS = (0.0, 2.0, 10.0)  # seconds before each try of an address


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to download.

    Attributes:
        urls: tried in this order; all of them end in the file's name.
        size: bytes.
        md5: of the whole file.  It tells the published file from any other; it is not asked to
            withstand somebody who makes a file for it.
        unpacked: bytes on disk, roughly.
        terms: what its owners allow, in a sentence.
        holds: what a folder has in which it lies unpacked: an image set and its length (VOC), a
            folder and how many files it has, or a JSON file.

    >>> DATASETS["voc2012"].archives[0].name
    'VOCtrainval_11-May-2012.tar'
    """

    urls: tuple[str, ...]
    size: int
    md5: str
    unpacked: int
    terms: str
    holds: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.urls[0].rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Downloads:
    """What makes a data set: the folder it goes to by default, and its archives."""

    folder: str
    archives: tuple[Archive, ...]


VOC_TERMS = (
    "photographs from Flickr, whose terms of use (flickr.com/help/terms) hold; "
    "host.robots.ox.ac.uk/pascal/VOC says whom to cite"
)
COCO_TERMS = (
    "photographs from Flickr, under the licences that their authors gave them; terms: "
    "cocodataset.org/#termsofuse"
)
COCO_LABEL_TERMS = (
    "annotations of the COCO Consortium, CC BY 4.0; terms: cocodataset.org/#termsofuse"
)


def _voc(file: str, size: int, md5: str, image_set: str, images: int) -> Archive:
    # The first host is the one that torchvision asks, and host.robots.ox.ac.uk sends on to it;
    # the second is a mirror.  Sums: torchvision.datasets.voc, and PaddleDetection's ppdet has the
    # same.  Sizes: what both hosts declare, as scripts that check them record it.
    year = image_set[3:7]
    return Archive(
        urls=(
            f"https://thor.robots.ox.ac.uk/pascal/VOC/voc{year}/{file}",
            f"https://data.pjreddie.com/files/{file}",
        ),
        size=size, md5=md5, unpacked=size, terms=VOC_TERMS,
        holds=((f"VOCdevkit/{image_set}", images),),
    )  # fmt: skip


def _coco(path: str, size: int, md5: str, unpacked: int, holds: dict[str, int]) -> Archive:
    # images.cocodataset.org is a bucket of S3 and has no certificate of its own; by S3's own name
    # it is read through TLS.  COCO publishes no sums: these are the ones on which the scripts of
    # PaddleDetection and MLCommons agree; that of the annotations is also their ETag on S3.
    # Sizes: what the bucket declares, as several scripts that check them record it.
    return Archive(
        urls=(
            f"https://s3.amazonaws.com/images.cocodataset.org/{path}",
            f"http://images.cocodataset.org/{path}",
        ),
        size=size, md5=md5, unpacked=unpacked,
        terms=COCO_LABEL_TERMS if path.startswith("annotations") else COCO_TERMS,
        holds=tuple(holds.items()),
    )  # fmt: skip


DATASETS = {
    "voc2007": Downloads("datasets/voc", (
        _voc("VOCtrainval_06-Nov-2007.tar", 460_032_000, "c52e279531787c972589f7e41ab4ae64",
             "VOC2007/ImageSets/Main/trainval.txt", 5_011),
        _voc("VOCtest_06-Nov-2007.tar", 451_020_800, "b6e924de25625d8de591ea690078ad9f",
             "VOC2007/ImageSets/Main/test.txt", 4_952),
    )),
    "voc2012": Downloads("datasets/voc", (
        _voc("VOCtrainval_11-May-2012.tar", 1_999_639_040, "6cd6e144f989b92b3379bac3b3de84fd",
             "VOC2012/ImageSets/Main/trainval.txt", 11_540),
    )),
    "coco2017": Downloads("datasets/coco", (
        _coco("zips/val2017.zip", 815_585_330, "442b8da7639aecaf257c1dceb8ba8c80",
              840_000_000, {"val2017": 5_000}),
        _coco("zips/train2017.zip", 19_336_861_798, "cced6f7f71b7629ddf16f17bbcfab6b2",
              19_900_000_000, {"train2017": 118_287}),
        # Last: annotations without their images would look like a data set.
        _coco("annotations/annotations_trainval2017.zip", 252_907_541,
              "f4bbac642086de4f52a3fdda2de5fa2c", 840_000_000, {
                  f"annotations/{kind}_{split}2017.json": 1
                  for kind in ("instances", "person_keypoints") for split in ("train", "val")
              }),
    )),
}  # fmt: skip
"""By the name that the command ``data`` takes.  VOC 2007 and 2012 share a folder: the papers train
on both.
"""


# ---------------------------------------------------------------- the whole
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
            _fetch(archive, placed, command)
        elif (got := _md5(placed)) != archive.md5:
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
            here = _length(root / f"{archive.name}.part")
            rest = archive.size - here if here <= archive.size else archive.size
            note = f"{_bytes(rest)} of them to come" if rest < archive.size else "to download"
        print(f"{archive.name}: {_bytes(archive.size)}, {note}\n  {archive.terms}")
        load, need = load + rest, need + rest + archive.unpacked
    existing = next(folder for folder in (root, *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    print(f"to download: {_bytes(load)}; to {root}, with what is in them: {_bytes(need)} "
          f"of {_bytes(free)} free")  # fmt: skip
    if need > free:
        raise OSError(
            f"{root}: {_bytes(need)} are needed for the archives and what is in them, "
            f"{_bytes(free)} are free; --root takes a folder on another disk"
        )


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:,} bytes"


# ---------------------------------------------------------------- receive
class _Trouble(Exception):
    """Why an address did not give the file, and whether it may if asked again."""

    def __init__(self, reason: object, again: bool = True) -> None:
        super().__init__(str(reason))
        self.again = again


def _fetch(archive: Archive, target: Path, command: str) -> None:
    """Download an archive, from where an earlier try ended; it gets its name when it is right."""
    part = target.with_name(f"{target.name}.part")
    reasons = []
    for url in archive.urls:
        print(f"{archive.name} from {url}", flush=True)
        fruitless = 0
        while fruitless < len(WAITS):
            time.sleep(WAITS[fruitless])
            before = _length(part)
            try:
                _receive(url, part, archive.size)
                got = _md5(part)
                if got == archive.md5:
                    replace_file(part, target)
                    return
                part.unlink()  # not a byte of it can be relied on
                # What was continued may have begun as another file: once more, from the start.
                raise _Trouble(f"what came has MD5 {got}, not {archive.md5}", again=before > 0)
            except _Trouble as trouble:
                reason = str(trouble)
                if not trouble.again:
                    break
                # A long download may break often, as long as it gets on.
                fruitless = 0 if _length(part) >= before + CHUNK else fruitless + 1
            except OSError as error:
                raise OSError(f"{part}: cannot be written ({error.strerror or error})") from error
        reasons.append(f"  {url}: {reason}\n")
    kept = _length(part)
    raise OSError(
        f"{archive.name} could not be downloaded:\n{''.join(reasons)}"
        + (f"{part} keeps the first {kept:,} bytes.\n" if kept else "")
        + "Run the command again later, it continues where it was. Or get the file by hand, from "
        f"these addresses or a mirror ({archive.size:,} bytes, MD5 {archive.md5}), save it as "
        f"{target}, and run\n  {command}"
    )


def _receive(url: str, part: Path, size: int) -> None:
    """Append to a file what it lacks of ``size`` bytes."""
    had = _length(part)
    if had == size:
        return
    if had > size:
        had = 0
    headers = {"User-Agent": f"detlearn/{__version__}"}
    if had:
        headers["Range"] = f"bytes={had}-"
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT
        )
    except urllib.error.HTTPError as error:
        error.close()
        raise _Trouble(
            f"HTTP {error.code} {error.reason}", again=error.code >= 500 or error.code in (408, 429)
        ) from None
    except urllib.error.URLError as error:
        raise _Trouble(error.reason) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Trouble(f"no answer ({error})") from None
    with answer:
        total = answer.headers.get("Content-Length")
        if answer.status == 206:
            found = re.match(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range") or "")
            if not found or int(found[1]) != had:
                part.unlink(missing_ok=True)  # from the start then: that needs no range
                raise _Trouble("the host sent other bytes than it was asked for")
            total = found[2]
        else:  # no range: all of it comes, from the start
            had = 0
        if total and total.isdigit() and int(total) != size:
            raise _Trouble(f"expected {size:,} bytes, the host has {int(total):,}", again=False)
        _store(answer, part, had, size)
    if (length := _length(part)) != size:
        raise _Trouble(f"the connection was cut after {length:,} of {size:,} bytes")


def _store(answer: Any, part: Path, had: int, size: int) -> None:
    from tqdm.auto import tqdm

    with (
        open(part, "ab" if had else "wb") as file,
        tqdm(total=size, initial=had, unit="B", unit_scale=True, desc=part.stem,
             disable=None) as bar,
    ):  # fmt: skip
        while True:
            try:
                block = answer.read1(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _Trouble(f"the connection broke ({error})") from None
            if not block:
                return
            had += len(block)
            if had > size:
                raise _Trouble(f"expected {size:,} bytes, the host sends more", again=False)
            file.write(block)
            bar.update(len(block))


def _length(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _md5(file: Path) -> str:
    from tqdm.auto import tqdm

    with tqdm(total=_length(file), unit="B", unit_scale=True, desc="check", leave=False,
              disable=None) as bar:  # fmt: skip
        return checksum(file, "md5", watch=bar.update)


# ---------------------------------------------------------------- unpack
def unpack(file: str | Path, folder: str | Path) -> None:
    """Unpack a tar or a zip, and nothing that leaves the folder.

    Data sets are files in folders.  An archive with anything else in it (a path that is absolute,
    has a drive or a backslash or leads upwards, a link, a device) is refused before the first
    file is written.

    Args:
        file: a ``.zip``, or a tar.
        folder: exists.

    Raises:
        ValueError: naming the archive and the member; or that it is broken.
        OSError: too little room for what it holds.
    """
    file, folder = Path(file), Path(folder)
    if file.suffix != ".zip" and not hasattr(tarfile, "data_filter"):
        raise ValueError(
            f"{file}: unpacking a tar safely takes Python 3.11.4 or newer, this is "
            f"{'.'.join(map(str, sys.version_info[:3]))}"
        )
    try:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as opened:
                members = [
                    (info.orig_filename, info.file_size, _is_plain(info), info)
                    for info in opened.infolist()
                ]
                _unpack_all(file, folder, members, opened.extract)
        else:
            with tarfile.open(file) as tar:
                found = [(m.name, m.size, m.isfile() or m.isdir(), m) for m in tar]
                _unpack_all(
                    file, folder, found, lambda m, path: tar.extract(m, path, filter="data")
                )
    except (
        tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, FileExistsError,
        NotADirectoryError, IsADirectoryError,
    ) as error:  # fmt: skip
        raise ValueError(f"{file}: cannot be unpacked ({error})") from error


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """A file or a folder, as far as the zip says what it is."""
    return stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)


def _unpack_all(
    file: Path,
    folder: Path,
    members: list[tuple[str, int, bool, Any]],
    extract: Callable[[Any, Path], object],
) -> None:
    from tqdm.auto import tqdm

    for name, _, plain, _ in members:
        if not plain:
            raise ValueError(f"{file}: {name!r} is neither a file nor a folder; nothing unpacked")
        # Windows drops spaces and dots at the end of a name: ".. " is ".." there.
        upwards = any(part not in ("", ".") and not part.strip(" .") for part in name.split("/"))
        if upwards or name.startswith("/") or re.search(r"[\\:\x00]", name):
            raise ValueError(f"{file}: {name!r} may lead out of the folder; nothing unpacked")
    total, free = sum(size for _, size, _, _ in members), shutil.disk_usage(folder).free
    if total > free:
        raise OSError(f"{file}: holds {_bytes(total)}, {_bytes(free)} are free in {folder}")
    for *_, member in tqdm(members, desc=f"unpack {file.name}", disable=None):
        extract(member, folder)


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
