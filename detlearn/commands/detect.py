"""``python -m detlearn detect``: pictures, folders or a video, with what was found drawn in."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..data import read_image
from ..data.ahead import load_ahead
from ..files import write_atomically
from ..models import Detector
from ..models.modes import predicting_in
from ..show import save_detections
from ..training.distributed import pick_device
from ..training.precision import AMP, AMP_HELP, told_dtype
from .objects import class_names, objects_of
from .pictures import drawing_names, find_pictures, why_unreadable
from .video import detect_video
from .weights import WEIGHTS_HELP, load_detector, shipped_weights

__all__ = ["add_command", "run_detect"]

LARGE = 6
"""A picture so many times as wide as the network's input is worth a hint."""


def run_detect(args: argparse.Namespace) -> int:
    """``python -m detlearn detect --weights FILE IMAGE...``: pictures with boxes, and a JSON."""
    if bool(args.images) == (args.video is not None):
        raise ValueError("detect: expected pictures and folders, or --video, got "
                         f"{'both' if args.images else 'neither'}")  # fmt: skip
    device = pick_device(args.device)
    model = load_detector(args.weights, "detect").to(device)
    with predicting_in(model, told_dtype(device, args.amp)):
        if args.video is None:
            return _detect_pictures(model, args)
        return detect_video(model, args.video, Path(args.out), args.score_threshold, args.frames)


class _Index:
    """``detections.json``, which grows while the pictures are looked at.

    It is written again when that costs a twentieth of the time at most, and at the end, come what
    may; it is whole at any moment.
    """

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self.path = folder / "detections.json"
        self.entries: list[dict[str, Any]] = []
        self.next_time = 0.0
        self.earlier = self._read()  # drawing -> its picture
        if set(self.earlier.values()) - set(map(str, images)):
            number = 1
            while (kept := folder / f"detections-{number}.json").exists():
                number += 1
            self.path.rename(kept)
            print(f"{self.path}: is of other pictures; it is called {kept.name} now")

    def _read(self) -> dict[Path, str]:
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))
            return {Path(row["picture"]): str(row["image"]) for row in rows}
        except (OSError, ValueError, TypeError, KeyError):  # none, or somebody else's
            return {}

    def add(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        start = time.monotonic()
        if start >= self.next_time:
            self.write()
            end = time.monotonic()
            self.next_time = end + 20 * (end - start)

    def write(self) -> None:
        write_atomically(self.path, (json.dumps(self.entries, indent=1) + "\n").encode())


def _detect_pictures(model: Detector, args: argparse.Namespace) -> int:
    from tqdm import tqdm

    given, out, names = find_pictures(args.images), Path(args.out), class_names(model)
    index = _Index(out, given.paths)
    drawings = drawing_names(given.paths, out, index.earlier)
    unreadable, large = list(given.unreadable), _Large(model.config.image_size)
    # Where one picture is all that was asked for, its error is the answer.
    only = len(given.paths) == 1 and not unreadable
    bar = tqdm(
        zip(given.paths, drawings, load_ahead(_read, given.paths, threads=2, ahead=4), strict=True),
        "detect", len(drawings), unit=" pictures",
        leave=False, dynamic_ncols=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    try:
        for path, drawing, image in bar:
            if isinstance(image, Exception):
                if only:
                    raise image
                unreadable.append((path, why_unreadable(path, image)))
                continue
            large.look(path, image)
            found = model.detect([image], score_threshold=args.score_threshold)[0]
            found = {key: value.cpu() for key, value in found.items()}
            save_detections(image, found, drawing, class_names=names, enlarge=True)
            objects = objects_of(found, names)
            index.add({"image": str(path), "picture": str(drawing), "objects": objects})
            noun = "object" if len(objects) == 1 else "objects"
            bar.write(f"{path}: {len(objects)} {noun} -> {drawing}")
    except KeyboardInterrupt:
        bar.close()
        done = f"{len(index.entries)} of {len(drawings)} pictures"
        print(f"\ndetlearn: stopped; {index.path} has {done}", file=sys.stderr)
        return 130
    finally:
        bar.close()
        if index.entries:
            index.write()
    return _report(index, [*given.passed_over, *large.hint()], unreadable)


def _read(path: Path) -> Tensor | ValueError | OSError:
    """The picture, or what is wrong with it: the next ones are read all the same."""
    try:
        return read_image(path)
    except (ValueError, OSError) as error:
        return error


def _report(index: _Index, notes: Sequence[str], unreadable: Sequence[tuple[Path, str]]) -> int:
    """Say what stands out; the command's status."""
    for note in notes:
        print(note)
    if not unreadable:
        return 0
    total = len(index.entries) + len(unreadable)
    lines = [f"  {path}: {reason}" for path, reason in unreadable]
    head = f"detlearn: {len(unreadable)} of {total} pictures could not be read:"
    print("\n".join([head, *lines]), file=sys.stderr)
    return 1 if index.entries else 2


class _Large:
    """Pictures that the network sees so much smaller that small objects vanish."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.count = 0
        self.largest: tuple[int, str] | None = None

    def look(self, path: Path, image: Tensor) -> None:
        height, width = image.shape[-2:]
        longest = max(height, width)
        if longest >= LARGE * self.side:
            self.count += 1
            if self.largest is None or longest > self.largest[0]:
                self.largest = (longest, f"{path}: {width} x {height}")

    def hint(self) -> list[str]:
        if self.largest is None:
            return []
        longest, picture = self.largest
        seen = 60 * self.side / longest
        more = f" (and {self.count - 1} more such pictures)" if self.count > 1 else ""
        return [
            f"{picture} px{more}, and the network sees {self.side} x {self.side} px: "
            f"an object of 60 px is {seen:.1f} px there. Small objects are found in parts cut out "
            "of the picture, or by a model with a larger input."
        ]


def add_command(commands: Any) -> None:
    """Add ``detect`` to an argument parser's commands."""
    p = commands.add_parser("detect", help="draw boxes on pictures", description=run_detect.__doc__)
    p.set_defaults(run=run_detect)
    p.add_argument("images", nargs="*", metavar="IMAGE", help="picture files or folders")
    p.add_argument("--weights", required=True,
                   help=WEIGHTS_HELP.format(", ".join(shipped_weights())))  # fmt: skip
    p.add_argument(
        "--out", default="detections", help="folder for the pictures (default: detections)"
    )
    p.add_argument("--video", metavar="FILE|N", help="instead of pictures a video file, or the "
                   "camera with this number (0, 1, ...); needs OpenCV")  # fmt: skip
    p.add_argument("--frames", choices=("mp4", "png"), default="mp4",
                   help="what a video becomes: a video, or a folder of pictures")  # fmt: skip
    p.add_argument("--score-threshold", type=float, default=0.5)
    p.add_argument("--amp", choices=AMP, default="auto", help=AMP_HELP)
    p.add_argument("--device", help="cpu, cuda, cuda:1, mps; default: the best there is")
