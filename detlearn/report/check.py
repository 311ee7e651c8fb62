"""``python -m detlearn check FOLDER``: the border's findings, and a page that shows them."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

from ..data import open_dataset, read_image
from ..data.border import Finding, Survey, findings_between, findings_of, survey
from ..data.names import check_unique, relabel
from ..data.options import add_exif_option
from ..data.targets import BoxesSkipped
from ..files import write_atomically
from .pictures import data_uri
from .render import render

__all__ = ["add_commands", "check_folder", "check_page"]

PICTURE_BYTES = 60_000


def check_folder(
    source: str, keypoints: bool = False, exif_upright: bool = False
) -> tuple[list[Survey], list[Finding]]:
    """What the border has to say about a folder, before anything is trained.

    Args:
        source: a folder in one of the layouts of `detlearn.data.open_dataset`.
        keypoints: whether key points are looked at.
        exif_upright: see `detlearn.data.border.findings_of`.

    Returns:
        a survey of each split there is; the findings, those that refuse training first.

    Raises:
        ValueError: no layout is known, or a file of annotations is none.
    """
    opened: dict[str, Any] = {}
    reason: ValueError | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoxesSkipped)  # they are among the findings
        for split in ("train", "val"):
            try:
                opened[split] = open_dataset(source, split, keypoints=keypoints)
            except ValueError as error:
                if "none of the layouts" not in str(error):
                    raise
                reason = reason or error
    surveys = [survey(one, "train" if split == "train" else "val") for split, one in opened.items()]
    seen = [found for found in surveys if found is not None]
    if not seen:
        raise reason or ValueError(f"{source}: expected a folder with pictures, it has no files")
    findings = [finding for one in seen for finding in findings_of(one, exif_upright)]
    if len(seen) == 2:
        findings += findings_between(*seen)
        try:
            _, texts = relabel(opened["val"], opened["train"].class_names, ("train", "val"))
            findings += [Finding("names", text) for text in texts]
        except ValueError as error:
            findings.append(Finding("names", str(error), refused=True))
    else:
        missing = "val" if seen[0].split == "train" else "train"
        findings.append(Finding("one split", f"{missing}: there is none in {source}"))
        try:
            check_unique(seen[0].listing.class_names)
        except ValueError as error:
            findings.append(Finding("names", str(error), refused=True))
    return seen, sorted(findings, key=lambda finding: not finding.refused)


def check_page(source: str, seen: list[Survey], findings: list[Finding]) -> str:
    """The findings on a page, with up to three pictures of each.

    Args:
        source: the folder.
        seen: of `check_folder`.
        findings: likewise.

    Returns:
        HTML that holds everything itself.
    """
    facts = [
        f"{one.split}: {len(one.listing.paths):,} pictures, {len(one.listing.boxes):,} boxes, "
        f"{len(one.listing.class_names) - 1} classes"
        for one in seen
    ]
    shown = [
        {
            "kind": finding.kind, "text": finding.text, "refused": finding.refused,
            "shots": [shot for sample in finding.samples if (shot := _shot(*sample))],
        }
        for finding in findings
    ]  # fmt: skip
    return render("check.html.j2", source=source, facts=facts, findings=shown)


def _shot(path: Path, boxes: tuple[tuple[float, ...], ...]) -> dict[str, Any] | None:
    """A picture with boxes on it; None where it cannot be read."""
    try:
        pixels = read_image(path).permute(1, 2, 0).numpy()  # (H, W, 3)
    except (ValueError, OSError):
        return None
    height, width = pixels.shape[:2]
    return {
        "name": path.name,
        "source": data_uri(pixels, PICTURE_BYTES),
        "width": width,
        "height": height,
        "boxes": boxes,
    }


def run_check(args: argparse.Namespace) -> None:
    """``python -m detlearn check FOLDER``: what is wrong or odd about data, before training."""
    seen, findings = check_folder(args.folder, args.keypoints, args.exif_upright)
    for one in seen:
        names = ", ".join(one.listing.class_names[1:13])
        print(f"{one.split}: {len(one.listing.paths)} pictures, {len(one.listing.boxes)} boxes; "
              f"classes: {names}")  # fmt: skip
    for finding in findings:
        print(f"{'refused' if finding.refused else 'note'}: {finding.text}")
    path = Path(args.out)
    write_atomically(path, check_page(args.folder, seen, findings).encode())
    print(f"{path}: the same with pictures, open it in a browser")
    if wrong := sum(finding.refused for finding in findings):
        raise ValueError(
            f"{args.folder}: expected data to train on, got {wrong} findings that refuse it"
        )


def add_commands(commands: Any) -> None:
    """Add ``check`` to an argument parser's commands."""
    p = commands.add_parser("check", help="look at data", description=run_check.__doc__)
    p.set_defaults(run=run_check)
    p.add_argument("folder", metavar="FOLDER", help="a folder in a layout that train takes")
    p.add_argument("--keypoints", action="store_true", help="look at key points, too")
    add_exif_option(p)
    p.add_argument("--out", default="check.html", help="the page (default: check.html)")
