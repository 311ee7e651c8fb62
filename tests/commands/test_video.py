"""detect --video: with OpenCV's part played by a stub, and with OpenCV where it is installed."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from detlearn.__main__ import main
from detlearn.data import load_photo


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def astronaut():
    """Four frames (320, 320, 3) BGR: the face goes to the left, 10 px a frame."""
    image = load_photo("astronaut")
    image = image[0] if isinstance(image, tuple) else image
    pixels = image.permute(1, 2, 0).numpy()[..., ::-1]
    return [np.ascontiguousarray(pixels[:320, 60 + 10 * k : 380 + 10 * k]) for k in range(4)]


def stub(frames, stop_at=None):
    """What detect uses of OpenCV."""
    cv2 = types.ModuleType("cv2")
    written = cv2.written = []
    cv2.CAP_PROP_FPS = 5

    class VideoCapture:
        def __init__(self, source):
            cv2.source, self.left = source, list(frames)

        def isOpened(self):
            return bool(frames)

        def get(self, _):
            return 10.0

        def read(self):
            if stop_at is not None and len(written) == stop_at:
                raise KeyboardInterrupt
            return (True, self.left.pop(0)) if self.left else (False, None)

        def release(self):
            cv2.released = True

    class VideoWriter:
        def __init__(self, path, code, rate, size):
            cv2.video = (Path(path).name, code, rate, size)

        def isOpened(self):
            return True

        def write(self, frame):
            written.append(frame)

        def release(self):
            cv2.finished = True

    cv2.VideoCapture, cv2.VideoWriter = VideoCapture, VideoWriter
    cv2.VideoWriter_fourcc = lambda *letters: "".join(letters)
    cv2.imwrite = lambda path, frame: written.append(Path(path).name) is None
    return cv2


def detect(*arguments):
    return main(["detect", "--weights", "blazeface", "--device", "cpu", "--out", "out", *arguments])


def check_rows(path):
    rows = json.loads(Path(path).read_text())
    assert [row["frame"] for row in rows] == [0, 1, 2, 3]
    assert [row["seconds"] for row in rows] == [0.0, 0.1, 0.2, 0.3]
    faces = [row["objects"][0] for row in rows]
    assert all(face["class"] == "face" and face["score"] > 0.7 for face in faces)
    lefts = np.array([face["box_xyxy"][0] for face in faces])
    assert lefts[0] - lefts[3] == pytest.approx(30, abs=6)  # it moves, 10 px a frame


def test_a_video_is_annotated_frame_by_frame(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", cv2 := stub(astronaut()))
    Path("talk.mp4").write_bytes(b"x")
    assert detect("--video", "talk.mp4") == 0
    assert "4 frames, 4 objects, " in (said := capsys.readouterr().out)
    assert "frames a second -> out/talk_detections.mp4" in said
    assert cv2.video == ("talk_detections.mp4", "mp4v", 10.0, (320, 320))
    assert cv2.released and cv2.finished
    check_rows("out/talk_detections.json")
    for before, after in zip(astronaut(), cv2.written, strict=True):
        changed = (before != after).any(axis=-1).mean()
        assert 0.002 < changed < 0.1  # blue stays blue: only the box and its label are new


def test_pictures_of_frames_and_a_second_run_beside_the_first(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", cv2 := stub(astronaut()[:2]))
    Path("talk.mp4").write_bytes(b"x")
    assert detect("--video", "talk.mp4", "--frames", "png") == 0
    assert cv2.written == ["000000.png", "000001.png"]
    assert detect("--video", "talk.mp4", "--frames", "png") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "talk-2_detections.json", "talk-2_frames", "talk_detections.json", "talk_frames",
    ]  # fmt: skip


@pytest.mark.parametrize(("source", "status"), [("0", 0), ("talk.mp4", 130)])
def test_ctrl_c_writes_what_was_seen(monkeypatch, capsys, source, status):
    monkeypatch.setitem(sys.modules, "cv2", cv2 := stub(astronaut(), stop_at=2))
    Path("talk.mp4").write_bytes(b"x")
    assert detect("--video", source) == status
    name = "camera-0" if source == "0" else "talk"
    assert len(json.loads(Path(f"out/{name}_detections.json").read_text())) == 2
    assert cv2.finished and cv2.source == (0 if source == "0" else source)


def test_what_cannot_be_a_video_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", stub([]))
    Path("a.mp4").write_bytes(b"x")
    for source, message in (
        ("no.mp4", "expected a file or a camera's number, no.mp4 is neither"),
        ("a.mp4", "a.mp4: cannot be read as a video"),
        ("7", "7: there is no camera of that number"),
    ):
        assert detect("--video", source) == 2
        assert message in capsys.readouterr().err


def test_without_opencv_there_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert detect("--video", "a.mp4") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "pip install opencv-python-headless" in lines[0]


def test_opencv_itself_reads_and_writes_a_drawn_video():
    cv2 = pytest.importorskip("cv2", reason="the stub stands for OpenCV, which is no requirement")
    writer = cv2.VideoWriter("drawn.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 10, (320, 320))
    for frame in astronaut():
        writer.write(frame)
    writer.release()
    assert detect("--video", "drawn.mp4") == 0
    check_rows("out/drawn_detections.json")
    again = cv2.VideoCapture("out/drawn_detections.mp4")
    assert int(again.get(cv2.CAP_PROP_FRAME_COUNT)) == 4 and again.get(cv2.CAP_PROP_FPS) == 10
