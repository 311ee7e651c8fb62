"""The page about a run: which sections it has, its first screen, and what is said of the run.

One HTML file: the style sheet inline, charts as SVG, pictures as data, no script, no network.
Numbers are chosen here and in the sections' modules, words stand in ``templates/``, and every
value is escaped on its way into them (`detlearn.report.render`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..files import checksum
from .errors import KIND_TEXTS, class_ap, errors_section, frequent_confusions
from .history import loss_chart, points_of, score_chart, training_section
from .measure import PCK_REFERENCE, Findings, Picture, PoseFindings
from .pictures import pictures_section
from .render import render
from .run import Run
from .scores import joint_name, joints_section, scores_section
from .words import count, duration, number_text, percent

__all__ = ["report_page"]

KIND_NAMES = {
    "missed": "missed objects",
    "badly placed": "badly placed boxes",
    "wrong class": "objects of the wrong class",
    "duplicate": "duplicates",
    "on background": "boxes on background",
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
    sections: list[tuple[str, str, dict[str, Any]]] = []  # template, heading, what it needs
    if isinstance(findings, Findings):
        sections += [
            ("errors", "What goes wrong", errors_section(findings)),
            ("worst", "The worst images", pictures_section(findings, pictures)),
            ("scores", "Scores and curves", scores_section(findings)),
        ]
    elif findings is not None:
        sections.append(("joints", "Scores, joint by joint", joints_section(findings)))
    if run.history:
        sections.append(("training", "The training", training_section(run.history)))
    sections.append(("run", "The run", _run_section(run, findings, source)))
    folder = run.folder.resolve().name
    return render(
        "page.html.j2",
        name=run.model or folder,
        data=(Path(source).name or source) if source else None,
        facts=_facts(run, made),
        notes=[*run.notes, *_notes(run, findings, source)],
        glance=_glance(run, findings),
        sections=[{"key": key, "heading": head, "content": it} for key, head, it in sections],
        version=__version__,
        made=made,
        folder=folder,
    )


# ---------------------------------------------------------------- at a glance
def _facts(run: Run, made: str) -> list[str]:
    facts = []
    if run.history:
        config = run.record.get("config")
        planned = config.get("epochs") if isinstance(config, dict) else None
        done = len(run.history)
        more = isinstance(planned, int) and planned > done
        facts.append(f"{done} of {planned} epochs" if more else count(done, "epoch"))
        facts.append(duration(_seconds(run.history)) + " of training")
    if run.record.get("started"):
        facts.append(f"started {str(run.record['started'])[:16].replace('T', ' ')}")
    return [*facts, f"page made {made[:16]}"]


def _seconds(history: Sequence[dict[str, float]]) -> float:
    values = [row.get("seconds", 0.0) for row in history]
    return sum(value for value in values if math.isfinite(value))


def _main_score(findings: Findings | PoseFindings | None) -> str:
    return "AP" if isinstance(findings, PoseFindings) else "mAP"


def _notes(run: Run, findings: Findings | PoseFindings | None, source: str | None) -> list[str]:
    """What a reader has to know about the measurement."""
    if findings is None:
        return []
    if len(findings.indices) < findings.total:
        return [
            f"Measured on {len(findings.indices):,} of {findings.total:,} images, evenly spread: "
            "scores of all of them differ a little."
        ]
    main = _main_score(findings)
    noted = [value for _, value in points_of(run.history, main) if math.isfinite(value)]
    if run.weights is None or source != run.data or not noted:
        return []
    value = max(noted) if run.weights.name.startswith("best") else noted[-1]
    if abs(value - findings.scores[main]) <= 0.005:
        return []
    return [
        f"The training noted {main} {value:.3f} for these weights; measured here it is "
        f"{number_text(findings.scores[main])}."
    ]


def _glance(run: Run, findings: Findings | PoseFindings | None) -> dict[str, Any]:
    """The first screen: what `templates/glance.html.j2` needs."""
    main = _main_score(findings)
    scored = points_of(run.history, main)
    epoch, value = scored[-1] if scored else (None, math.nan)
    if findings is not None:
        value = findings.scores[main]
    return {
        "main": main,
        "value": value,
        "images": None if findings is None else len(findings.indices),
        "epoch": epoch,
        "verdict": _verdict(findings) if isinstance(findings, Findings) else None,
        "chart": score_chart(run.history, main, "Score by epoch")
        or loss_chart(run.history, "Loss by epoch"),
        "tiles": _tiles(run, findings),
        "standouts": _standouts(run, findings),
    }


def _verdict(findings: Findings) -> dict[str, Any]:
    counts = findings.counts
    return {
        "found": counts["correct"],
        "objects": counts["correct"] + counts["missed"],
        "boxes": sum(counts.values()) - counts["missed"],
        "threshold": findings.threshold,
    }


def _tiles(run: Run, findings: Findings | PoseFindings | None) -> list[tuple[str, str]]:
    """(value, what it is) of the row of numbers below the first one."""
    tiles = []
    if isinstance(findings, Findings):
        verdict = _verdict(findings)
        tiles += [
            (number_text(findings.scores["mAP50"]), "mAP50: found roughly"),
            (number_text(findings.scores["mAP75"]), "mAP75: placed well"),
            (percent(verdict["found"], verdict["objects"]), "of the objects are found"),
            (percent(verdict["found"], verdict["boxes"]), "of the boxes are right"),
        ]
    elif findings is not None:
        near = number_text(float(findings.pck.nanmean()))
        tiles += [
            (number_text(findings.scores["AP50"]), "AP50: roughly right"),
            (number_text(findings.scores["AP75"]), "AP75: well right"),
            (near, f"PCK, within {PCK_REFERENCE:g} of the box"),
        ]
    if run.history:
        tiles.append((duration(_seconds(run.history)), "of training"))
    return tiles


# ---------------------------------------------------------------- what stands out
Standout = tuple[str, dict[str, Any]]  # which sentence of templates/glance.html.j2, its values


def _standouts(run: Run, findings: Findings | PoseFindings | None) -> Iterable[Standout]:
    """What a reader should know, facts only."""
    found: list[Standout | None] = []
    if isinstance(findings, Findings):
        found += [_worst_kind(findings), _extreme_classes(findings), _confused(findings)]
        ap50, ap75 = findings.scores["mAP50"], findings.scores["mAP75"]
        if math.isfinite(ap50) and ap50 > 0:
            found.append(("fit", {"ap50": ap50, "ap75": ap75}))
    elif findings is not None and findings.labelled.any():
        pairs = [
            (float(v), joint_name(j, findings.names))
            for j, v in enumerate(findings.pck)
            if math.isfinite(v)
        ]
        (low, hardest), (high, easiest) = min(pairs), max(pairs)
        found.append(("joints", {"hardest": hardest, "low": low, "easiest": easiest, "high": high}))
    found.append(_progress(points_of(run.history, _main_score(findings))))
    return [standout for standout in found if standout]


def _worst_kind(findings: Findings) -> Standout | None:
    counts = {kind: findings.counts[kind] for kind in KIND_TEXTS}
    total = sum(counts.values())
    if not total:
        return None
    kind = max(counts, key=lambda kind: counts[kind])
    sizes = {size: numbers[kind] for size, numbers in findings.sizes.items()}
    size = max(sizes, key=lambda size: sizes[size])
    values = {"name": KIND_NAMES[kind], "number": counts[kind], "total": total}
    return "mistakes", values | {"size": size, "of_size": sizes[size]}


def _extreme_classes(findings: Findings) -> Standout | None:
    ap, names = class_ap(findings), findings.class_names
    finite = sorted((value, label) for label, value in ap.items() if math.isfinite(value))
    if len(finite) < 2:
        return None
    (low, hardest), (high, easiest) = finite[0], finite[-1]
    return "classes", {
        "hardest": names[hardest], "low": low, "easiest": names[easiest], "high": high,
    }  # fmt: skip


def _confused(findings: Findings) -> Standout | None:
    pairs = frequent_confusions(findings)
    if not pairs:
        return None
    number, truth, said = pairs[0]
    if len(pairs) > 1 and pairs[1][0] == number:
        return "confusions", {"number": number}
    names = findings.class_names
    return "confusion", {"truth": names[truth], "said": names[said], "number": number}


def _progress(scored: Sequence[tuple[float, float]]) -> Standout | None:
    """How the score went from evaluation to evaluation."""
    if len(scored) < 2:
        return None
    best_epoch, best = max(scored, key=lambda point: (point[1], -point[0]))
    (first_epoch, first), (last_epoch, last) = scored[0], scored[-1]
    values = {"last": last, "last_epoch": last_epoch}
    if best_epoch != last_epoch:
        return "past the best", values | {"best": best, "best_epoch": best_epoch}
    return "rising", values | {
        "evaluations": len(scored), "first": first, "first_epoch": first_epoch,
        "step": last - scored[-2][1],
    }  # fmt: skip


# ---------------------------------------------------------------- the run
def _run_section(
    run: Run, findings: Findings | PoseFindings | None, source: str | None
) -> dict[str, Any]:
    """What `templates/run.html.j2` needs."""
    facts: list[tuple[str, Any]] = [("model", run.model), ("data", source)]
    if findings is not None:
        facts.append(("images measured on", f"{len(findings.indices):,} of {findings.total:,}"))
    if isinstance(findings, Findings):
        facts.append(("objects in them", f"{_verdict(findings)['objects']:,}"))
    facts += [("started", run.record.get("started")), ("finished", run.finished)]
    if run.weights is not None:
        content = run.weights.read_bytes()
        facts.append(("weights", f"{run.weights.name}, {len(content) / 1e6:.1f} MB"))
        facts.append(("their SHA-256", checksum(content)[:16] + "…"))
    command = run.record.get("command")
    tables = [{"caption": "The run", "rows": _rows(facts)}]
    for key, caption in (("versions", "Versions"), ("config", "Settings")):
        if isinstance(run.record.get(key), dict) and run.record[key]:
            tables.append({"caption": caption, "rows": _rows(run.record[key].items())})
    return {"command": command if isinstance(command, str) else None, "tables": tables}


def _rows(pairs: Iterable[tuple[str, Any]]) -> list[list[str]]:
    return [[str(name).replace("_", " "), _in_words(value)] for name, value in pairs]


def _in_words(value: Any) -> str:
    """A value of a JSON as a reader says it."""
    if value is None or isinstance(value, bool):
        return {None: "unknown", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return ", ".join(map(_in_words, value)) or "none"
    return str(value)
