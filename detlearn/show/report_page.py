"""The page of `detlearn.show.report`: what stands on it, and how it is said.

One HTML file: the style sheet inline, charts as SVG, pictures as data, no script, no network.
Every text that comes from a run or a data set goes through `escape`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from detlearn import __version__
from detlearn.files import checksum
from detlearn.show.report import PCK_REFERENCE, Findings, Picture, PoseFindings, Run
from detlearn.show.report_errors import (
    KIND_TEXTS,
    class_ap,
    errors_section,
    frequent_confusions,
    pictures_section,
)
from detlearn.show.report_html import (
    count,
    duration,
    html_table,
    key_of_lines,
    number_text,
    percent,
)
from detlearn.show.svg_charts import draw_line_chart

__all__ = ["report_page"]

MOST_TILES = 12  # curves of classes that stand open
NOT_LOSS = ("epoch", "learning_rate", "seconds")
SCORES = ("mAP", "AP", "AR")  # how their names begin

KIND_NAMES = {
    "missed": "missed objects",
    "badly placed": "badly placed boxes",
    "wrong class": "objects of the wrong class",
    "duplicate": "duplicates",
    "on background": "boxes on background",
}
SCORE_TEXTS = {
    "mAP": "mean over the classes and over IoU 0.50, 0.55, …, 0.95: COCO's headline",
    "mAP50": "the same at IoU 0.50: found roughly",
    "mAP75": "the same at IoU 0.75: placed well",
    "mAP_small": "mAP of objects up to 32² px",
    "mAP_medium": "mAP of objects from 32² to 96² px",
    "mAP_large": "mAP of objects from 96² px",
    "AR100": "share of the objects found by the 100 best boxes, mean over the IoUs",
    "VOC mAP, 11-point": "as PASCAL VOC 2007 counts, difficult objects aside",
    "VOC mAP, area": "as PASCAL VOC counts since 2010",
    "AP": "mean over OKS 0.50, 0.55, …, 0.95: COCO's headline for poses",
    "AP50": "the same at OKS 0.50",
    "AP75": "the same at OKS 0.75",
    "AP_medium": "AP of people from 32² to 96² px",
    "AP_large": "AP of people from 96² px",
    "AR": "share of the people found, mean over the OKS",
}


def report_page(
    run: Run,
    findings: Findings | PoseFindings | None,
    pictures: Sequence[Picture],
    *,
    source: str | None,
    made: str,
) -> str:
    """The page, as HTML.

    Args:
        run: what was trained.
        findings: what was measured; None for nothing.
        pictures: the worst images, the worst first.
        source: the data set's name.
        made: when the page was made.

    Returns:
        A whole HTML file.
    """
    sections: list[tuple[str, str, str]] = []
    if isinstance(findings, Findings):
        sections += [
            ("errors", "What goes wrong", errors_section(findings)),
            ("worst", "The worst images", pictures_section(findings, pictures)),
            ("scores", "Scores and curves", _scores(findings)),
        ]
    elif findings is not None:
        tables = f'<div class="pair"><div>{_joints(findings)}</div>'
        tables += f"<div>{_pose_scores(findings)}</div></div>"
        sections.append(("joints", "Scores, joint by joint", tables))
    if run.history:
        sections.append(("training", "The training", _training(run.history)))
    sections.append(("run", "The run", _run(run, findings, source)))
    name = run.model or run.folder.resolve().name
    title = escape(name) + (f" <span>on {escape(_short(source))}</span>" if source else "")
    style = files("detlearn.show").joinpath("report.css").read_text(encoding="utf-8")
    body = "\n".join(
        f'<section aria-labelledby="{key}"><h2 id="{key}">{heading}</h2>\n{text}</section>'
        for key, heading, text in sections
    )
    links = "".join(f'<a href="#{key}">{heading}</a>' for key, heading, _ in sections)
    folder = escape(run.folder.resolve().name)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(name)}: report of a training run</title>
<style>
{style}</style>
</head>
<body>
<header>
<p class="eyebrow">detlearn · report of a training run</p>
<h1>{title}</h1>
<p class="facts">{_facts(run, made)}</p>
<nav aria-label="On this page">{links}</nav>
</header>
<main>
{_notes(run, findings, source)}{_glance(run, findings)}
{body}
</main>
<footer><p>Made by detlearn {escape(__version__)}, {escape(made)}, from the run {folder}.
This file holds everything itself and loads nothing.</p></footer>
</body>
</html>
"""


# ---------------------------------------------------------------- at a glance
def _short(source: str | None) -> str:
    return Path(source).name or source if source else "unknown data"


def _facts(run: Run, made: str) -> str:
    parts = []
    if run.history:
        config = run.record.get("config")
        planned = config.get("epochs") if isinstance(config, dict) else None
        done = len(run.history)
        more = f" of {planned}" if isinstance(planned, int) and planned > done else ""
        parts.append(f"{done}{more} epochs" if more else count(done, "epoch"))
        parts.append(duration(_seconds(run.history)) + " of training")
    if run.record.get("started"):
        parts.append(f"started {escape(str(run.record['started'])[:16].replace('T', ' '))}")
    parts.append(f"page made {escape(made[:16])}")
    return " · ".join(parts)


def _seconds(history: Sequence[dict[str, float]]) -> float:
    values = [row.get("seconds", 0.0) for row in history]
    return sum(value for value in values if math.isfinite(value))


def _notes(run: Run, findings: Findings | PoseFindings | None, source: str | None) -> str:
    notes = list(run.notes)
    if findings is not None and len(findings.indices) < findings.total:
        notes.append(
            f"Measured on {len(findings.indices):,} of {findings.total:,} images, evenly spread: "
            "scores of all of them differ a little."
        )
    elif findings is not None and run.weights is not None and source == run.data:
        main = "AP" if isinstance(findings, PoseFindings) else "mAP"
        noted = [value for _, value in _points(run.history, main) if math.isfinite(value)]
        best = run.weights.name.startswith("best")
        if noted and abs((max(noted) if best else noted[-1]) - findings.scores[main]) > 0.005:
            notes.append(
                f"The training noted {main} {max(noted) if best else noted[-1]:.3f} for these "
                f"weights; measured here it is {number_text(findings.scores[main])}."
            )
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<aside class="notes"><strong>To know first</strong><ul>{items}</ul></aside>\n'


def _glance(run: Run, findings: Findings | PoseFindings | None) -> str:
    """The first screen: one number, one sentence, one curve; then tiles, then what stands out."""
    main = "AP" if isinstance(findings, PoseFindings) else "mAP"
    scored = _points(run.history, main)
    if findings is not None:
        value, origin = findings.scores[main], "on "
        origin = f"measured on {count(len(findings.indices), 'validation image')}"
    elif scored:
        value, origin = scored[-1][1], f"after epoch {scored[-1][0]:g}, as the training noted it"
    else:
        value, origin = math.nan, "not measured"
    meaning = {"mAP": "mAP, IoU 0.50 to 0.95", "AP": "AP of poses, OKS 0.50 to 0.95"}[main]
    left = f'<p class="big">{number_text(value)}<small>{meaning}, {origin}</small></p>'
    tiles: list[tuple[str, str]] = []
    if isinstance(findings, Findings):
        left += f'<p class="verdict">{_verdict(findings)}</p>'
        counts, found = findings.counts, findings.counts["correct"]
        tiles += [
            (number_text(findings.scores["mAP50"]), "mAP50: found roughly"),
            (number_text(findings.scores["mAP75"]), "mAP75: placed well"),
            (percent(found, found + counts["missed"]), "of the objects are found"),
            (percent(found, _detected(counts)), "of the boxes are right"),
        ]
    elif findings is not None:
        tiles += [
            (number_text(findings.scores["AP50"]), "AP50: roughly right"),
            (number_text(findings.scores["AP75"]), "AP75: well right"),
            (
                number_text(float(findings.pck.nanmean())),
                f"PCK, within {PCK_REFERENCE:g} of the box",
            ),
        ]
    if run.history:
        tiles.append((duration(_seconds(run.history)), "of training"))
    right = ""
    curves = {name: _points(run.history, name) for name in (main, f"{main}50", f"{main}75")}
    curves = {name: points for name, points in curves.items() if points}
    if curves:
        right = _history_chart(curves, "Score by epoch", (0.0, 1.0))
    elif losses := _losses(run.history):
        right = _history_chart(losses, "Loss by epoch", digits="#.3g")
    points = _conclusions(run, findings, main)
    listed = "".join(f"<li>{point}</li>" for point in points)
    shown = "".join(f"<div><dt>{text}</dt><dd>{value}</dd></div>" for value, text in tiles)
    return (
        f'<section aria-label="At a glance"><div class="glance"><div>{left}</div>{right}</div>'
        + (f'<dl class="tiles">{shown}</dl>' if tiles else "")
        + (f'<h3>What stands out</h3><ol class="points">{listed}</ol>' if points else "")
        + "</section>"
    )


def _detected(counts: dict[str, int]) -> int:
    return sum(counts.values()) - counts["missed"]


def _verdict(findings: Findings) -> str:
    counts = findings.counts
    found, objects, boxes = (
        counts["correct"],
        counts["correct"] + counts["missed"],
        _detected(counts),
    )
    if not objects:
        boxes_text = count(boxes, "detection")
        return f"There are no objects in these images; it counts {boxes_text} all the same."
    if not boxes:
        return f"It finds none of {count(objects, 'object')}: there are no detections that count."
    return (
        f"It finds <strong>{found:,} of {count(objects, 'object')}</strong>, and "
        f"<strong>{found:,} of its {boxes:,} boxes</strong> are right "
        f"<small>(score ≥ {findings.threshold:.2f}, IoU ≥ 0.50)</small>."
    )


def _conclusions(run: Run, findings: Findings | PoseFindings | None, main: str) -> list[str]:
    """What a reader should know, as sentences of HTML; facts only."""
    points = []
    if isinstance(findings, Findings):
        points += _error_conclusions(findings)
        ap50, ap75 = findings.scores["mAP50"], findings.scores["mAP75"]
        if math.isfinite(ap50) and ap50 > 0:
            points.append(
                f"When boxes have to fit better (IoU 0.75 instead of 0.50), AP falls from "
                f"{ap50:.3f} to {ap75:.3f}."
            )
    elif findings is not None and findings.labelled.any():
        pairs = [(float(v), _joint(j)) for j, v in enumerate(findings.pck) if math.isfinite(v)]
        low, high = min(pairs), max(pairs)
        points.append(
            f"The hardest joint is the <b>{low[1]}</b> ({percent(low[0], 1)} lie near enough), "
            f"the easiest the <b>{high[1]}</b> ({percent(high[0], 1)})."
        )
    scored = _points(run.history, main)
    if len(scored) > 1:
        (best_epoch, best), (last_epoch, last) = (
            max(scored, key=lambda p: (p[1], -p[0])),
            scored[-1],
        )
        if best_epoch == last_epoch:
            points.append(
                f"The last of {len(scored)} evaluations is the best: {main} rose from "
                f"{scored[0][1]:.3f} (epoch {scored[0][0]:g}) to {last:.3f} "
                f"(epoch {last_epoch:g}), by {last - scored[-2][1]:.3f} since the one before."
            )
        else:
            points.append(
                f"The best {main} was {best:.3f}, in epoch {best_epoch:g}; in epoch "
                f"{last_epoch:g}, the last, it is {last:.3f}."
            )
    return points


def _error_conclusions(findings: Findings) -> list[str]:
    points = []
    counts = {kind: findings.counts[kind] for kind in KIND_TEXTS}
    total = sum(counts.values())
    if total:
        kind = max(counts, key=lambda kind: counts[kind])
        sizes = {size: numbers[kind] for size, numbers in findings.sizes.items()}
        size = max(sizes, key=lambda size: sizes[size])
        points.append(
            f"The most frequent mistakes are <b>{KIND_NAMES[kind]}</b>: {counts[kind]:,} of "
            f"{total:,} ({percent(counts[kind], total)}), {sizes[size]:,} of them {size}."
        )
    ap = class_ap(findings)
    finite = sorted((value, label) for label, value in ap.items() if math.isfinite(value))
    if len(finite) > 1:
        (low, worst), (high, best) = finite[0], finite[-1]
        names = findings.class_names
        points.append(
            f"The hardest class is <b>{escape(names[worst])}</b> (AP {low:.3f}), the easiest "
            f"<b>{escape(names[best])}</b> ({high:.3f})."
        )
    if pairs := frequent_confusions(findings):
        number, truth, said = pairs[0]
        if len(pairs) == 1 or pairs[1][0] < number:
            points.append(
                f"The most frequent confusion: <b>{escape(findings.class_names[truth])}</b> taken "
                f"for <b>{escape(findings.class_names[said])}</b>, {count(number, 'time')}."
            )
        else:
            points.append(
                "Confusions of classes are spread: none happens more often than "
                f"{count(number, 'time')}."
            )
    return points


# ---------------------------------------------------------------- curves and scores
def _scores(findings: Findings) -> str:
    rows = [
        [key, number_text(findings.scores[key]), text]
        for key, text in SCORE_TEXTS.items()
        if key in findings.scores and not key.startswith("AP")
    ]
    table = html_table(
        ["score", "#value", "what it is"], rows,
        "From 0 to 1; – where there is no such object. AP is the area below a curve",
        "Scores",
    )  # fmt: skip
    ap = {t: float(curve.nanmean()) for t, curve in findings.curves.items()}
    if any(math.isnan(value) for value in ap.values()):
        return f"{table}<p>There are no objects, hence no curves.</p>\n"
    means = {f"IoU {t:.2f}": curve.nanmean(dim=0) for t, curve in findings.curves.items()}
    shown = [f"AP {value:.3f}" for value in ap.values()]
    chart = draw_line_chart(
        {name: _curve(curve.tolist()) for name, curve in means.items()},
        alt="Precision over recall, mean of the classes: "
        + ", ".join(f"{name} {value}" for name, value in zip(means, shown, strict=True)),
        x="recall", x_range=(0.0, 1.0), y_range=(0.0, 1.0), fill=True,
    )  # fmt: skip
    order = sorted(
        (float(curve.mean()), label)
        for label, curve in enumerate(findings.curves[0.5], start=1)
        if not curve.isnan().any()
    )
    tiles = [_tile(findings, label) for _, label in order]
    text = (
        '<p class="how">Going down the list of detections by score: which share of the objects is '
        "found (recall), and which share of the detections is right (precision).</p>\n"
        '<div class="charts"><figure><figcaption><strong class="name">Precision, mean of the '
        f"classes</strong>{key_of_lines(list(means), shown)}</figcaption>{chart}</figure>\n"
        f"{table}</div>\n"
        "<h3>Precision of each class, the hardest first</h3>\n"
        f'<div class="tilecharts">{"".join(tiles[:MOST_TILES])}</div>\n'
    )
    if len(tiles) > MOST_TILES:
        text += (
            f"<details><summary>The other {len(tiles) - MOST_TILES} classes</summary>"
            f'<div class="tilecharts">{"".join(tiles[MOST_TILES:])}</div></details>\n'
        )
    return text


def _tile(findings: Findings, label: int) -> str:
    name = findings.class_names[label]
    curves = {t: curve[label - 1] for t, curve in findings.curves.items()}
    ap = ", ".join(f"AP{100 * t:.0f} {float(curve.mean()):.3f}" for t, curve in curves.items())
    chart = draw_line_chart(
        {f"IoU {t:.2f}": _curve(curve.tolist()) for t, curve in curves.items()},
        alt=f"Precision over recall of {name}: {ap}", x="recall", x_range=(0.0, 1.0),
        y_range=(0.0, 1.0), size=(220, 150), fill=True,
    )  # fmt: skip
    return (
        f'<figure class="tilechart"><figcaption><strong>{escape(name)}</strong>{ap}</figcaption>'
        f"{chart}</figure>"
    )


def _curve(precision: Sequence[float]) -> list[tuple[float, float]]:
    """Points at recall 0, 0.01, …; down to 0 where the recall is never reached, and no further."""
    reached = sum(value > 0 for value in precision)
    points = [(i / 100, value) for i, value in enumerate(precision[:reached])]
    return [*points, (max(reached - 1, 0) / 100, 0.0)]


# ---------------------------------------------------------------- poses
def _joint(number: int) -> str:
    from detlearn.data.shapes import KEYPOINT_NAMES

    return KEYPOINT_NAMES[number].replace("_", " ")


def _joints(findings: PoseFindings) -> str:
    rows = [
        [_joint(j), f"{int(findings.labelled[j]):,}", number_text(float(findings.pck[j])),
         number_text(float(findings.oks[j]))]
        for j in range(len(findings.pck))
    ]  # fmt: skip
    return html_table(
        ["joint", "#labelled", "#PCK", "#OKS"], rows,
        f"PCK: share of the joints within {PCK_REFERENCE:g} of the longer side of the true box; "
        "OKS: mean similarity, each joint by its own tolerance. People are given by their true box",
        "Joint by joint",
    )  # fmt: skip


def _pose_scores(findings: PoseFindings) -> str:
    rows = [[key, number_text(value), SCORE_TEXTS[key]] for key, value in findings.scores.items()]
    return html_table(
        ["score", "#value", "what it is"], rows, "From 0 to 1; – where there is no such person",
        "Scores",
    )  # fmt: skip


# ---------------------------------------------------------------- the training
def _points(history: Sequence[dict[str, float]], name: str) -> list[tuple[float, float]]:
    points = [(row["epoch"], row[name]) for row in history if name in row]
    return points if any(math.isfinite(value) for _, value in points) else []


def _loss_names(history: Sequence[dict[str, float]]) -> list[str]:
    names = dict.fromkeys(name for row in history for name in row)
    return [n for n in names if n not in NOT_LOSS and not n.startswith(SCORES)]


def _losses(history: Sequence[dict[str, float]]) -> dict[str, list[tuple[float, float]]]:
    names = _loss_names(history)
    curves = {name.replace("_", " "): _points(history, name) for name in names}
    curves = {name: points for name, points in curves.items() if points}
    if len(curves) > 1:
        total = [(row["epoch"], sum(row.get(n, math.nan) for n in names)) for row in history]
        return {"sum": total} | curves
    return curves


def _history_chart(
    curves: dict[str, list[tuple[float, float]]],
    title: str,
    y: tuple[float, float] | None = None,
    digits: str = ".3f",
) -> str:
    epochs = [x for points in curves.values() for x, _ in points]
    ends = [
        next((v for _, v in reversed(p) if math.isfinite(v)), math.nan) for p in curves.values()
    ]
    shown = [f"{value:{digits}}" for value in ends]
    alt = f"{title}, epochs {min(epochs):g} to {max(epochs):g}; at last " + ", ".join(
        f"{name} {value}" for name, value in zip(curves, shown, strict=True)
    )
    low, high = min(epochs), max(epochs)
    span = (low, high) if low < high else (low - 0.5, high + 0.5)
    chart = draw_line_chart(curves, alt=alt, x="epoch", x_range=span, y_range=y, whole=True)
    return (
        f'<figure class="lead"><figcaption><strong class="name">{title}</strong>'
        f"{key_of_lines(list(curves), shown)}</figcaption>{chart}</figure>"
    )


def _training(history: Sequence[dict[str, float]]) -> str:
    charts = ""
    if losses := _losses(history):
        charts += _history_chart(losses, "Loss, mean of each epoch", digits="#.3g")
    for main in ("mAP", "AP"):
        scores = {name: _points(history, name) for name in (main, f"{main}50", f"{main}75")}
        if scores := {name: points for name, points in scores.items() if points}:
            charts += _history_chart(scores, "Scores on the validation images", (0.0, 1.0))
    for name, title in (
        ("learning_rate", "Learning rate at the end of each epoch"),
        ("seconds", "Seconds for each epoch"),
    ):
        if points := _points(history, name):
            charts += _history_chart({name.replace("_", " "): points}, title, digits=".4g")
    names = [*_loss_names(history), "learning_rate"]
    names += [
        n
        for n in ("mAP", "mAP50", "mAP75", "AP", "AP50", "AP75")
        if any(n in row for row in history)
    ]
    names.append("seconds")
    rows = [[f"{row['epoch']:g}", *(_history_cell(row, name) for name in names)] for row in history]
    table = html_table(
        ["epoch", *(f"#{escape(name.replace('_', ' '))}" for name in names)], rows,
        "history.json; – where nothing was noted", "The numbers behind the curves",
    )  # fmt: skip
    return (
        '<p class="how">Keys give each curve’s last value.</p>\n'
        f'<div class="charts">{charts}</div>\n'
        f"<details><summary>The numbers behind the curves</summary>{table}</details>\n"
    )


def _history_cell(row: dict[str, float], name: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    return f"{value:.3f}" if name.startswith(SCORES) and math.isfinite(value) else f"{value:.4g}"


# ---------------------------------------------------------------- the run
def _run(run: Run, findings: Findings | PoseFindings | None, source: str | None) -> str:
    record = run.record
    text = ""
    if isinstance(record.get("command"), str):
        text += (
            f"<p>The command, to do it again:</p>\n"
            f'<code class="command">{escape(record["command"])}</code>\n'
        )
    facts: list[tuple[str, Any]] = [("model", run.model), ("data", source)]
    if findings is not None:
        facts.append(("images measured on", f"{len(findings.indices):,} of {findings.total:,}"))
    if isinstance(findings, Findings):
        objects = findings.counts["correct"] + findings.counts["missed"]
        facts.append(("objects in them", f"{objects:,}"))
    facts += [("started", record.get("started")), ("finished", run.finished)]
    if run.weights is not None:
        content = run.weights.read_bytes()
        facts.append(("weights", f"{run.weights.name}, {len(content) / 1e6:.1f} MB"))
        facts.append(("their SHA-256", checksum(content)[:16] + "…"))
    columns = [html_table(["what", "value"], _rows(facts), "The run", wide=True)]
    for key, caption in (("versions", "Versions"), ("config", "Settings")):
        if isinstance(record.get(key), dict) and record[key]:
            columns.append(
                html_table(["name", "value"], _rows(record[key].items()), caption, wide=True)
            )
    left, right = "".join(columns[:2]), "".join(columns[2:])
    return f'{text}<div class="columns"><div>{left}</div><div>{right}</div></div>\n'


def _rows(pairs: Iterable[tuple[str, Any]]) -> list[list[str]]:
    return [
        [escape(str(name).replace("_", " ")), f"<code>{escape(_plain(value))}</code>"]
        for name, value in pairs
    ]


def _plain(value: Any) -> str:
    """A value of a JSON as a reader says it."""
    if value is None or isinstance(value, bool):
        return {None: "unknown", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return str(value)
