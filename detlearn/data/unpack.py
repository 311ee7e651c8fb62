"""Unpack an archive into a folder, with the library's own rules against names that lead out."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

__all__ = ["format_bytes", "unpack"]


def unpack(file: str | Path, folder: str | Path) -> None:
    """Unpack a tar or a zip, and write nothing outside of the folder.

    A tar goes through ``tarfile``'s data filter, which refuses links and names that lead out, and
    devices; ``zipfile`` drops drives and ``..`` from names, and writes links as plain files.
    (``shutil.unpack_archive`` is not asked: it believes a drive letter in a zip.)

    Args:
        file: a ``.zip``, or a tar.
        folder: exists.  What was unpacked before an error is in it: take an empty one.

    Raises:
        ValueError: naming the archive and the member; or that it is broken.
        OSError: too little room for what it holds.
    """
    from tqdm.auto import tqdm

    file, folder = Path(file), Path(folder)
    if file.suffix != ".zip" and not hasattr(tarfile, "data_filter"):
        raise ValueError(
            f"{file}: unpacking a tar safely takes Python 3.11.4 or newer, this is "
            f"{'.'.join(map(str, sys.version_info[:3]))}"
        )
    try:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                files = archive.infolist()
                _check_room(file, folder, sum(info.file_size for info in files))
                for info in tqdm(files, desc=f"unpack {file.name}", disable=None):
                    archive.extract(info, folder)
        else:
            with tarfile.open(file) as tar:
                members = tar.getmembers()
                _check_room(file, folder, sum(member.size for member in members))
                bar = tqdm(members, desc=f"unpack {file.name}", disable=None)
                tar.extractall(folder, members=bar, filter="data")
    except tarfile.FilterError as error:
        special = isinstance(error, tarfile.SpecialFileError)
        reason = "is neither a file nor a folder" if special else "may lead out of the folder"
        raise ValueError(f"{file}: {error.tarinfo.name!r} {reason}") from error
    except (
        tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, FileExistsError,
        NotADirectoryError, IsADirectoryError,
    ) as error:  # fmt: skip
        raise ValueError(f"{file}: cannot be unpacked ({error})") from error


def _check_room(file: Path, folder: Path, total: int) -> None:
    free = shutil.disk_usage(folder).free
    if total > free:
        raise OSError(
            f"{file}: holds {format_bytes(total)}, {format_bytes(free)} are free in {folder}"
        )


def format_bytes(count: int) -> str:
    """A number of bytes as people read it.

    >>> format_bytes(460_032_000)
    '460.0 MB'
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:,} bytes"
