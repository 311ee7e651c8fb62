"""What a notebook of the course must look like, checked on the built product.

Ids and slide types on every cell, known tags, short code, evidence under every cell, alternative
text at every figure, nothing that differs on another machine, nothing that needs a network, and:
what a chapter teaches is what the package holds.
"""

from __future__ import annotations

import ast
import json
import re
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.course.clone import needed, tags_of
from tools.course.definitions import compare_definitions
from tools.course.minutes import core_of, headings_of, prose_of
from tools.course.source import FOLDED, ONE_LINE, SLIDE_TYPES

__all__ = ["TAGS", "Report", "lint", "taught"]

TAGS = {
    "setup": "the generated second cell",
    "exercise": "holds a stub; the student copy clears its outputs",
    "solution": "left out of the student copy",
    "prove": "compares ours with a reference implementation",
    "explorer": "shows something to move; a static figure stands before it",
    "ledger": "paper and code side by side",
    "clinic": "the bug clinic: a mistake, its symptom, its cure",
    "optional": "needs more than the course (a download, a GPU); also tagged nbval-skip",
    "hide-input": "slides show only the output",
    "output-only": "the same, and pages of the site keep the code open",
    "lead": "slides show its heading and first paragraph, the speaker's notes the rest",
    "key-figure": "its figure stands on the title slide and in the list of chapters",
    "nbval-skip": "never executed by the builder or the tests",
    "nbval-ignore-output": "executed, its output not compared",
    "nbval-raises-exception": "the exception is what it shows",
    "raises-exception": "the same, for nbclient",
}
TEACHES = "teaches:"
BESIDE = "beside:"  # slides keep the figure of that cell in sight
NOT_COMPARED = {"nbval-skip", "nbval-ignore-output"}
ASKS, CHECKED_WITHIN = "**Predict", 5  # cells from a question to an output

MAX_LINES, MAX_COLUMNS, MAX_BYTES, MAX_NOT_COMPARED = 25, 76, 1_000_000, 0.08
CELLS, WORDS, SECTIONS, MEDIAN_LINES = (40, 70), (1500, 2300), (3, 9), 8  # of the core
LINES, MINUTES = (100, 350), (40, 100)

BANNED = re.compile(r"\b(can you|play (?:around )?with|think about)\b", re.IGNORECASE)
FRAGILE = {
    "an address in memory": re.compile(r"\bat 0x[0-9a-fA-F]{6,}"),
    "a path of this machine": re.compile(
        r"(?<![\w./])(?:/(?:home|root|tmp|Users|opt|content)/|[A-Z]:\\)\S*|ipykernel_\d+"
    ),
}
CAPTURING = re.compile(
    r"@?\binteract(?:_manual|ive_output|ive)?\s*\(|@interact\b|\bOutput\s*\(\s*\)"
)
BOOLEAN = re.compile(r"(?:^|[:=\s])(?:True|False)\s*$", re.MULTILINE)
MARKDOWN_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<source>[^)\s]+)[^)]*\)")
HTML_ELEMENT = re.compile(r"<(?P<name>img|svg|canvas|iframe)\b(?P<rest>[^>]*)>", re.IGNORECASE)


@dataclass
class Report:
    """What the lint found.

    Attributes:
        name: of the notebook.
        problems: sentences; each is a fault.
        notes: what lies outside the usual range, which is a question of judgement.
        figures: what was counted.
    """

    name: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line of figures, and one for each note."""
        counted = ", ".join(f"{value:g} {name}" for name, value in self.figures.items())
        return "\n".join([f"{self.name}: {counted}", *(f"  note: {note}" for note in self.notes)])


def lint(path: Path) -> Report:
    """Check a built notebook.

    Args:
        path: an `.ipynb` file.

    Returns:
        A `Report`; its `problems` are empty for a good notebook.
    """
    text = path.read_text(encoding="utf-8")
    report = Report(path.name)
    seen: set[str] = set()
    for raw in json.loads(text)["cells"]:  # nbformat, when it reads, mends what is asked for here
        name = str(raw.get("id"))
        if not re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", name) or "id" not in raw:
            report.problems.append(f"{path.name}, cell {name!r}: no valid id")
        elif name in seen:
            report.problems.append(f"{path.name}, cell {name!r}: two cells have this id")
        seen.add(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notebook = needed("nbformat").reads(text, as_version=4)
    rules: tuple[Callable[[Any], Iterator[str]], ...] = (
        _lint_cell,
        _lint_code,
        _lint_evidence,
        _lint_markdown,
        _lint_outputs,
        _lint_teaching,
    )
    for cell in notebook.cells:
        for problem in (p for rule in rules for p in rule(cell)):
            report.problems.append(f"{path.name}, cell {cell.id!r}: {problem}")
    _lint_whole(notebook, path, report)
    return report


# --------------------------------------------------------------------------- the whole notebook


def _lint_whole(notebook: Any, path: Path, report: Report) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    exempt = [cell for cell in code if NOT_COMPARED & set(tags_of(cell))]
    titles = [line for cell in text for line in headings_of(cell.source) if line.startswith("# ")]
    sections = [
        line for cell in text for line in headings_of(cell.source) if line.startswith("## ")
    ]
    lines = [len(cell.source.splitlines()) for cell in code if "setup" not in tags_of(cell)]
    core = core_of(notebook.cells)
    report.figures = {
        "cells": len(notebook.cells),
        "cells of the core": core.cells,
        "words": core.words,
        "lines": core.lines,
        "minutes": core.minutes,
        "sections": len(sections),
        "code cells": len(code),
        "lines of code a cell (median)": statistics.median(lines) if lines else 0,
        "cells not compared": len(exempt),
        "kB": round(path.stat().st_size / 1000),
    }

    def problem(sentence: str) -> None:
        report.problems.append(f"{path.name}: {sentence}")

    if "widgets" in notebook.metadata:
        problem("widget state is saved in it")
    if path.stat().st_size > MAX_BYTES:
        problem(f"{path.stat().st_size:,} bytes, at most {MAX_BYTES:,}")
    if len(titles) != 1:
        problem(f"{len(titles)} titles (`# ...`), expected one")
    if code and len(exempt) > MAX_NOT_COMPARED * len(code):
        problem(
            f"{len(exempt)} of {len(code)} code cells are exempt from comparison, "
            f"at most {MAX_NOT_COMPARED:.0%}"
        )
    for name in unchecked(notebook.cells):
        problem(f"nothing within {CHECKED_WITHIN} cells checks the prediction of {name!r}")
    for name, value, (low, high) in (
        ("cells", core.cells, CELLS),
        ("words", core.words, WORDS),
        ("lines of code", core.lines, LINES),
        ("minutes", core.minutes, MINUTES),
        ("sections", len(sections), SECTIONS),
    ):
        if not low <= value <= high:
            report.notes.append(f"{value} {name}, usually {low} to {high}")
    told = [cell.id for cell in code if any(map(_says_boolean, cell.get("outputs", [])))]
    if told:
        report.notes.append(f"numbers say more than True and False: {', '.join(told)}")
    if lines and statistics.median(lines) > MEDIAN_LINES:
        report.notes.append(f"code cells are long: median {statistics.median(lines):g} lines")


def unchecked(cells: Sequence[Any]) -> list[str]:
    """Cells that ask for a prediction which no output answers soon."""
    asking = [
        number
        for number, cell in enumerate(cells)
        if cell.cell_type == "markdown" and ASKS in cell.source
    ]
    return [
        cells[number].id
        for number in asking
        if not any(
            cell.cell_type == "code" and cell.get("outputs")
            for cell in cells[number + 1 : number + 1 + CHECKED_WITHIN]
        )
    ]


def _says_boolean(output: Any) -> bool:
    """Whether an output has a line that ends with a bare truth value."""
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return bool(BOOLEAN.search(text))


# --------------------------------------------------------------------------- one cell


def _lint_cell(cell: Any) -> Iterator[str]:
    slide = cell.metadata.get("slideshow", {}).get("slide_type")
    if slide not in SLIDE_TYPES:
        yield f"slide type {slide!r}, expected one of {', '.join(SLIDE_TYPES)}"
    known = {"slideshow", "tags", FOLDED} | (set(ONE_LINE) if "setup" in tags_of(cell) else set())
    unknown = set(cell.metadata) - known
    if unknown:
        yield f"unknown metadata {', '.join(sorted(unknown))}"
    for tag in tags_of(cell):
        if tag not in TAGS and not tag.startswith((TEACHES, BESIDE)):
            known_tags = f"{', '.join(TAGS)}, {TEACHES}MODULE:NAME and {BESIDE}CELL"
            yield f"unknown tag {tag!r}; known are {known_tags}"
    tags = set(tags_of(cell))
    if cell.cell_type == "code" and "optional" in tags and "nbval-skip" not in tags:
        yield "an optional cell is also tagged nbval-skip"


def _lint_code(cell: Any) -> Iterator[str]:
    if cell.cell_type != "code":
        return
    lines = cell.source.splitlines()
    if not cell.source.strip():
        yield "an empty code cell"
    if len(lines) > MAX_LINES:
        yield f"{len(lines)} lines, at most {MAX_LINES}"
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_COLUMNS:
            yield f"line {number} has {len(line)} columns, at most {MAX_COLUMNS}"
    if CAPTURING.search(cell.source):
        yield "interact and Output() do not survive saving: core widgets with observe instead"
    if not {"setup", "optional"} & set(tags_of(cell)) and re.search(r"https?://", cell.source):
        yield "an address in code that is not tagged optional: no notebook needs the network"


def _lint_evidence(cell: Any) -> Iterator[str]:
    """Every code cell shows something, proves something, or only defines."""
    if cell.cell_type != "code" or "nbval-skip" in tags_of(cell) or cell.outputs:
        return
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:
        yield "no output"
        return
    quiet = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    if body and isinstance(body[-1], ast.Assert):
        return
    if not all(isinstance(node, quiet) for node in body):
        yield "no evidence: end it in a shape, a number, a figure or an assert"


def _lint_markdown(cell: Any) -> Iterator[str]:
    if cell.cell_type != "markdown":
        return
    if not cell.source.strip():
        yield "an empty Markdown cell"
    for banned in BANNED.finditer(prose_of(cell.source)):
        yield f"{banned[0]!r}: say what to do, what to produce, and how to know that it worked"
    for image in MARKDOWN_IMAGE.finditer(cell.source):
        if not image["alt"].strip():
            yield f"a picture without alternative text: {image['source'][:60]}"
        if not image["source"].startswith("data:"):
            yield (
                f"a picture from elsewhere ({image['source'][:60]}): Colab shows no file beside "
                "the notebook; draw it in a code cell"
            )
    yield from _lint_html(cell.source)


def _lint_html(html: str) -> Iterator[str]:
    for element in HTML_ELEMENT.finditer(html):
        name, rest = element["name"].lower(), element["rest"]
        attribute = {"img": "alt", "iframe": "title"}.get(name, "aria-label")
        spoken = re.search(rf"\b{attribute}\s*=\s*[\"']?\s*[^\s\"'>]", rest)
        if not spoken and not (name == "svg" and "<title" in html):
            yield f"<{name}> without {attribute}"
        if re.search(r"\bsrc\s*=\s*[\"']?(?:https?:)?//", rest):
            yield f"<{name}> loads from a foreign address"


def _lint_outputs(cell: Any) -> Iterator[str]:
    raises = {"raises-exception", "nbval-raises-exception"} & set(tags_of(cell))
    errors = 0
    for output in cell.get("outputs", []):
        errors += output.output_type == "error"
        if output.output_type == "error" and not raises:
            yield f"ends in {output.ename}: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            if not NOT_COMPARED & set(tags_of(cell)):
                yield f"prints to stderr: {output.text.strip()[:80]!r}"
        data = output.get("data", {})
        if any("widget" in mime for mime in data):
            yield "the view of a widget is saved"
        if {"image/png", "image/jpeg"} & set(data):
            if not data.get("text/plain", "").startswith("Figure: "):
                yield "a figure without alternative text: end the cell with figure(..., alt=...)"
        if "image/svg+xml" in data:
            yield from _lint_html(data["image/svg+xml"])
        yield from _lint_html(data.get("text/html", ""))
        if not NOT_COMPARED & set(tags_of(cell)):
            compared = [output.get("text", ""), output.get("evalue", "")]
            compared += [data.get(mime, "") for mime in ("text/plain", "text/html")]
            for name, pattern in FRAGILE.items():
                found = pattern.search("\n".join(map(str, compared)))
                if found:
                    yield f"{name} in the output: {found[0]}"
    if raises and not errors:
        yield "tagged as raising, and raises nothing"


# --------------------------------------------------------------------------- what it teaches


def taught(cell: Any) -> list[str]:
    """The definitions a cell teaches, `detlearn.boxes.priors:PriorBox.sizes`."""
    return [tag.removeprefix(TEACHES) for tag in tags_of(cell) if tag.startswith(TEACHES)]


def _lint_teaching(cell: Any) -> Iterator[str]:
    for target in taught(cell):
        try:
            difference = compare_definitions(cell.source, target)
        except ValueError as error:
            yield str(error)
            continue
        if difference:
            yield f"{target} is defined otherwise in the package:\n{difference}"
