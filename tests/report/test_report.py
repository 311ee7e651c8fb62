"""The page about a run: whole, honest, safe, and its numbers those of the metrics."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import jinja2
import numpy as np
import pytest
import torch
from PIL import Image

import detlearn.report
from detlearn.__main__ import main
from detlearn.data import data_path
from detlearn.metrics import (
    confusion_matrix,
    detection_errors,
    errors,
    errors_by_size,
    explain_errors,
)
from detlearn.report import read_run, write_report
from detlearn.report.measure import Picture, measure, measure_pose, worst_pictures
from detlearn.report.page import report_page
from detlearn.report.render import environment, render
from detlearn.report.run import Run
from detlearn.training import detect_all, evaluate
from detlearn.training.cli import open_dataset
from tests.metrics.cases import scenes

EPOCHS = [
    {"epoch": 1.0, "bbox_regression": 3.0, "classification": 5.0, "learning_rate": 0.01, "seconds": 60.0},
    {"epoch": 2.0, "bbox_regression": 2.0, "classification": 4.0, "learning_rate": 0.0, "seconds": 61.0,
     "mAP": 0.5, "mAP50": 0.75, "mAP75": 0.25, "mAP_large": math.nan, "AP/disc": 0.5},
]  # fmt: skip
RECORD = {
    "command": "python -m detlearn train ssd_tiny --out <b>run</b> --seed 1",
    "config": {"epochs": 2, "milestones": [], "decay_everything": False},
    "versions": {"torch": "2.0 & more"},
    "seconds": 121.0,
}
NAMES = ("background", "cat", "<script>alert('dog')</script>", "Käse & Brot")


class Page(HTMLParser):
    """What the tests want to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.size = len(text.encode())
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("a", "b", "code", "i", "small", "span", "strong"):
            self.words.append(" ")
        if tag not in ("meta", "img", "br", "path", "circle", "rect", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def check(text: str) -> Page:
    """What holds for every page, whatever the run."""
    page = Page(text)
    assert page.open == [], "every element is closed"
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "ids are unique"
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "data", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/")), attributes
        assert not any(name.startswith("on") for name in attributes)
        if "href" in attributes:
            assert attributes["href"][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
    assert not page.all("script") and not page.all("link") and "url(" not in text
    assert all(len(image["alt"]) > 15 for image in page.all("img"))
    assert all(
        image.get("aria-label") or image.get("aria-hidden") == "true" for image in page.all("svg")
    )
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1
    assert page.size <= 5_000_000
    return page


def write_run(folder: Path, history=EPOCHS, record=RECORD, weights="ssd_tiny") -> Path:
    folder.mkdir(exist_ok=True)
    if history is not None:
        text = history if isinstance(history, str) else json.dumps(history)
        (folder / "history.json").write_text(text, encoding="utf-8")
    if record is not None:
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    if weights:
        shutil.copy(data_path("weights") / f"{weights}.safetensors", folder / "model.safetensors")
    return folder


def row(*numbers: object, first: str) -> str:
    return " ".join([first, *map(str, numbers)])


def target(*rows: tuple, **more) -> dict:
    """Rows (x1, y1, x2, y2, label)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return {"boxes": table[:, :4], "labels": table[:, 4].long(), **more}


def detection(*rows: tuple) -> dict:
    """Rows (x1, y1, x2, y2, score, label)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    return {"boxes": table[:, :4], "scores": table[:, 4], "labels": table[:, 5].long()}


class Told:
    """A detector that answers what it was told, and the data set to it."""

    def __init__(self, scenes: list[tuple[dict, dict]], names=NAMES, size=(60, 90)) -> None:
        self.config = SimpleNamespace(num_classes=len(names))
        self.class_names, self.scenes, self.size = names, scenes, size

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, dict]:
        image = torch.zeros(3, *self.size, dtype=torch.uint8)
        image[0, 0, 0] = index
        return image, {"image_id": index, **self.scenes[index][1]}

    def detect(self, images, **_) -> list[dict]:
        return [dict(self.scenes[int(image[0, 0, 0])][0]) for image in images]


def page_of(told: Told, images: int = 12, **run) -> tuple[str, object]:
    findings = measure(told, told, score_threshold=0.5)
    given = {"history": [], "record": {}, "weights": None, "notes": []} | run
    pictures = worst_pictures(findings, told, images)
    page = report_page(Run(Path("runs/a"), **given), findings, pictures, source="here", made="now")
    return page, findings


# ---------------------------------------------------------------- a whole page
@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A page about the shipped detector on 40 images."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "whole")
    path = write_report(folder, limit=40, images=3, device="cpu")
    return path, path.read_text(encoding="utf-8")


def test_a_page_is_whole(whole):
    path, text = whole
    assert path == path.parent / "report.html"
    page = check(text)
    assert len(page.all("img")) == 3 and all(
        image["src"].startswith("data:image/png") for image in page.all("img")
    )
    assert "python -m detlearn train ssd_tiny --out <b>run</b> --seed 1" in page.text
    for words in (
        "2.0 & more",
        "decay everything no",
        "milestones none",
        "2 min 1 s",
        "finished yes",
    ):
        assert words in page.text
    assert "Measured on 40 of 300 images, evenly spread" in page.text
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".tmp"] == []


def test_its_numbers_are_those_of_the_metrics(whole):
    from detlearn import load_model

    dataset = open_dataset("shapes", "val")
    indices = [i * 300 // 40 for i in range(40)]
    part = torch.utils.data.Subset(dataset, indices)
    model = load_model(data_path("weights") / "ssd_tiny.safetensors")
    scores = evaluate(model, part, class_names=dataset.class_names)
    text = check(whole[1]).text
    for name in ("mAP", "mAP50", "mAP75", "mAP_small", "AR100"):
        assert f"{name} {scores[name]:.3f}" in text
    findings = measure(model, dataset, limit=40)
    assert findings.scores == pytest.approx(scores, nan_ok=True)
    for threshold, key in ((0.5, "mAP50"), (0.75, "mAP75")):
        assert float(findings.curves[threshold].nanmean()) == pytest.approx(scores[key], abs=1e-6)
    found, targets = detect_all(model, part)
    strong = [{k: v[d["scores"] >= findings.threshold] for k, v in d.items()} for d in found]
    counts = detection_errors(strong, targets)
    assert findings.counts == counts
    assert f"It finds {counts['correct']} of {counts['correct'] + counts['missed']} objects" in text
    assert f"missed objects without a correct detection {counts['missed']}" in text
    matrix = confusion_matrix(strong, targets, 9)
    disc = row(*(str(int(n)) if n else "·" for n in [*matrix[1, 1:], matrix[1, 0]]), first="disc")
    assert disc in text


def test_a_second_page_replaces_the_first(tmp_path):
    folder = write_run(tmp_path / "run", weights=None)
    out = tmp_path / "deep" / "page.html"
    write_report(folder, out=out)
    out.write_text("old")
    assert write_report(folder, out=str(out)) == out
    check(out.read_text(encoding="utf-8"))
    assert [file.name for file in out.parent.iterdir()] == ["page.html"]


# ---------------------------------------------------------------- what may be missing
@pytest.mark.parametrize(
    ("parts", "words"),
    [
        pytest.param({"weights": None}, "no weights yet", id="no weights"),
        pytest.param({"weights": None, "record": RECORD | {"finished": False, "started": "2026-01-02T03:04:05"}},
                     "not finished", id="unfinished"),
        pytest.param({"weights": None, "history": EPOCHS[:1]}, "1 of 2 epochs · 1 min 0 s", id="one epoch"),
        pytest.param({"weights": None, "history": [EPOCHS[0] | {"classification": math.nan}, EPOCHS[1]]},
                     "not a finite number in epoch 1: the curves have gaps there", id="NaN"),
        pytest.param({"weights": None, "history": [EPOCHS[0] | {"classification": math.inf}]},
                     "not a finite number in epoch 1", id="infinite"),
        pytest.param({"history": '[{"epoch": 1'}, "history.json cannot be read", id="half a history"),
        pytest.param({"history": '{"epoch": 1}'}, "history.json is no JSON list", id="another JSON"),
        pytest.param({"history": '[3, "x", {"loss": "much"}]', "weights": None}, "no weights", id="nonsense"),
        pytest.param({"history": None}, "history.json is missing: there are no curves", id="no history"),
        pytest.param({"record": None}, "Nothing says what the run was trained on", id="no record"),
        pytest.param({"record": RECORD | {"data": "nowhere"}}, "expected 'shapes' or a folder, got 'nowhere'",
                     id="data that moved"),
        pytest.param({"record": {"command": 3, "config": [], "versions": "x", "data": None}, "weights": None},
                     "model unknown", id="a strange record"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(tmp_path, parts, words):
    folder = write_run(tmp_path / "run", **parts)
    path = write_report(folder, limit=2, images=1, device="cpu")
    assert words in check(path.read_text(encoding="utf-8")).text


def test_damaged_weights_are_said_and_refused(tmp_path, capsys):
    folder = write_run(tmp_path / "run")
    (folder / "best.safetensors").write_bytes(b"half a file")
    path = write_report(folder, device="cpu")
    page = check(path.read_text(encoding="utf-8"))
    assert "Nothing is measured" in page.text and "best.safetensors" in page.text
    assert main(["report", str(folder), "--data", "shapes", "--device", "cpu"]) == 2
    assert "best.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["NOWHERE"], "there is none"),
        (["EMPTY"], "it holds none of best.safetensors, model.safetensors, history.json"),
        (["RUN", "--images", "-1"], "images: expected 0 to 100, got -1"),
        (["RUN", "--score-threshold", "50"], "score_threshold: expected 0 to 1, got 50.0"),
        (["RUN", "--limit", "0"], "limit: expected at least 1, got 0"),
        (["RUN", "--device", "abacus"], "'abacus' cannot be used"),
        (["RUN", "--out", "EMPTY"], "expected a file to write, it is a folder"),
        (["RUN", "--data", "EMPTY"], "none of the layouts known for 'val'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, capsys, arguments, message):
    write_run(tmp_path / "RUN")
    (tmp_path / "EMPTY").mkdir()
    names = ("NOWHERE", "EMPTY", "RUN")
    assert main(["report", *(str(tmp_path / a) if a in names else a for a in arguments)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("detlearn: ") and error.count("\n") == 1 and message in error
    assert not (tmp_path / "RUN" / "report.html").exists()


def test_a_read_only_folder_is_said_before_the_work(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ValueError, match="run: expected a folder to write into, it is read-only"):
        write_report(folder)


def test_a_file_in_the_way_is_one_sentence(tmp_path, capsys):
    folder = write_run(tmp_path / "run", weights=None)
    (tmp_path / "file").write_text("")
    assert main(["report", str(folder), "--out", str(tmp_path / "file" / "page.html")]) == 2
    assert capsys.readouterr().err.startswith("detlearn: ")


def test_the_command_says_where_and_how_large(tmp_path, capsys):
    folder = write_run(tmp_path / "run", weights=None)
    assert main(["report", str(folder), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}: 0.0 MB, open it in a browser\n"


@pytest.mark.parametrize(
    ("record", "data", "model"),
    [
        ({}, None, None),
        ({"command": "python -m detlearn train ssd_tiny --out a"}, "shapes", "ssd_tiny"),
        ({"command": "python -m detlearn train ssd_tiny --data 'my data' --out a"}, "my data", "ssd_tiny"),
        ({"command": "python -m detlearn train m2det_tiny --data=voc --out a"}, "voc", "m2det_tiny"),
        ({"command": r"python -m detlearn train ssd_tiny --data C:\voc --out a"}, r"C:\voc", "ssd_tiny"),
        ({"command": "python -m detlearn train ssd_tiny --data it's --out a"}, "it's", "ssd_tiny"),
        ({"command": "train x --data old", "data": "coco", "model": "m2det512_vgg16"}, "coco", "m2det512_vgg16"),
    ],
)  # fmt: skip
def test_what_a_record_says(tmp_path, record, data, model):
    run = read_run(write_run(tmp_path / "run", record=record, weights=None))
    assert (run.data, run.model) == (data, model)


def test_the_best_weights_go_first(tmp_path):
    folder = write_run(tmp_path / "run")
    assert read_run(folder).weights == folder / "model.safetensors"
    shutil.copy(folder / "model.safetensors", folder / "best.safetensors")
    assert read_run(folder).weights == folder / "best.safetensors"
    assert read_run(folder).finished
    assert not read_run(write_run(folder, record=RECORD | {"finished": False})).finished


# ---------------------------------------------------------------- detections told
CAT, DOG = (0, 0, 20, 20, 1), (40, 0, 80, 40, 2)


@pytest.mark.parametrize(
    ("scenes", "words"),
    [
        pytest.param([(detection(), target())], "There are no objects in these images", id="nothing at all"),
        pytest.param([(detection(), target(CAT, DOG))], "It finds none of 2 objects", id="no detections"),
        pytest.param([(detection((0, 0, 9, 9, 0.9, 1)), target())], "counts 1 detection all the same",
                     id="no objects"),
        pytest.param([(detection((0, 0, 20, 20, 0.9, 1)), target(CAT))], "no image with a mistake", id="perfect"),
    ],
)  # fmt: skip
def test_pages_of_little(scenes, words):
    page, _ = page_of(Told(scenes))
    assert words in check(page).text


def test_names_are_escaped_wherever_they_stand():
    scenes = [
        (
            detection((40, 0, 80, 40, 0.9, 3), (0, 0, 20, 20, 0.8, 2), (0, 0, 19, 20, 0.8, 1), (60, 50, 70, 60, 0.7, 2)),
            target(CAT, DOG, (0, 30, 20, 50, 3), name="<i>Bild</i> \"1\" & 'ä'"),
        )
    ]  # fmt: skip
    page, findings = page_of(Told(scenes))
    text = check(page).text
    assert "<script>alert('dog')</script>" in text and "Käse & Brot" in text
    assert "<i>Bild</i>" in text and "<i>Bild</i>" not in page and "<script" not in page
    assert "wrong class: Käse & Brot 0.90 is a <script>" in text


HOSTILE = "<script>alert('it')</script> & \"you\""  # as a name of anything
FOLDER = "R&D's" if os.name == "nt" else HOSTILE.replace("/", "")  # Windows forbids the rest


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        pytest.param({"record": {"model": HOSTILE}}, HOSTILE, id="model"),
        pytest.param({"record": {"data": f"data/{HOSTILE}"}}, f"data/{HOSTILE}", id="data"),
        pytest.param({"record": {"command": f"train {HOSTILE}"}}, f"train {HOSTILE}", id="command"),
        pytest.param({"record": {"started": HOSTILE}}, f"started {HOSTILE}", id="time"),
        pytest.param({"record": {"config": {HOSTILE: 1}}}, f"{HOSTILE} 1", id="setting's name"),
        pytest.param({"record": {"config": {"a": [HOSTILE]}}}, f"a {HOSTILE}", id="setting's value"),
        pytest.param({"record": {"versions": {HOSTILE: HOSTILE}}}, f"{HOSTILE} {HOSTILE}", id="version"),
        pytest.param({"history": [{HOSTILE: 2.0}]}, f"{HOSTILE} 2.00", id="part of the loss"),
        pytest.param({"folder": FOLDER}, f"from the run {FOLDER}", id="run folder"),
    ],
)  # fmt: skip
def test_whatever_a_run_is_called_it_is_text(tmp_path, place, shown):
    folder = tmp_path / place.get("folder", "run")
    record, history = place.get("record", {}), place.get("history", EPOCHS)
    write_run(folder, history=history, record=record, weights=None)
    text = write_report(folder).read_text(encoding="utf-8")
    assert "<script" not in text
    assert " ".join(shown.split()) in check(text).text
    named = [value for _, attributes in Page(text).tags for value in attributes.values() if value]
    assert not any("alert" in value and value.count("&quot;") for value in named)  # not twice


def test_notes_and_names_of_images_and_classes_are_text():
    told = Told(
        [(detection((0, 0, 20, 20, 0.9, 2)), target(CAT, name=HOSTILE))],
        ("background", "cat", HOSTILE),
    )
    page, _ = page_of(told, notes=[f"No {HOSTILE}."])
    text = check(page).text
    assert (
        "<script" not in page and f"1. {HOSTILE} 0 of 1 object" in text and f"No {HOSTILE}." in text
    )
    assert (
        f"wrong class: {HOSTILE} 0.90 is a cat" in text
        and f"cat taken for {HOSTILE}, 1 time" in text
    )
    alts = [image["alt"] for image in Page(page).all("img")]
    assert alts == [f"{HOSTILE}: 0 of 1 object found, 2 mistakes, listed below."]


def test_no_template_switches_the_escaping_off():
    templates = sorted((Path(detlearn.report.__file__).parent / "templates").glob("*.j2"))
    assert len(templates) > 5
    for template in templates:
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup", text), template.name
        assert not re.search(r"=\s*{{", text), f"{template.name}: a value without quotation marks"
    assert environment().autoescape is True
    with pytest.raises(jinja2.UndefinedError):
        render("notes.html.j2")


def test_mistakes_are_named_and_the_gravest_come_first():
    slight = (detection((0, 0, 20, 20, 0.9, 1), (60, 50, 70, 60, 0.6, 1)), target(CAT))
    fine = (detection((0, 0, 20, 20, 0.9, 1)), target(CAT))
    grave = (
        detection((40, 0, 80, 40, 0.95, 3), (0, 0, 20, 20, 0.9, 1), (0, 0, 20, 19, 0.8, 1), (40, 0, 80, 15, 0.7, 2)),
        target(CAT, DOG),
    )  # fmt: skip
    told = Told([slight, fine, grave])
    page, findings = page_of(told)
    pictures = worst_pictures(findings, told, 9)
    assert [picture.index for picture in pictures] == [2, 0]  # of the fine one there is none
    assert pictures[0].missed == [1] and isinstance(pictures[0], Picture)
    assert pictures[0].pixels.shape == (60, 90, 3)
    text = check(page).text
    for words in (
        "1. image 2 1 of 2 objects found, 4 mistakes", "wrong class: Käse & Brot 0.95 is a",
        "duplicate: cat 0.80, IoU 0.95 with a cat found already", ", only IoU 0.38 with a <script>",
        "missed: <script>alert('dog')</script>, 40 × 40 px", "on background: cat 0.60",
    ):  # fmt: skip
        assert words in text, words
    assert len(worst_pictures(findings, told, 1)) == 1
    assert page_of(told, images=0)[0].count("<img") == 0


def test_each_image_is_explained_in_one_pass(monkeypatch):
    found, truth = scenes(seed=3, images=9)
    told, calls = Told(list(zip(found, truth, strict=True)), names=("background", *"abc")), []
    overlaps = errors.box_iou
    monkeypatch.setattr(errors, "box_iou", lambda *boxes: calls.append(1) or overlaps(*boxes))
    findings = measure(told, told, score_threshold=0.0)
    assert worst_pictures(findings, told, 4)
    assert len(calls) == len(told)
    assert findings.counts == detection_errors(found, truth)
    assert findings.sizes == errors_by_size(found, truth)
    assert findings.confusion.equal(confusion_matrix(found, truth, 4))
    assert findings.errors == [explain_errors(*image) for image in zip(found, truth, strict=True)]


def test_crowds_and_difficult_objects_are_no_mistakes():
    crowd = target(CAT, (30, 0, 90, 60, 2), iscrowd=torch.tensor([0, 1]))
    hard = target(CAT, (30, 0, 90, 60, 2), difficult=torch.tensor([False, True]))
    found = detection((0, 0, 20, 20, 0.9, 1), (40, 10, 60, 30, 0.95, 2))
    told = Told([(found, crowd), (detection((0, 0, 20, 20, 0.9, 1)), hard)])
    page, findings = page_of(told)
    assert {k: n for k, n in findings.counts.items() if n} == {"correct": 2}
    assert "VOC mAP, 11-point" in check(page).text
    assert findings.scores["mAP_voc12"] == pytest.approx(1.0)


def test_eighty_classes_stay_readable():
    names = ("background", *(f"class {k}" for k in range(1, 81)))
    scenes = []
    for k in range(1, 81):
        truth = target((0, 0, 20, 20, k))
        said = k % 80 + 1 if 30 <= k < 45 else k
        scenes.append((detection((0, 0, 20, 20, 0.9, said)), truth))
    page, _ = page_of(Told(scenes, names), images=4)
    seen = check(page)
    assert "the 20 of 80 classes that are confused most" in seen.text
    heads = page.split('<table class="confusion dense">')[1].split("</table>")[0]
    assert heads.count('class="top"') == 21  # and "missed"
    assert ">class 38</th>" in heads and ">class 70</th>" not in heads
    assert seen.text.count("The other 68 classes") == 2  # of the table, of the curves


@pytest.mark.parametrize(
    ("size", "kind"), [((256, 200), "png"), ((300, 400), "jpeg"), ((2, 900), "jpeg")]
)
def test_pictures_are_small(size, kind):
    told = Told([(detection(), target((0, 0, 2, 2, 1)))], size=size)
    text, _ = page_of(told)
    page = check(text)
    (image,) = page.all("img")
    assert image["src"].startswith(f"data:image/{kind};base64,")
    assert (image["width"], image["height"]) == (str(size[1]), str(size[0]))


def test_a_hundred_noisy_pictures_fit():
    class Noise(Told):
        def __getitem__(self, index):
            image, truth = super().__getitem__(index)
            noise = torch.from_numpy(
                np.random.default_rng(index).integers(0, 256, image.shape, np.uint8)
            )
            noise[0, 0, 0] = index
            return noise, truth

    told = Noise([(detection(), target((0, 0, 9, 9, 1)))] * 100, size=(480, 640))
    text, _ = page_of(told, images=100)
    assert len(check(text).all("img")) == 100


def test_classes_must_agree():
    told = Told([(detection(), target())])
    told.config.num_classes = 3
    with pytest.raises(ValueError, match="the model has 3 classes .*, the data set 4: background"):
        measure(told, told)
    with pytest.raises(ValueError, match="at least one image to measure on, got none"):
        measure(Told([]), Told([]))


def test_names_decide_in_a_report_and_its_data_pass_the_border(tmp_path, capsys):
    names = ("background", "red", "green")
    model = detlearn.create_model("ssd_tiny", num_classes=3)
    model.class_names = names
    detlearn.save_model(model, tmp_path / "run" / "best.safetensors")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "images" / "a.png")
    rows = ["image,x1,y1,x2,y2,label", "a.png,4,4,30,30,red", "a.png,40,20,80,30,green"]
    (tmp_path / "val.csv").write_text("\n".join(rows))
    arguments = ["report", str(tmp_path / "run"), "--data", str(tmp_path), "--quiet"]
    assert main(arguments) == 0
    text = check((tmp_path / "run" / "report.html").read_text(encoding="utf-8")).text
    assert "val numbers the classes otherwise than the weights: names decide" in text
    assert "val: 1 of 2 boxes reach out of the picture, and are cut: a.png" in text
    capsys.readouterr()
    (tmp_path / "val.csv").write_text("\n".join([*rows, "a.png,4,4,9,9,blue"]))
    assert main(arguments) == 2
    assert "val has blue (1 boxes), which the weights do not know" in capsys.readouterr().err


def test_weights_that_score_otherwise_are_said(whole, tmp_path):
    told = Told([(detection((0, 0, 20, 20, 0.9, 1)), target(CAT))])
    words = "The training noted mAP 0.500 for these weights; measured here it is 1.000"
    run = {"history": EPOCHS, "record": {"data": "here"}, "weights": tmp_path / "model.safetensors"}
    run["weights"].write_bytes(b"")
    assert words in check(page_of(told, **run)[0]).text
    assert words not in check(page_of(told, **run | {"record": {"data": "there"}})[0]).text


def test_the_training_in_words():
    told = Told([(detection((0, 0, 20, 20, 0.9, 1)), target(CAT))])
    rows = [
        {"epoch": float(i), "loss": 1.0, "mAP": score} for i, score in enumerate((0.1, 0.4, 0.3), 1)
    ]
    text = check(page_of(told, history=rows)[0]).text
    assert "The best mAP was 0.400, in epoch 2; in epoch 3, the last, it is 0.300." in text
    text = check(page_of(told, history=rows[:2])[0]).text
    assert "mAP rose from 0.100 (epoch 1) to 0.400 (epoch 2), by 0.300 since the one before" in text


# ---------------------------------------------------------------- poses
def test_a_pose_run(tmp_path):
    rows = [
        {
            "epoch": 1.0,
            "heatmap": 0.5,
            "learning_rate": 0.1,
            "seconds": 9.0,
            "AP": 0.5,
            "AP50": 0.6,
            "AP75": 0.4,
        }
    ]
    record = {"command": "python -m detlearn train pose_hrnet_tiny --out run"}
    folder = write_run(tmp_path / "run", rows, record, "pose_hrnet_tiny")
    path = write_report(folder, limit=6, device="cpu")
    page = check(path.read_text(encoding="utf-8"))
    assert "The hardest joint is the" in page.text and "left shoulder" in page.text
    assert "What goes wrong" not in page.text


class ToldPoses:
    """A pose network that is right but for one joint of one person."""

    class_names = ("background", "person")

    def __init__(self) -> None:
        self.truth = torch.rand(2, 17, 3, generator=torch.Generator().manual_seed(0)) * 50
        self.truth[..., 2] = 2
        self.truth[1, 4, 2] = 0

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index):
        boxes = torch.tensor([[0.0, 0, 50, 50], [0, 0, 50, 50]])
        return torch.zeros(3, 60, 60, dtype=torch.uint8), {
            "image_id": 3, "boxes": boxes, "keypoints": self.truth, "labels": torch.tensor([1, 1]),
        }  # fmt: skip

    def estimate(self, images, boxes, flip=True):
        points = self.truth.clone()
        points[0, 2, 0] += 5.5  # of a box of 50: farther than 0.1 of it
        return [{"keypoints": points, "scores": torch.tensor([0.9, 0.8])}]


def test_joints_by_hand():
    told = ToldPoses()
    findings = measure_pose(told, told)
    assert findings.labelled.tolist() == [2, 2, 2, 2, 1, *[2] * 12]
    expected = [1.0] * 17
    expected[2] = 0.5
    assert findings.pck.tolist() == pytest.approx(expected)
    alone = math.exp(-(5.5**2) / (2 * 2500 * (2 * 0.025) ** 2))  # of joint 2: sigma 0.025, area 50²
    expected[2] = (1 + alone) / 2
    assert findings.oks.tolist() == pytest.approx(expected, abs=1e-5)
    assert findings.scores["AP50"] == pytest.approx(1.0)


def test_the_threshold_is_said():
    told = Told([(detection((0, 0, 20, 20, 0.9, 1), (40, 0, 60, 20, 0.3, 1)), target(CAT))])
    page, findings = page_of(told)
    assert "with a score of 0.50 or more. A detection" in check(page).text
    findings = measure(told, told)
    assert findings.threshold == pytest.approx(0.9) and findings.counts["on background"] == 0
    assert measure(told, told, score_threshold=0.3).counts["on background"] == 1
    page = report_page(Run(Path("a"), [], {}, None, []), findings, [], source=None, made="now")
    assert "score of 0.90 or more: there misses and false alarms balance best" in check(page).text
