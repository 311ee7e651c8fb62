"""What goes wrong, and the worst images: two sections of the page of `detlearn.show.report`."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from html import escape

import numpy as np

from detlearn.boxes import box_iou
from detlearn.metrics import COCO_AREAS
from detlearn.show.report import Findings, Picture
from detlearn.show.report_html import count, html_table, number_text, percent, scroll, with_article

__all__ = ["KIND_TEXTS", "class_ap", "errors_section", "frequent_confusions", "pictures_section"]

PICTURE_BYTES = 3_600_000  # of all pictures together; base64 makes 4.8 MB of them
MOST_CLASSES = 20  # in the confusion matrix
MOST_BESIDE = 10  # classes of a matrix that leaves room for a table beside it
MOST_ROWS = 12  # classes that stand open
MOST_HEIGHT = 420  # of a picture on the page, px
MOST_LINES = 8  # mistakes listed below a picture

KIND_TEXTS = {
    "missed": "objects without a correct detection",
    "badly placed": "overlaps an object, but too little (IoU below 0.5)",
    "wrong class": "lies well on an object, and names it wrongly",
    "duplicate": "a second box on an object that is found already",
    "on background": "there is no object below it",
}


def class_ap(findings: Findings) -> dict[int, float]:
    """AP of each class, by label; NaN for a class without objects."""
    values = [value for key, value in findings.scores.items() if key.startswith("AP/")]
    return dict(enumerate(values, start=1))


def frequent_confusions(findings: Findings) -> list[tuple[int, int, int]]:
    """(how often, truth, found) of every pair of classes that occurs, most frequent first."""
    matrix = findings.confusion.clone()
    matrix.fill_diagonal_(0)
    matrix[0], matrix[:, 0] = 0, 0
    found = [(int(matrix[t, f]), int(t), int(f)) for t, f in matrix.nonzero()]
    return sorted(found, key=lambda entry: (-entry[0], entry[1:]))


# ---------------------------------------------------------------- what goes wrong
def errors_section(findings: Findings) -> str:
    """Mistakes by kind, by size, by pairs of classes, and class by class."""
    chosen = ": there misses and false alarms balance best (F1) on these images"
    chosen *= findings.chosen
    few = len(findings.class_names) <= MOST_BESIDE
    return (
        f'<p class="how">Counted are detections with a score of {findings.threshold:.2f} or '
        f"more{chosen}. A detection is correct from IoU 0.50 on with an object of its class that "
        "no better one has found.</p>\n"
        + _kinds(findings)
        + "<h3>By size</h3>\n"
        + _sizes(findings)
        + f"<div{' class=pair' * few}><div><h3>Which classes are taken for which</h3>\n"
        + _confusion(findings)
        + "</div><div><h3>Class by class</h3>\n"
        + _classes(findings)
        + "</div></div>\n"
    )


def _bar(share: float, good: bool = False) -> str:
    if not share:
        return ""
    return f'<span class="bar{" good" * good}" style="width:{100 * share:.1f}%"></span>'


def _kinds(findings: Findings) -> str:
    counts = findings.counts
    kinds = ["correct", *sorted(KIND_TEXTS, key=lambda kind: -counts[kind])]
    texts = {"correct": "the right class on the right place"} | KIND_TEXTS
    most = max(max(counts.values()), 1)
    rows = "".join(
        f'<tr><th scope="row">{kind} <small>{texts[kind]}</small></th>'
        f'<td class="n">{counts[kind]:,}</td>'
        f'<td class="barcell">{_bar(counts[kind] / most, kind == "correct")}</td></tr>\n'
        for kind in kinds
    )
    return scroll(
        '<table class="wide kinds"><caption><span>Detections by kind, and missed objects</span>'
        '</caption><thead><tr><th scope="col">kind</th><th scope="col" class="n">number</th>'
        '<th scope="col"><span class="away">length</span></th>'
        f"</tr></thead>\n<tbody>\n{rows}</tbody></table>",
        "Detections by kind",
    )


def _sizes(findings: Findings) -> str:
    low, high = (f"{math.sqrt(COCO_AREAS[size][1]):.0f}² px" for size in ("small", "medium"))
    bounds = {"small": f"up to {low}", "medium": f"up to {high}", "large": f"above {high}"}
    objects = {size: n["correct"] + n["missed"] for size, n in findings.sizes.items()}
    per = {
        size: {
            kind: 100 * numbers[kind] / objects[size] if objects[size] else 0.0
            for kind in KIND_TEXTS
        }
        for size, numbers in findings.sizes.items()
    }
    most = max([value for column in per.values() for value in column.values()] + [1e-9])
    head = "".join(f'<th scope="col">{size}<br>{bounds[size]}</th>' for size in objects)
    rows = [
        ("objects", [f"{n:,}" for n in objects.values()]),
        ("mAP", [number_text(findings.scores[f"mAP_{size}"]) for size in objects]),
        ("found", [percent(findings.sizes[size]["correct"], objects[size]) for size in objects]),
    ]
    for kind in sorted(KIND_TEXTS, key=lambda kind: -findings.counts[kind]):
        cells = []
        for size, numbers in findings.sizes.items():
            text = f"{numbers[kind]:,}"
            if objects[size]:
                text += f' <span class="per">{per[size][kind]:.1f} per 100</span>'
            cells.append(text + _bar(per[size][kind] / most))
        rows.append((kind, cells))
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
        for name, cells in rows
    )
    return scroll(
        '<table class="wide sizes"><caption><span>Mistakes by the size of the object, and per 100 '
        "objects of that size; on background, by the size of the box</span></caption><thead><tr>"
        '<th scope="col">'
        f'<span class="away">what</span></th>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>',
        "Mistakes by size",
    )


def _confusion(findings: Findings) -> str:
    matrix, names = findings.confusion, findings.class_names
    pairs = frequent_confusions(findings)
    labels = list(range(1, len(names)))
    text = (
        '<p class="how">A row for each true class, a column for what it was taken for. The '
        "diagonal (framed) is right; “missed” found no box; “nothing there” are boxes without an "
        "object of their own. Shades compare within a row.</p>\n"
    )
    if len(labels) > MOST_CLASSES:
        involved = dict.fromkeys(labels, 0)
        for number, truth, said in pairs:
            involved[truth] += number
            involved[said] += number
        missed = {label: int(matrix[label, 0]) for label in labels}
        labels = sorted(labels, key=lambda k: (-involved[k], -missed[k], k))[:MOST_CLASSES]
        labels.sort()
        text += (
            f'<p class="how">Shown are the {MOST_CLASSES} of {len(names) - 1} classes that are '
            "confused most.</p>\n"
        )
    columns = [*labels, 0]
    head = "".join(
        f'<th scope="col" class="top">{escape(names[k]) if k else "missed"}</th>' for k in columns
    )
    body = ""
    for truth in [*labels, 0]:
        total = int(matrix[truth].sum())
        name = escape(names[truth]) if truth else "nothing there"
        cells = "".join(
            _cell(int(matrix[truth, said]), total, truth == said)
            if truth or said
            else '<td class="void"></td>'
            for said in columns
        )
        body += f'<tr><th scope="row">{name}</th>{cells}</tr>\n'
    text += scroll(
        f'<table class="confusion{" dense" * (len(labels) > 12)}">'
        "<caption><span>Confusion matrix: truth down, detected across"
        '</span></caption><thead><tr><th scope="col"><span class="away">truth</span></th>'
        f"{head}</tr></thead>\n<tbody>\n{body}</tbody></table>",
        "Confusion matrix",
    )
    if pairs:
        listed = ", ".join(
            f"{escape(names[truth])} → {escape(names[said])} <b>{number:,}×</b>"
            for number, truth, said in pairs[:8]
        )
        text += f"<p>Most frequent: {listed}.</p>\n"
    else:
        text += "<p>No object was taken for one of another class.</p>\n"
    return text


def _cell(number: int, total: int, right: bool) -> str:
    shade = f' style="--a:{6 + 44 * number / total:.0f}%"' if number else ""
    classes = " ".join(["right"] * right + ["none"] * (not number))
    named = f' class="{classes}"' if classes else ""
    return f"<td{named}{shade}>{number:,}</td>" if number else f"<td{named}>·</td>"


def _classes(findings: Findings) -> str:
    ap, matrix = class_ap(findings), findings.confusion
    order = sorted(ap, key=lambda k: (math.isnan(ap[k]), ap[k]))
    rows = []
    for label in order:
        objects, boxes = int(matrix[label].sum()), int(matrix[:, label].sum())
        right = int(matrix[label, label])
        rows.append([
            escape(findings.class_names[label]), f"{objects:,}", number_text(ap[label]),
            number_text(float(findings.curves[0.5][label - 1].mean())),
            number_text(float(findings.curves[0.75][label - 1].mean())),
            percent(right, objects), percent(right, boxes),
        ])  # fmt: skip

    def table(some: Sequence[Sequence[str]]) -> str:
        return html_table(
            ["class", "#objects", "#AP", "#AP50", "#AP75", "#found", "#right"], some,
            "Hardest first; found: of its objects; right: of its boxes, at the score above",
            "Class by class",
        )  # fmt: skip

    text, others = table(rows[:MOST_ROWS]), rows[MOST_ROWS:]
    if others:
        text += (
            f"<details><summary>The other {len(others)} classes</summary>{table(others)}</details>"
        )
    return text


# ---------------------------------------------------------------- pictures
def pictures_section(findings: Findings, pictures: Sequence[Picture]) -> str:
    """The worst images, with boxes drawn and each mistake named."""
    if not pictures:
        none = not any(findings.counts[kind] for kind in KIND_TEXTS)
        return (
            f"<p>{'There is no image with a mistake.' if none else 'No picture was asked for.'}</p>"
        )
    entries = (
        ("hit", "correct detection"), ("truth", "its true box"), ("wrong", "wrong detection"),
        ("lost", "missed object"),
    )  # fmt: skip
    legend = "".join(
        '<li><svg viewBox="0 0 34 20" aria-hidden="true">'
        f'<rect class="under" x="4" y="4" width="26" height="12"/>'
        f'<rect class="{name}" x="4" y="4" width="26" height="12"/></svg>{text}</li>'
        for name, text in entries
    )
    budget = PICTURE_BYTES // len(pictures)
    shots = "\n".join(
        _shot(findings, picture, place, budget) for place, picture in enumerate(pictures, start=1)
    )
    return (
        '<p class="how">A missed object weighs 1, a wrong detection its score; the gravest come '
        f'first. Numbers lead from the box to the list.</p>\n<ul class="legend">{legend}</ul>\n'
        f'<div class="shots">\n{shots}\n</div>\n'
    )


def _shot(findings: Findings, picture: Picture, place: int, budget: int) -> str:
    height, width = picture.pixels.shape[:2]
    target, detection = picture.target, picture.detection
    truth, found = target["boxes"].tolist(), detection["boxes"].tolist()
    mistakes = _mistakes(findings, picture)
    boxes = [
        *(("truth", box) for g, box in enumerate(truth) if g not in picture.missed),
        *(
            ("hit", box)
            for box, e in zip(found, picture.errors, strict=True)
            if e.kind == "correct"
        ),
        *((name, box) for name, box, _ in mistakes),
    ]
    rects = "".join(
        f'<rect class="{name}" x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" '
        f'height="{y2 - y1:.1f}"/>'
        for kind, (x1, y1, x2, y2) in boxes
        for name in (["under", kind] if kind != "truth" else [kind])
    )
    badges, listed = "", ""
    places: list[tuple[float, float]] = []
    shown = min(300.0, MOST_HEIGHT * width / height)  # px; a badge is 22 wide
    wide, high = 2200 / shown, 2200 * width / (shown * height)  # in percent of the picture
    for number, (name, box, text) in enumerate(mistakes, start=1):
        if number <= MOST_LINES:
            lost = " lost" * (name == "lost")
            x, y = (box[2], box[3]) if lost else (box[0], box[1])
            across, down = 100 * x / width, 100 * y / height
            while any(abs(across - a) < wide and abs(down - b) < high for a, b in places):
                across += wide if across + wide < 100 else -across  # beside the one that is there
            places.append((across, down))
            badges += (
                f'<b class="badge{lost}" style="--x:{across:.1f}%;--y:{down:.1f}%" '
                f'aria-hidden="true">{number}</b>'
            )
            listed += f'<li><i class="{lost.strip() or "wrong"}">{number}</i> {text}</li>'
    more = len(mistakes) - MOST_LINES
    if more > 0:
        listed += f"<li>and {more} more, drawn without a number</li>"
    right = len(truth) - len(picture.missed)
    summary = f"{right} of {count(len(truth), 'object')} found, {count(len(mistakes), 'mistake')}"
    alt = f"{picture.name}: {summary}, listed below."
    return (
        f'<figure class="shot"><div class="picture" style="aspect-ratio:{width}/{height};'
        f'max-width:{MOST_HEIGHT * width / height:.0f}px">'
        f'<img alt="{escape(alt)}" width="{width}" height="{height}" '
        f'src="{_data_uri(picture.pixels, budget)}">'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f"{rects}</svg>{badges}</div>\n<figcaption><strong>{place}. {escape(picture.name)}</strong>"
        f' <span class="muted">{summary}</span><ol>{listed}</ol></figcaption></figure>'
    )


def _mistakes(findings: Findings, picture: Picture) -> list[tuple[str, list[float], str]]:
    """(how it is drawn, box, what it is) of every mistake: detections by score, then misses."""
    names, found, target = findings.class_names, picture.detection, picture.target
    truth = target["labels"].tolist()
    overlap = box_iou(found["boxes"], target["boxes"]).tolist()
    mistakes = []
    for d in found["scores"].argsort(descending=True, stable=True).tolist():
        kind, g = picture.errors[d]
        if kind == "correct":
            continue
        said = f"{escape(names[int(found['labels'][d])])} {float(found['scores'][d]):.2f}"
        text = f"<b>{kind}</b>: {said}"
        if g >= 0:
            true = escape(with_article(names[truth[g]]))
            iou = f"IoU {overlap[d][g]:.2f}"
            text += {
                "wrong class": f" is {true} ({iou})",
                "duplicate": f", {iou} with {true} found already",
                "badly placed": f", only {iou} with {true}",
            }[kind]
        mistakes.append(("wrong", found["boxes"][d].tolist(), text))
    for g in picture.missed:
        box = target["boxes"][g].tolist()
        size = f"{box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} px"
        mistakes.append(("lost", box, f"<b>missed</b>: {escape(names[truth[g]])}, {size}"))
    return mistakes


def _data_uri(pixels: np.ndarray, budget: int) -> str:
    """The picture as data: PNG if it is small, else JPEG, smaller until it fits the budget."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    content = io.BytesIO()
    if max(picture.size) <= 256:
        picture.save(content, "PNG", optimize=True)
    kind = "png"
    for side in (640, 480, 360, 270, 200):
        if 0 < content.tell() <= budget:
            break
        content, kind = io.BytesIO(), "jpeg"
        smaller = picture.copy()
        smaller.thumbnail((side, side))
        smaller.save(content, "JPEG", quality=82, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
