"""Detection in a video file, or in what a camera sees, through OpenCV where it is installed."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import write_atomically
from ..models import Detector
from ..show.figures.pictures import annotate
from .objects import class_names, objects_of

__all__ = ["detect_video", "open_video"]

TELL_EVERY = 5.0  # seconds between two lines about the speed
CAMERA_RATE = 30.0  # frames a second, where a camera does not say


def import_opencv() -> Any:
    """The package cv2.

    Raises:
        ValueError: it is not installed; one sentence says how it comes.
    """
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "--video: reading videos and cameras needs OpenCV, which is not installed: "
            "pip install opencv-python-headless"
        ) from error
    return cv2


def open_video(cv2: Any, source: str) -> Any:
    """A video file, or a camera.

    Args:
        cv2: the package.
        source: a file; digits are a camera's number, if there is no file of that name.

    Returns:
        OpenCV's ``VideoCapture``, open.

    Raises:
        ValueError: no such file or camera, or no video.
    """
    camera = source.isdecimal() and not Path(source).exists()
    if not camera and not Path(source).is_file():
        raise ValueError(f"--video: expected a file or a camera's number, {source} is neither")
    capture = cv2.VideoCapture(int(source) if camera else source)
    if not capture.isOpened():
        capture.release()
        what = "there is no camera of that number" if camera else "cannot be read as a video"
        raise ValueError(f"--video: {source}: {what}")
    return capture


def detect_video(
    model: Detector, source: str, out: Path, score_threshold: float | None, frames: str = "mp4"
) -> int:
    """Find objects in every frame, write the frames with what was found, and tell the speed.

    Writes ``NAME_detections.mp4``, or with ``frames="png"`` the folder ``NAME_frames``, and
    ``NAME_detections.json``: for each frame its number, seconds and objects.  Nothing that lies
    there is overwritten.  Ctrl-C ends a camera's picture, and what was seen is written.

    Args:
        model: the detector.
        source: see `open_video`.
        out: the folder to write into.
        score_threshold: None for the model's.
        frames: ``"mp4"`` or ``"png"``.

    Returns:
        0; 130 after Ctrl-C in a file's middle.

    Raises:
        ValueError: no OpenCV, or nothing to read.
    """
    cv2 = import_opencv()
    capture = open_video(cv2, source)
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate < 1000 else CAMERA_RATE
    name = f"camera-{source}" if source.isdecimal() else Path(source).stem
    writer = _Frames(cv2, out, name, frames, rate)
    names, stopped = class_names(model), False
    rows: list[dict[str, Any]] = []
    begun = told = time.perf_counter()
    try:
        while True:
            there, frame = capture.read()
            if not there:
                break
            pixels = np.ascontiguousarray(frame[..., ::-1])  # OpenCV's BGR to RGB
            image = torch.from_numpy(pixels).permute(2, 0, 1)  # (3, H, W)
            found = model.detect([image], score_threshold=score_threshold)[0]
            found = {key: value.cpu() for key, value in found.items()}
            writer.add(np.asarray(annotate(image, found, class_names=names))[..., ::-1])
            rows.append({"frame": len(rows), "seconds": round(len(rows) / rate, 3),
                         "objects": objects_of(found, names)})  # fmt: skip
            now = time.perf_counter()
            if now - told >= TELL_EVERY:
                told = now
                print(f"frame {len(rows)}: {len(rows) / (now - begun):.1f} frames a second")
    except KeyboardInterrupt:
        stopped = True
    finally:
        capture.release()
        writer.close()
        content = (json.dumps(rows, indent=1) + "\n").encode()
        if rows:
            write_atomically(writer.path.with_name(f"{writer.name}_detections.json"), content)
    if not rows:
        raise ValueError(f"--video: {source}: there is no frame in it")
    seconds = time.perf_counter() - begun
    objects = sum(len(row["objects"]) for row in rows)
    print(f"{source}: {len(rows)} frames, {objects} objects, {len(rows) / seconds:.1f} frames a "
          f"second -> {writer.path}")  # fmt: skip
    if stopped and not source.isdecimal():
        print("detlearn: stopped before the video's end", file=sys.stderr)
        return 130
    return 0


class _Frames:
    """Where frames go: a video, or a folder of pictures; nothing that is there is replaced."""

    def __init__(self, cv2: Any, out: Path, name: str, kind: str, rate: float) -> None:
        self.cv2, self.kind, self.rate = cv2, kind, rate
        self.video: Any = None
        self.count = 0
        end = "_detections.mp4" if kind == "mp4" else "_frames"
        number = 1
        while True:
            self.name = name if number == 1 else f"{name}-{number}"
            self.path = out / f"{self.name}{end}"
            json_file = out / f"{self.name}_detections.json"
            if not self.path.exists() and not json_file.exists():
                break
            number += 1
        (self.path if kind == "png" else out).mkdir(parents=True, exist_ok=True)

    def add(self, frame: np.ndarray) -> None:
        """One more frame, (H, W, 3) BGR."""
        frame = np.ascontiguousarray(frame)
        if self.kind == "png":
            written = self.cv2.imwrite(str(self.path / f"{self.count:06d}.png"), frame)
        else:
            if self.video is None:
                height, width = frame.shape[:2]
                code = self.cv2.VideoWriter_fourcc(*"mp4v")
                self.video = self.cv2.VideoWriter(str(self.path), code, self.rate, (width, height))
            written = self.video.isOpened()
            self.video.write(frame)
        if not written:
            raise OSError(f"{self.path}: OpenCV cannot write this; --frames png writes pictures")
        self.count += 1

    def close(self) -> None:
        """The video is complete."""
        if self.video is not None:
            self.video.release()
