"""Downloads against a host of our own, which fails in every way that hosts do."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import shutil
import stat
import tarfile
import threading
import zipfile
from urllib.parse import urlsplit

import pytest
from PIL import Image

from detlearn.__main__ import main
from detlearn.data import receive
from detlearn.data.download import DATASETS, Archive, Downloads, download_dataset, unpack

XML = """<annotation><filename>{name}.jpg</filename><object><name>dog</name><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox></object></annotation>"""


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10)).save(buffer, "JPEG")
    return buffer.getvalue()


def voc_files(year: str, sets: dict[str, list[str]]) -> dict[str, bytes]:
    """Files of a VOC archive by name."""
    base = f"VOCdevkit/VOC{year}"
    files = {f"{base}/ImageSets/Main/{name}.txt": "".join(f"{i}\n" for i in ids).encode()
             for name, ids in sets.items()}  # fmt: skip
    for name in {name for ids in sets.values() for name in ids}:
        files[f"{base}/JPEGImages/{name}.jpg"] = picture()
        files[f"{base}/Annotations/{name}.xml"] = XML.format(name=name).encode()
    return files


def coco_json(split: str) -> bytes:
    return json.dumps({
        "images": [{"id": 9, "file_name": f"{split}9.jpg", "width": 20, "height": 10}],
        "annotations": [{"id": 1, "image_id": 9, "category_id": 1, "bbox": [1, 1, 5, 5],
                         "area": 25, "iscrowd": 0, "keypoints": [0, 0, 0] * 17}],
        "categories": [{"id": 1, "name": "person"}],
    }).encode()  # fmt: skip


def make_tar(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info in extra:
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def make_zip(files: dict[str, bytes], *extra: zipfile.ZipInfo) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for info in extra:
            opened.writestr(info, b"x")
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


class Host(http.server.ThreadingHTTPServer):
    """Sends ``files`` by path; ``mood`` says how the next answers go wrong."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.mood: list[str | int] = []
        self.asked: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        mood = self.server.mood.pop(0) if self.server.mood else "well"
        content = self.server.files.get(self.path[1:])
        if mood == "silent":
            return
        if isinstance(mood, int) or content is None:
            self.send_error(mood if isinstance(mood, int) else 404)
            return
        start = int(asked[6:-1]) if asked and mood != "no ranges" else 0
        body = content[start:]
        if mood == "other bytes":
            start -= 1
        self.send_response(206 if asked and mood != "no ranges" else 200)
        if asked and mood != "no ranges":
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if mood != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mood == "changed":
            body = b"?" * len(body)
        self.wfile.write(body[: len(body) // 2] if mood in ("cut", "asleep") else body)
        if mood == "asleep":
            self.connection.recv(1)  # until the client has lost its patience and hangs up
        if mood == "endless":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setattr(receive, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")
    server = Host()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def offer(
    host: Host, name: str, content: bytes, *holds: tuple[str, int], mirror: str | None = None
):
    """Put an archive on the host, and describe it."""
    host.files[name] = content
    urls = (host.url(name),) if mirror is None else (mirror, host.url(name))
    return Archive(urls, len(content), hashlib.md5(content).hexdigest(), 2 * len(content),
                   "for tests only", holds)  # fmt: skip


@pytest.fixture
def voc(host, monkeypatch):
    """The host offers a VOC 2007 of three images."""
    main = "VOCdevkit/VOC2007/ImageSets/Main"
    trainval = make_tar(voc_files("2007", {"trainval": ["1", "2"], "train": ["1"], "val": ["2"]}))
    test = make_tar(voc_files("2007", {"test": ["3"]}))
    monkeypatch.setitem(DATASETS, "voc2007", Downloads("datasets/voc", (
        offer(host, "trainval.tar", trainval, (f"{main}/trainval.txt", 2)),
        offer(host, "test.tar", test, (f"{main}/test.txt", 1)),
    )))  # fmt: skip
    return host


def left(root) -> list[str]:
    return sorted(path.name for path in root.iterdir())


# ---------------------------------------------------------------- well
def test_voc_2007_and_again(voc, tmp_path, capsys, monkeypatch):
    from detlearn.training.cli import open_dataset

    monkeypatch.chdir(tmp_path)
    assert main(["data", "voc2007", "--yes"]) == 0
    root = tmp_path / "datasets" / "voc"
    said = capsys.readouterr().out
    size = DATASETS["voc2007"].archives[0].size
    assert f"trainval.tar: {size:,} bytes, to download\n  for tests only\n" in said
    assert "of" in said and "free" in said and "train on it: python -m detlearn train MODEL" in said
    assert left(root) == ["VOCdevkit"]
    dataset = open_dataset(str(root), "train")
    assert sorted(dataset[i][1]["name"] for i in range(len(dataset))) == ["1", "2"]

    asked = len(voc.asked)
    assert main(["data", "voc2007"]) == 0  # nothing to ask for: it asks nobody
    said = capsys.readouterr().out
    assert "already there: trainval.tar" in said and "already there: test.tar" in said
    assert len(voc.asked) == asked


def test_coco_2017(host, tmp_path, monkeypatch):
    from detlearn.training.cli import open_dataset

    splits = ("train", "val")
    labels = {f"annotations/{kind}_{split}2017.json": coco_json(split)
              for kind in ("instances", "person_keypoints") for split in splits}  # fmt: skip
    monkeypatch.setitem(DATASETS, "coco2017", Downloads("datasets/coco", (
        *(offer(host, f"{s}2017.zip", make_zip({f"{s}2017/{s}9.jpg": picture()}), (f"{s}2017", 1))
          for s in splits),
        offer(host, "annotations.zip", make_zip(labels), *((name, 1) for name in labels)),
    )))  # fmt: skip
    assert main(["data", "coco2017", "--yes", "--root", str(tmp_path), "--keep-archives"]) == 0
    assert left(tmp_path) == ["annotations", "annotations.zip", "train2017", "train2017.zip",
                              "val2017", "val2017.zip"]  # fmt: skip
    for split in splits:
        for keypoints in (False, True):
            image, target = open_dataset(str(tmp_path), split, keypoints=keypoints)[0]
            assert tuple(image.shape) == (3, 10, 20) and target["image_id"] == 9
    (tmp_path / "val2017" / "val9.jpg").unlink()
    asked = len(host.asked)
    assert main(["data", "coco2017", "--yes", "--root", str(tmp_path)]) == 0  # from what was kept
    assert (tmp_path / "val2017" / "val9.jpg").is_file() and len(host.asked) == asked


def test_the_real_archives_are_described():
    names = [archive.name for downloads in DATASETS.values() for archive in downloads.archives]
    assert names == [
        "VOCtrainval_06-Nov-2007.tar", "VOCtest_06-Nov-2007.tar", "VOCtrainval_11-May-2012.tar",
        "val2017.zip", "train2017.zip", "annotations_trainval2017.zip",
    ]  # fmt: skip
    for downloads in DATASETS.values():
        for archive in downloads.archives:
            assert all(url.endswith(f"/{archive.name}") for url in archive.urls)
            assert len(archive.md5) == 32 and archive.size <= archive.unpacked * 1.1


def test_voc_sums_are_torchvisions():
    from torchvision.datasets.voc import DATASET_YEAR_DICT as theirs

    ours = {archive.name: archive for name in ("voc2007", "voc2012")
            for archive in DATASETS[name].archives}  # fmt: skip
    for key in ("2007", "2007-test", "2012"):
        archive = ours[theirs[key]["filename"]]
        assert archive.md5 == theirs[key]["md5"]
        # Their hosts move from release to release (host., then thor.robots.ox.ac.uk).
        first, known = urlsplit(archive.urls[0]), urlsplit(theirs[key]["url"])
        assert first.path == known.path
        assert all(url.hostname.endswith(".robots.ox.ac.uk") for url in (first, known))


# ---------------------------------------------------------------- questions
@pytest.mark.parametrize(("answer", "there"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_asking(voc, tmp_path, monkeypatch, capsys, answer, there):
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["data", "voc2007", "--root", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "VOCdevkit").is_dir() == there
    assert ("nothing was downloaded" in capsys.readouterr().out) != there


def test_nobody_to_ask(voc, tmp_path, monkeypatch, capsys):
    for stdin in (io.StringIO("y\n"), None):
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["data", "voc2007", "--root", str(tmp_path)]) == 2
        assert "nobody is there to ask; --yes downloads" in capsys.readouterr().err
    assert voc.asked == [] and left(tmp_path) == []


def test_end_of_input_is_no(voc, tmp_path, monkeypatch):
    terminal = io.StringIO("")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["data", "voc2007", "--root", str(tmp_path)]) == 0 and voc.asked == []


def test_too_little_room(voc, tmp_path, monkeypatch):
    need = sum(archive.size + archive.unpacked for archive in DATASETS["voc2007"].archives)
    room = shutil.disk_usage(tmp_path)
    for free, enough in ((need - 1, False), (need, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: room._replace(free=free))
        if enough:
            download_dataset("voc2007", tmp_path / "a" / "b")
        else:
            with pytest.raises(OSError, match=r"are needed .*are free; --root takes a folder"):
                download_dataset("voc2007", tmp_path / "a" / "b")
            assert voc.asked == [] and left(tmp_path) == []


def test_arguments(tmp_path):
    with pytest.raises(ValueError, match="expected one of voc2007, voc2012, coco2017, got 'voc'"):
        download_dataset("voc", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--root: expected a folder"):
        download_dataset("voc2007", tmp_path / "file")


# ---------------------------------------------------------------- hosts
def sent(host) -> list[str | None]:
    return [asked for path, asked in host.asked if path == "/trainval.tar"]


def test_a_cut_connection_is_resumed(voc, tmp_path):
    half = DATASETS["voc2007"].archives[0].size // 2
    voc.mood = ["cut"]
    assert download_dataset("voc2007", tmp_path) == tmp_path
    assert sent(voc) == [None, f"bytes={half}-"]


def test_the_next_run_resumes(voc, tmp_path, capsys):
    size = DATASETS["voc2007"].archives[0].size
    voc.mood = ["cut", 503, 503]
    assert main(["data", "voc2007", "--yes", "--root", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"trainval.tar.part keeps the first {size // 2:,} bytes" in said
    assert left(tmp_path) == ["trainval.tar.part"]
    assert main(["data", "voc2007", "--yes", "--root", str(tmp_path)]) == 0
    assert f"{size - size // 2:,} bytes of them to come" in capsys.readouterr().out
    assert sent(voc) == [None] + [f"bytes={size // 2}-"] * 3
    assert left(tmp_path) == ["VOCdevkit"]


@pytest.mark.parametrize("mood", ["no ranges", "other bytes", 416, "changed"])
def test_what_cannot_be_resumed_starts_again(voc, tmp_path, mood):
    voc.mood = ["cut", mood]
    if mood == 416:
        with pytest.raises(OSError, match="HTTP 416"):
            download_dataset("voc2007", tmp_path)
    assert download_dataset("voc2007", tmp_path) == tmp_path
    assert left(tmp_path) == ["VOCdevkit"]


@pytest.mark.parametrize("length", [-1, 0, 5], ids=["whole", "same length, other bytes", "longer"])
def test_parts_that_lie_there(voc, tmp_path, length):
    archive = DATASETS["voc2007"].archives[0]
    content = voc.files[archive.name]
    part = tmp_path / f"{archive.name}.part"
    part.write_bytes(content if length < 0 else b"?" * (len(content) + length))
    assert download_dataset("voc2007", tmp_path) == tmp_path
    assert sent(voc) == ([] if length < 0 else [None])


@pytest.mark.parametrize(
    ("mood", "message", "kept"),
    [
        (["silent"] * 3, "no answer", []),
        (["asleep", "silent", "asleep"], "the connection broke .*timed out", ["trainval.tar.part"]),
        ([404], "HTTP 404 Not Found", []),
        ([500, 503, 503], "HTTP 503 Service Unavailable", []),
        (["changed"], "what came has MD5 [0-9a-f]{32}, not", []),
        (["cut", "changed", "changed"], "what came has MD5", []),
        (["endless"], "the host sends more", ["trainval.tar.part"]),
        (["cut", "cut", "cut"], "the connection was cut after", ["trainval.tar.part"]),
    ],
)  # fmt: skip
def test_failing_hosts(voc, tmp_path, monkeypatch, mood, message, kept):
    voc.mood = mood
    monkeypatch.setattr(receive, "TIMEOUT", 1.5 if "asleep" in mood else receive.TIMEOUT)
    with pytest.raises(OSError, match=message) as caught:
        download_dataset("voc2007", tmp_path)
    said = str(caught.value)
    archive = DATASETS["voc2007"].archives[0]
    assert archive.urls[0] in said and archive.md5 in said and f"{archive.size:,} bytes" in said
    assert f"save it as {tmp_path / 'trainval.tar'}" in said
    assert f'python -m detlearn data voc2007 --root "{tmp_path}"' in said
    assert left(tmp_path) == kept


def test_another_file_is_refused_before_it_is_downloaded(voc, tmp_path):
    voc.files["trainval.tar"] = b"<html>please log in</html>"
    with pytest.raises(OSError, match=r"expected [\d,]+ bytes, the host has 26"):
        download_dataset("voc2007", tmp_path)
    assert left(tmp_path) == [] and len(voc.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/file.tar", "http://no.such.host.invalid/file.tar"],
    ids=["refused", "no such host"],
)  # fmt: skip
def test_dead_hosts_and_the_mirror(host, tmp_path, monkeypatch, url):
    content = make_tar(voc_files("2012", {"trainval": ["1"]}))
    holds = ("VOCdevkit/VOC2012/ImageSets/Main/trainval.txt", 1)
    archive = offer(host, "file.tar", content, holds, mirror=url)
    monkeypatch.setitem(DATASETS, "voc2012", Downloads("d", (archive,)))
    assert download_dataset("voc2012", tmp_path) == tmp_path
    alone = Archive(archive.urls[:1], 1, "", 1, "", archive.holds)
    monkeypatch.setitem(DATASETS, "voc2012", Downloads("d", (alone,)))
    with pytest.raises(OSError, match=r"file\.tar could not be downloaded:\n  http://.*: .*\nRun"):
        download_dataset("voc2012", tmp_path / "other")


def test_a_full_disk(voc, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(receive, "_store", full)
    with pytest.raises(OSError, match=r"trainval\.tar\.part: cannot be written \(No space left"):
        download_dataset("voc2007", tmp_path)


def test_control_c(voc, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(receive, "_store", stop)
    with pytest.raises(SystemExit) as caught:
        main(["data", "voc2007", "--yes", "--root", str(tmp_path)])
    assert caught.value.code == 130
    assert "the same command continues where it was" in capsys.readouterr().err


# ---------------------------------------------------------------- by hand, and by halves
def test_an_archive_put_there_by_hand(voc, tmp_path, capsys):
    for name in ("trainval.tar", "test.tar"):
        (tmp_path / name).write_bytes(voc.files[name])
    assert main(["data", "voc2007", "--yes", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "lies there already" in said and "test.tar: lay there before and stays" in said
    assert voc.asked == [] and left(tmp_path) == ["VOCdevkit", "test.tar", "trainval.tar"]


def test_a_wrong_archive_put_there_by_hand(voc, tmp_path):
    (tmp_path / "trainval.tar").write_bytes(voc.files["trainval.tar"][:-1])
    with pytest.raises(ValueError, match=r"trainval\.tar: expected MD5 .*, got .*Remove it"):
        download_dataset("voc2007", tmp_path)
    assert left(tmp_path) == ["trainval.tar"] and voc.asked == []


def test_an_interrupted_unpacking_is_no_data_set(voc, tmp_path, monkeypatch):
    taken = []

    def pull_the_plug(source, target):
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(target)
        rename(source, target)

    rename = os.replace
    (tmp_path / "VOCdevkit" / "VOC2007" / "JPEGImages").mkdir(parents=True)  # file by file then
    (tmp_path / "VOCdevkit" / "VOC2007" / "ImageSets").mkdir()
    (tmp_path / "VOCdevkit" / "VOC2007" / "Annotations").mkdir()
    monkeypatch.setattr(os, "replace", pull_the_plug)
    with pytest.raises(KeyboardInterrupt):
        download_dataset("voc2007", tmp_path)
    monkeypatch.undo()
    assert len(taken) == 3
    assert list((tmp_path / "VOCdevkit" / "VOC2007" / "ImageSets").iterdir()) == []
    assert left(tmp_path) == ["VOCdevkit", "trainval.tar"]


def test_what_a_killed_run_left_is_cleared(voc, tmp_path):
    leftover = tmp_path / ".trainval.tar.unpacking" / "VOCdevkit" / "VOC2007" / "JPEGImages"
    leftover.mkdir(parents=True)
    (leftover / "half.jpg").write_bytes(b"")
    assert download_dataset("voc2007", tmp_path) == tmp_path
    assert left(tmp_path) == ["VOCdevkit"]
    assert not (tmp_path / "VOCdevkit" / "VOC2007" / "JPEGImages" / "half.jpg").exists()


@pytest.mark.parametrize("lost", ["JPEGImages/2.jpg", "Annotations/1.xml", "ImageSets/Main/trainval.txt"])  # fmt: skip
def test_a_folder_that_lacks_something_is_completed(voc, tmp_path, lost):
    download_dataset("voc2007", tmp_path)
    (tmp_path / "VOCdevkit" / "VOC2007" / lost).unlink()
    voc.asked.clear()
    download_dataset("voc2007", tmp_path)
    assert (tmp_path / "VOCdevkit" / "VOC2007" / lost).is_file()
    assert [path for path, _ in voc.asked] == ["/trainval.tar"]  # the test images are whole


def test_an_archive_that_lacks_something(host, tmp_path, monkeypatch):
    archive = offer(host, "a.zip", make_zip({"val2017/1.jpg": b"x"}), ("val2017", 2))
    monkeypatch.setitem(DATASETS, "coco2017", Downloads("d", (archive,)))
    with pytest.raises(
        ValueError, match=r"a\.zip: unpacked, but not all is there of val2017 \(2\)"
    ):
        download_dataset("coco2017", tmp_path)
    assert left(tmp_path) == ["a.zip"]


# ---------------------------------------------------------------- hostile archives
def info(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


UPWARDS = ["../evil", "a/../../evil", "/tmp/evil", "a/.. /../evil", "C:/evil", "C:evil", "a\\..\\evil",
           "\\\\host\\share\\evil"]  # fmt: skip


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", UPWARDS)
def test_nothing_is_written_outside_of_the_folder(tmp_path, kind, name):
    folder = tmp_path / "a" / "in"
    folder.mkdir(parents=True)
    make = make_tar if kind == "tar" else make_zip
    (tmp_path / f"x.{kind}").write_bytes(make({"good": b"1", name: b"2"}))
    if kind == "tar" and name in ("../evil", "a/../../evil"):
        with pytest.raises(ValueError, match=rf"x\.tar: '{name}' may lead out of the folder"):
            unpack(tmp_path / "x.tar", folder)
    elif kind == "tar" and " " in name:  # Python 3.11 trips over it, later ones do not
        with contextlib.suppress(ValueError):
            unpack(tmp_path / "x.tar", folder)
    else:  # without a drive, a host, or steps upwards the name is one like any other
        unpack(tmp_path / f"x.{kind}", folder)
        inside = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        assert sorted(inside) == [b"1", b"2"]
    assert left(tmp_path) == ["a", f"x.{kind}"] and left(tmp_path / "a") == ["in"]
    assert not os.path.lexists("/tmp/evil")


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (info("link", tarfile.SYMTYPE, "/etc"), "may lead out of the folder"),
        (info("link", tarfile.SYMTYPE, "../../x"), "may lead out of the folder"),
        (info("link", tarfile.LNKTYPE, "../../x"), "may lead out of the folder"),
        (info("pipe", tarfile.FIFOTYPE), "is neither a file nor a folder"),
        (info("disk", tarfile.BLKTYPE), "is neither a file nor a folder"),
        (info("tty", tarfile.CHRTYPE), "is neither a file nor a folder"),
    ],
    ids=lambda value: f"{value.name} {value.linkname}" if hasattr(value, "linkname") else "",
)
def test_members_that_are_no_files_in_a_tar(tmp_path, member, reason):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "x.tar").write_bytes(make_tar({"good": b"1"}, member))
    with pytest.raises(ValueError, match=rf"x\.tar: '{member.name}' {reason}"):
        unpack(tmp_path / "x.tar", folder)
    assert left(folder) == []


def test_a_link_in_a_zip_is_a_file(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    (tmp_path / "x.zip").write_bytes(make_zip({"good": b"1"}, link))
    unpack(tmp_path / "x.zip", tmp_path)
    assert (tmp_path / "link").is_file() and not (tmp_path / "link").is_symlink()


def test_of_a_hostile_archive_nothing_stays(host, tmp_path, monkeypatch):
    archive = offer(
        host, "a.tar", make_tar({"val2017/1.jpg": b"1", "../evil": b"2"}), ("val2017", 1)
    )
    monkeypatch.setitem(DATASETS, "coco2017", Downloads("d", (archive,)))
    with pytest.raises(ValueError, match="may lead out of the folder"):
        download_dataset("coco2017", tmp_path / "root")
    assert left(tmp_path) == ["root"] and left(tmp_path / "root") == ["a.tar"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    "content", [b"", b"not an archive" * 100, None], ids=["empty", "text", "cut"]
)
def test_broken_archives(tmp_path, kind, content):
    if content is None:
        content = (make_tar if kind == "tar" else make_zip)({"a": b"1" * 3000})[:2000]
    (tmp_path / f"x.{kind}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.{kind}: cannot be unpacked"):
        unpack(tmp_path / f"x.{kind}", tmp_path)


def test_more_clashes(tmp_path, monkeypatch):
    (tmp_path / "x.tar").write_bytes(make_tar({"a": b"1", "a/b": b"2"}))
    with pytest.raises(ValueError, match=r"x\.tar: cannot be unpacked"):
        unpack(tmp_path / "x.tar", tmp_path)
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room._replace(free=10))
    (tmp_path / "bomb.zip").write_bytes(make_zip({"zeros": bytes(10_000)}))
    with pytest.raises(OSError, match="holds 10,000 bytes, 10 bytes are free"):
        unpack(tmp_path / "bomb.zip", tmp_path)
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(ValueError, match=r"takes Python 3\.11\.4 or newer"):
        unpack(tmp_path / "x.tar", tmp_path)


def test_dots_and_non_ascii_names_are_fine(tmp_path):
    (tmp_path / "x.tar").write_bytes(make_tar({"./a b/größe….txt": b"1"}))
    (tmp_path / "y.zip").write_bytes(make_zip({"a b/größe….txt": b"2", "folder/": b""}))
    for name in ("x.tar", "y.zip"):
        unpack(tmp_path / name, tmp_path)
    assert (tmp_path / "a b" / "größe….txt").read_text() == "2" and (tmp_path / "folder").is_dir()
