"""Each rule of the notebook lint finds its fault, and a good notebook has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tools.course.build import write_notebook
from tools.course.clone import colab_door
from tools.course.definitions import compare_definitions
from tools.course.lint import lint, taught
from tools.course.source import METADATA


def code(source: str, *outputs: Any, tags: tuple[str, ...] = (), slide: str = "-") -> Any:
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs))
    cell.metadata = nbformat.from_dict({"slideshow": {"slide_type": slide}, "tags": list(tags)})
    return cell


def text(source: str, slide: str = "-") -> Any:
    cell = nbformat.v4.new_markdown_cell(source)
    cell.metadata = nbformat.from_dict({"slideshow": {"slide_type": slide}})
    return cell


def stream(words: str, name: str = "stdout") -> Any:
    return nbformat.v4.new_output("stream", name=name, text=words)


def shown(**data: str) -> Any:
    mimes = {name.replace("__", "+").replace("_", "/", 1): value for name, value in data.items()}
    return nbformat.v4.new_output("display_data", data=mimes)


def good() -> list[Any]:
    return [
        text(f"# 02 · PriorBox\n\n{colab_door('02_prior_box')}\n\nWhy 8,732?", "slide"),
        code("print('detlearn ready')", stream("detlearn ready\n"), tags=("setup",), slide="skip"),
        code("import math"),
        code("def half(x):\n    return x / 2"),
        code("half(3)", nbformat.v4.new_output("execute_result", data={"text/plain": "1.5"})),
        code("assert half(4) == 2"),
        code("draw()", shown(image_png="aGk=", text_plain="Figure: four boxes on a cat")),
    ]


def problems(tmp_path: Path, cells: list[Any], **metadata: Any) -> list[str]:
    notebook = nbformat.v4.new_notebook(metadata={**METADATA, **metadata}, cells=cells)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    path = tmp_path / "02_prior_box.ipynb"
    write_notebook(notebook, path)
    return lint(path).problems


def test_a_good_notebook_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, good()) == []


def error(name: str = "ValueError") -> Any:
    return nbformat.v4.new_output("error", ename=name, evalue="no", traceback=[])


FAULTS: list[tuple[str, Any, str]] = [
    ("slide type", code("1", stream("1"), slide=""), "slide type '', expected one of slide,"),
    ("tag", code("1", stream("1"), tags=("teach",)), "unknown tag 'teach'; known are setup,"),
    ("empty code", code(""), "an empty code cell"),
    ("too many lines", code("x = 1\n" * 25 + "assert x"), "26 lines, at most 25"),
    ("too many columns", code("assert " + "x" * 70), "line 1 has 77 columns, at most 76"),
    ("no evidence", code("x = 1"), "no evidence: end it in a shape, a number, a figure"),
    ("interact", code("@interact\ndef f(): pass"), "interact and Output() do not survive"),
    ("a function of interact", code("w = interactive(f)\nassert w"), "interact and Output()"),
    ("Output widget", code("out = widgets.Output()\nassert out"), "interact and Output()"),
    ("address in code", code("get('https://x.org')", stream("x")), "no notebook needs the network"),
    ("optional but run", code("get()", stream("x"), tags=("optional",)), "also tagged nbval-skip"),
    ("empty text", text(" "), "an empty Markdown cell"),
    ("banned phrase", text("Can you see it?"), "'Can you': say what to do"),
    ("another banned phrase", text("Play around with the slider."), "'Play around with': say what"),
    ("picture without alt", text("![](data:image/png;base64,aGk=)"), "a picture without alternative"),
    ("remote picture", text("![a cat](https://x.org/cat.png)"), "a picture from elsewhere (https"),
    ("picture beside it", text("![a cat](cat.png)"), "Colab shows no file beside the notebook"),
    ("html picture without alt", text("<img src='data:x'>"), "<img> without alt"),
    ("html picture with empty alt", text('<img alt="" src="data:x">'), "<img> without alt"),
    ("frame without title", code("x", shown(text_html="<iframe srcdoc='x'></iframe>")), "<iframe> without title"),
    ("script from elsewhere", code("x", shown(text_html="<img alt='cat' src='//x.org/a.png'>")), "<img> loads from a foreign"),
    ("svg without words", code("x", shown(image_svg__xml="<svg></svg>")), "<svg> without aria-label"),
    ("figure without alt", code("x", shown(image_png="aGk=", text_plain="<Figure size 640x480>")), "a figure without alternative text"),
    ("error", code("x", error()), "ends in ValueError: no"),
    ("raises nothing", code("x", stream("x"), tags=("raises-exception",)), "tagged as raising, and raises"),
    ("stderr", code("x", stream("Warning\n", "stderr")), "prints to stderr: 'Warning'"),
    ("address in memory", code("x", stream("<object at 0x7f6b7be38a90>")), "an address in memory in the output"),
    ("path", code("x", stream("saved in /home/ada/run")), "a path of this machine in the output: /home/ada/run"),
    ("temporary file", code("x", stream("ipykernel_123/4.py:1")), "a path of this machine"),
    ("path on Windows", code("x", stream(r"saved in C:\run")), "a path of this machine"),
    ("widget", code("x", shown(text_plain="x", application_vnd="", **{"application_vnd.jupyter.widget-view__json": "{}"})), "the view of a widget is saved"),
    ("taught wrongly", code("def box_area(boxes):\n    return 0", tags=("teaches:detlearn.boxes.geometry:box_area",)), "is defined otherwise in the package"),
    ("taught nowhere", code("import math", tags=("teaches:detlearn.boxes.geometry:box_area",)), "the cell does not define box_area"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "message"), [
    pytest.param(*case[1:], id=case[0]) for case in FAULTS
])  # fmt: skip
def test_each_fault_is_found(tmp_path: Path, cell: Any, message: str) -> None:
    found = problems(tmp_path, [*good(), cell])
    assert len(found) == 1, found
    assert message in found[0]
    assert found[0].startswith("02_prior_box.ipynb, cell 'cell-7': ")


FINE: list[tuple[str, Any]] = [
    ("a described svg", code("x", shown(image_svg__xml="<svg><title>one box</title></svg>"))),
    ("a titled frame", code("x", shown(text_html='<iframe title="explorer" srcdoc="x"></iframe>'))),
    ("an expected error", code("x", error(), tags=("raises-exception",))),
    ("a ratio is no path", text("3/4 of them, see §2")),
    ("a path in text of a library", code("x", stream("detlearn/boxes/priors.py and a/tmp/b"))),
    ("a banned phrase in code", text("```\n# think about it\n```")),
    ("a link", text("[the paper](https://arxiv.org/abs/1512.02325)")),
]  # fmt: skip


@pytest.mark.parametrize("cell", [pytest.param(case[1], id=case[0]) for case in FINE])
def test_what_is_no_fault(tmp_path: Path, cell: Any) -> None:
    assert problems(tmp_path, [*good(), cell]) == []


def more(count: int, tags: tuple[str, ...]) -> list[Any]:
    return [code("print(1)", stream("1\n"), tags=tags) for _ in range(count)]


WHOLE: list[tuple[str, Callable[[], list[Any]], dict[str, Any], str]] = [
    ("no cells", list, {}, "0 titles (`# ...`), expected one"),
    ("two titles", lambda: [*good(), text("# Another")], {}, "2 titles"),
    ("too many not compared", lambda: [*good(), *more(1, ("nbval-ignore-output",))], {}, "1 of 7 code cells are exempt from comparison, at most 8%"),
    ("widget state", good, {"widgets": {}}, "widget state is saved in it"),
    ("too large", lambda: [*good(), text("word " * 200_001)], {}, "bytes, at most 1,000,000"),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "metadata", "message"), [
    pytest.param(*case[1:], id=case[0]) for case in WHOLE
])  # fmt: skip
def test_faults_of_the_whole(
    tmp_path: Path, cells: Callable[[], list[Any]], metadata: dict[str, Any], message: str
) -> None:
    found = problems(tmp_path, cells(), **metadata)
    assert len(found) == 1, found
    assert message in found[0]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("cell-4", "cell 'cell-4': two cells have this id"),
        ("cell 3", "cell 'cell 3': no valid id"),
    ],
)
def test_ids(tmp_path: Path, name: str, problem: str) -> None:
    problems(tmp_path, good())
    path = tmp_path / "02_prior_box.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("cell-3", name), encoding="utf-8")
    assert lint(path).problems == [f"02_prior_box.ipynb, {problem}"]


def test_a_heading_in_a_code_block_is_no_title(tmp_path: Path) -> None:
    assert problems(tmp_path, [*good(), text("```sh\n# a comment\n```")]) == []


def test_figures_and_notes(tmp_path: Path) -> None:
    problems(tmp_path, good())
    report = lint(tmp_path / "02_prior_box.ipynb")
    assert report.summary.splitlines()[0] == (
        "02_prior_box.ipynb: 7 cells, 7 cells of the core, 5 words, 6 lines, 0 minutes, "
        "0 sections, 6 code cells, "
        "1 lines of code a cell (median), 0 cells not compared, 2 kB"
    )
    assert report.notes == [
        "7 cells, usually 40 to 70",
        "5 words, usually 1500 to 2300",
        "6 lines of code, usually 100 to 350",
        "0 minutes, usually 40 to 100",
        "0 sections, usually 3 to 9",
    ]


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        ("over 9 in 10 are dropped: True\n", True),
        ("False", True),
        ("9,214 of 9,700 are dropped\n", False),
        ("tensor([True, False])", False),
    ],
)
def test_a_bare_truth_value_is_noted(tmp_path: Path, said: str, noted: bool) -> None:
    cell = code("print(1)", stream(said))
    problems(tmp_path, [*good(), cell])
    notes = lint(tmp_path / "02_prior_box.ipynb").notes
    assert any("numbers say more" in note for note in notes) == noted


# ------------------------------------------------------------------- definitions and package

AREA = "detlearn.boxes.geometry:box_area"
BOX_AREA = '''
def box_area(boxes):
    """Another docstring."""
    # another comment
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1) * (y2 - y1)
'''

COUNT = "detlearn.boxes.layouts:PriorConfig.num_priors"

SAME = [
    ("docstring, comment and annotations aside", BOX_AREA, AREA),
    ("beside other definitions", "import torch\n\n" + BOX_AREA + "\nprint(3)", AREA),
    ("a method", "@property\ndef num_priors(self):\n    return sum(self.priors_per_level)", COUNT),
    ("a method inside its class", "class PriorConfig:\n    @property\n    def num_priors(self):\n        return sum(self.priors_per_level)", COUNT),
    ("a method added later", "@method_of(PriorBox)\ndef __init__(self, config):\n    self.config = config", "detlearn.boxes.priors:PriorBox.__init__"),
    ("fields of a class", "class PriorIndex(NamedTuple):\n    level: 'int'\n    row: int\n    column: int\n    prior: int", "detlearn.boxes.priors:PriorIndex"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), [
    pytest.param(*case[1:], id=case[0]) for case in SAME
])  # fmt: skip
def test_equal_definitions(source: str, target: str) -> None:
    assert compare_definitions(source, target) == ""


OTHER = [
    ("an operator", BOX_AREA.replace("x2 - x1", "x2 + x1"), AREA, "+    return (x2 + x1) * (y2 - y1)"),
    ("a default", BOX_AREA.replace("(boxes)", "(boxes=None)"), AREA, "+def box_area(boxes=None):"),
    ("a statement more", BOX_AREA.replace("    return", "    print(x1)\n    return"), AREA, "+    print(x1)"),
    ("another decorator", "def num_priors(self):\n    return sum(self.priors_per_level)", COUNT, "-@property"),
    ("a field less", "class PriorIndex(NamedTuple):\n    level: int\n    row: int\n    column: int", "detlearn.boxes.priors:PriorIndex", "-    prior"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "line"), [
    pytest.param(*case[1:], id=case[0]) for case in OTHER
])  # fmt: skip
def test_different_definitions(source: str, target: str, line: str) -> None:
    assert line in compare_definitions(source, target)


MODULE = '''
def area(x, size: int = 3) -> int:
    """Docs."""
    if size < 0:
        raise ValueError("size")
    rows: list = x.reshape(-1, 4)  # (N, 4)
    return rows
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the package that only this test has."""
    import importlib.util

    path = tmp_path / "lesson.py"
    path.write_text(MODULE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("detlearn.lesson", path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    return "detlearn.lesson:area"


def test_guards_and_local_annotations_are_left_aside(module: str) -> None:
    lesson = "def area(x, size=3):\n    rows = x.reshape(-1, 4)  # (N, 4)\n    return rows"
    assert compare_definitions(lesson, module) == ""
    guarded = lesson.replace("    rows =", "    if size < 1:\n        raise ValueError\n    rows =")
    assert compare_definitions(guarded, module) == ""
    for check in ("_check_size(x)", "check_size(x)"):  # of the same file, of another one
        checked = lesson.replace("    rows =", f"    {check}\n    rows =")
        assert compare_definitions(checked, module) == ""
    drawn = lesson.replace("    rows =", "    draw_size(x)\n    rows =")
    assert "draw_size(x)" in compare_definitions(drawn, module)


def test_other_ifs_are_compared(module: str) -> None:
    lesson = MODULE.replace('raise ValueError("size")', "size = 0")
    assert "size = 0" in compare_definitions(lesson, module)


def test_shape_comments_are_compared(module: str) -> None:
    lesson = "def area(x, size=3):\n    rows = x.reshape(-1, 4)  # (M, 4)\n    return rows"
    assert compare_definitions(lesson, module) == (
        "the notebook says (M, 4) where the package says (N, 4)"
    )


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("math:sqrt", "expected detlearn.MODULE:NAME"),
        ("detlearn.boxes.geometry", "expected detlearn.MODULE:NAME"),
        ("detlearn.boxes.nowhere:x", "expected detlearn.MODULE:NAME"),
        ("detlearn.boxes.geometry:volume", "detlearn.boxes.geometry defines no volume"),
        ("detlearn.boxes.nms:nms", "the cell does not define nms"),
    ],
)
def test_what_cannot_be_compared_is_named(target: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare_definitions(BOX_AREA, target)


def test_a_cell_may_teach_several_things() -> None:
    cell = code("x", tags=("prove", f"teaches:{AREA}", f"teaches:{COUNT}"))
    assert taught(cell) == [AREA, COUNT]


@pytest.mark.parametrize(
    ("between", "found"), [(0, False), (4, False), (5, True), (None, True)],
    ids=["at once", "the fifth", "the sixth", "never"],
)  # fmt: skip
def test_a_prediction_is_checked_soon(tmp_path: Path, between: int | None, found: bool) -> None:
    question = text("**Predict:** how much is it?")
    words = [text("On it goes.") for _ in range(between or 0)]
    answer = [] if between is None else [code("print(3)", stream("3\n"))]
    told = problems(tmp_path, [*good(), question, *words, *answer])
    assert ("checks the prediction of 'cell-7'" in "".join(told)) == found
