"""``python -m detlearn report RUN``: a training run on one page, for a teacher or a colleague.

`detlearn.report.run` reads the folder, `detlearn.report.measure` measures the detector on the
validation images, and `detlearn.report.page` says what stands on the page.
"""

from __future__ import annotations

import argparse
import os
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from ..data.options import add_exif_option
from .measure import Findings, Picture, PoseFindings, measure, measure_pose, worst_pictures
from .run import Run, read_run

__all__ = ["add_commands", "write_report"]

MOST_PICTURES = 100


def write_report(
    folder: str | os.PathLike[str],
    *,
    data: str | None = None,
    out: str | os.PathLike[str] | None = None,
    images: int = 12,
    score_threshold: float | None = None,
    limit: int | None = None,
    device: str | None = None,
    progress: bool = False,
    exif_upright: bool = False,
) -> Path:
    """Write the page about a run: one HTML file that holds everything itself.

    Args:
        folder: the ``--out`` of ``python -m detlearn train``.
        data: ``"shapes"`` or a folder, as for ``train``; None for what the run was trained on.
        out: the file; None for ``report.html`` in the folder.
        images: so many of the worst images are shown, at most.
        score_threshold: see `measure`.
        limit: measure on so many images at most, evenly spread; None for all.
        device: None for the best there is.
        progress: show a progress bar.
        exif_upright: see `detlearn.data.border.findings_of`.

    Returns:
        The file.

    Raises:
        ValueError: no run, or an argument that is none; with ``data`` given also weights or data
            that cannot be read (without, the page says so and shows the rest).
        OSError: the file cannot be written.
    """
    from ..files import write_atomically
    from ..models import PoseHRNet, load_model
    from ..training import pick_device
    from .page import report_page

    if not 0 <= images <= MOST_PICTURES:
        raise ValueError(f"images: expected 0 to {MOST_PICTURES}, got {images}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1, got {limit}")
    if score_threshold is not None and not 0 <= score_threshold <= 1:
        raise ValueError(f"score_threshold: expected 0 to 1, got {score_threshold}")
    run = read_run(folder)
    path = Path(out) if out is not None else run.folder / "report.html"
    if path.is_dir():  # before the work of minutes, not after it
        raise ValueError(f"{path}: expected a file to write, it is a folder")
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path.parent}: expected a folder to write into, it is read-only")
    chosen = pick_device(device)
    source = data or run.data
    findings: Findings | PoseFindings | None = None
    pictures: list[Picture] = []
    if run.weights is not None and source is None:
        run.notes.append("Nothing says what the run was trained on, so nothing is measured: --data")
    elif run.weights is not None and source is not None:
        try:
            model = load_model(run.weights).to(chosen)
            dataset = _open_checked(source, model, run, exif_upright)
            if isinstance(model, PoseHRNet):
                findings = measure_pose(model, dataset, limit=limit, progress=progress)
            else:
                findings = measure(
                    model, dataset, score_threshold=score_threshold, limit=limit, progress=progress
                )
                pictures = worst_pictures(findings, dataset, images)
        except (ValueError, OSError) as error:
            if data is not None:
                raise
            run.notes.append(f"Nothing is measured: {error}.")
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    page = report_page(run, findings, pictures, source=source, made=now)
    write_atomically(path, page.encode())
    return path


def _open_checked(source: str, model: Any, run: Run, exif_upright: bool) -> Any:
    """The validation data of a run, looked at as before a training; what is odd is noted."""
    from ..data import open_dataset
    from ..data.border import findings_of, refuse, survey
    from ..data.names import relabel
    from ..data.targets import BoxesSkipped
    from ..models import PoseHRNet
    from ..training.before import match_joints

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoxesSkipped)  # they are among the findings
        dataset = open_dataset(source, "val", keypoints=isinstance(model, PoseHRNet))
    seen = survey(dataset, "val")
    found = [] if seen is None else findings_of(seen, exif_upright)
    run.notes.extend(f"The data: {one.text}." for one in found if not one.refused)
    refuse(found)
    if isinstance(model, PoseHRNet):
        match_joints(model, dataset, source)
    elif model.class_names is not None:
        dataset, texts = relabel(dataset, model.class_names, ("the weights", "val"))
        run.notes.extend(f"The data: {text}." for text in texts)
    return dataset


def run_report(args: argparse.Namespace) -> None:
    """``python -m detlearn report RUN``: curves, errors and worst images of a run on one page."""
    path = write_report(
        args.folder, data=args.data, out=args.out, images=args.images,
        score_threshold=args.score_threshold, limit=args.limit, device=args.device,
        progress=not args.quiet, exif_upright=args.exif_upright,
    )  # fmt: skip
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, open it in a browser")


def add_commands(commands: Any) -> None:
    """Add ``report`` to an argument parser's commands."""
    p = commands.add_parser("report", help="a run on one page", description=run_report.__doc__)
    p.set_defaults(run=run_report)
    p.add_argument("folder", metavar="RUN", help="a folder that train wrote (its --out)")
    p.add_argument("--data", help="'shapes', a COCO or a VOC folder; default: the run's")
    add_exif_option(p)
    p.add_argument("--out", help="the file to write (default: RUN/report.html)")
    p.add_argument("--images", type=int, default=12, help="show so many of the worst (default: 12)")
    p.add_argument(
        "--score-threshold", type=float,
        help="count mistakes of detections from this score on (default: the best one, by F1)",
    )  # fmt: skip
    p.add_argument("--limit", type=int, help="measure on so many images at most; default: all")
    p.add_argument("--device", help="cpu, cuda, cuda:1, mps; default: the best there is")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
