"""Receive a large file: resumed where it broke, from whichever address has it, and checked."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .._version import __version__
from ..files import checksum, replace_file
from .published import Archive

__all__ = ["length_of", "md5_of", "receive"]

CHUNK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without a byte
WAITS = (0.0, 2.0, 10.0)  # seconds before each try of an address


class Trouble(Exception):
    """Why an address did not give the file, and whether it may if asked again."""

    def __init__(self, reason: object, again: bool = True) -> None:
        super().__init__(str(reason))
        self.again = again


def receive(archive: Archive, target: Path, command: str) -> None:
    """Download an archive, from where an earlier try ended; it gets its name when it is right.

    Args:
        archive: what is wanted.
        target: where it goes; until it is whole and right it is called ``NAME.part``.
        command: what a reader runs to continue, for the message.

    Raises:
        OSError: no address gave the file, or it cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    reasons = []
    for url in archive.urls:
        print(f"{archive.name} from {url}", flush=True)
        fruitless = 0
        while fruitless < len(WAITS):
            time.sleep(WAITS[fruitless])
            before = length_of(part)
            try:
                _append(url, part, archive.size)
                got = md5_of(part)
                if got == archive.md5:
                    replace_file(part, target)
                    return
                part.unlink()  # not a byte of it can be relied on
                # What was continued may have begun as another file: once more, from the start.
                raise Trouble(f"what came has MD5 {got}, not {archive.md5}", again=before > 0)
            except Trouble as trouble:
                reason = str(trouble)
                if not trouble.again:
                    break
                # A long download may break often, as long as it gets on.
                fruitless = 0 if length_of(part) >= before + CHUNK else fruitless + 1
            except OSError as error:
                raise OSError(f"{part}: cannot be written ({error.strerror or error})") from error
        reasons.append(f"  {url}: {reason}\n")
    kept = length_of(part)
    raise OSError(
        f"{archive.name} could not be downloaded:\n{''.join(reasons)}"
        + (f"{part} keeps the first {kept:,} bytes.\n" if kept else "")
        + "Run the command again later, it continues where it was. Or get the file by hand, from "
        f"these addresses or a mirror ({archive.size:,} bytes, MD5 {archive.md5}), save it as "
        f"{target}, and run\n  {command}"
    )


def _append(url: str, part: Path, size: int) -> None:
    """Append to a file what it lacks of ``size`` bytes."""
    had = length_of(part)
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
        raise Trouble(
            f"HTTP {error.code} {error.reason}", again=error.code >= 500 or error.code in (408, 429)
        ) from None
    except urllib.error.URLError as error:
        raise Trouble(error.reason) from None
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(f"no answer ({error})") from None
    with answer:
        total = answer.headers.get("Content-Length")
        if answer.status == 206:
            found = re.match(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range") or "")
            if not found or int(found[1]) != had:
                part.unlink(missing_ok=True)  # from the start then: that needs no range
                raise Trouble("the host sent other bytes than it was asked for")
            total = found[2]
        else:  # no range: all of it comes, from the start
            had = 0
        if total and total.isdigit() and int(total) != size:
            raise Trouble(f"expected {size:,} bytes, the host has {int(total):,}", again=False)
        _store(answer, part, had, size)
    if (length := length_of(part)) != size:
        raise Trouble(f"the connection was cut after {length:,} of {size:,} bytes")


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
                raise Trouble(f"the connection broke ({error})") from None
            if not block:
                return
            had += len(block)
            if had > size:
                raise Trouble(f"expected {size:,} bytes, the host sends more", again=False)
            file.write(block)
            bar.update(len(block))


def length_of(file: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return file.stat().st_size if file.is_file() else 0


def md5_of(file: Path) -> str:
    """The MD5 of a large file, with a progress bar."""
    from tqdm.auto import tqdm

    with tqdm(total=length_of(file), unit="B", unit_scale=True, desc="check", leave=False,
              disable=None) as bar:  # fmt: skip
        return checksum(file, "md5", watch=bar.update)
