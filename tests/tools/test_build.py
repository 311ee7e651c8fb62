"""The builder: sources become notebooks, twice the same, and nothing else does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from detlearn import __main__ as shell
from detlearn.teach.exercises import nb02
from tools.course import __main__ as command
from tools.course import build, check, student
from tools.course import clone as places
from tools.course import source as reading
from tools.course.clone import BuildError

ROOT = Path(__file__).resolve().parents[2]


def rewrite(clone: Path, text: str, name: str = "00_small.py") -> Path:
    path = clone / "notebooks" / "src" / name
    path.write_text(text, encoding="utf-8")
    return path


def small(clone: Path) -> str:
    return (clone / "notebooks" / "src" / "00_small.py").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------- addresses


def test_the_address_is_written_once() -> None:
    url = places.repository_url()
    assert url.startswith("https://") and not url.endswith((".git", "/"))
    others = [
        path
        for folder in ("detlearn", "notebooks/src", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if url in path.read_text(encoding="utf-8")
    ]
    assert others == []


def test_a_door_opens_this_notebook_in_colab() -> None:
    repository = places.repository_url().removeprefix("https://github.com/")
    assert places.colab_door("02_prior_box") == (
        f"[Open in Colab](https://colab.research.google.com/github/{repository}/blob/main/notebooks/"
        "02_prior_box.ipynb)"
    )


def test_git_suffix_and_slash_do_not_matter(clone: Path) -> None:
    text = (clone / "pyproject.toml").read_text(encoding="utf-8")
    text = text.replace(places.repository_url(clone), "https://example.org/a/b.git/")
    (clone / "pyproject.toml").write_text(text, encoding="utf-8")
    assert places.repository_url(clone) == "https://example.org/a/b"
    assert "/github/a/b/blob/" in places.colab_link("x", clone)


# ------------------------------------------------------------------------------- sources


def test_sources_by_number(clone: Path) -> None:
    rewrite(clone, small(clone), "02_other.py")
    rewrite(clone, "", "helper.py")
    assert [p.name for p in places.sources((), clone)] == ["00_small.py", "02_other.py"]
    assert [p.name for p in places.sources(("2",), clone)] == ["02_other.py"]
    with pytest.raises(BuildError, match="no source of chapter 07; there are 00, 02"):
        places.sources(("07",), clone)


def test_outside_a_clone_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="this works in a clone of the course"):
        places.sources((), tmp_path)


def test_reading_a_source(clone: Path) -> None:
    notebook = reading.read_source(clone / "notebooks/src/00_small.py", clone)
    assert [cell.id for cell in notebook.cells] == [
        "00-small",
        "setup",
        "what-is-a-prior",
        "define-double",
        "evidence",
    ]
    title, setup, *_ = notebook.cells
    assert title.source.splitlines() == [
        "# 00 · Small",
        "",
        places.colab_door("00_small", clone),
        "",
        "One question.",
    ]
    assert setup.source == places.setup_cell(clone)
    skipped = {"slideshow": {"slide_type": "skip"}, "tags": ["setup"]}
    assert setup.metadata == skipped | {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert setup.source.startswith("# @title ")
    assert all("jupyter" not in cell.metadata for cell in notebook.cells if cell is not setup)
    assert notebook.metadata == reading.METADATA
    assert notebook.cells[-1].source == 'print("one\\ntwo")\ndouble(4)'


NAMES = [
    ("nothing", "markdown", "", "markdown"),
    ("a heading", "markdown", "Text first\n\n## Häuser & Bäume", "hauser-baume"),
    ("prose", "markdown", "**Count** them.", "count-them"),
    ("a class", "code", "import torch\n\nclass PriorBox:\n    pass", "define-priorbox"),
    ("a call", "code", "\nmake_priors(config).shape", "make-priors-config-shape"),
    ("a magic", "code", "%matplotlib inline", "matplotlib-inline"),
    ("a very long line", "code", "x = " + "abcdefghi_" * 9, "x-abcdefghi-abcdefghi-abcdefghi-abcdefghi"),
    ("one very long word", "code", "y" * 99, "y" * 48),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "source", "name"), [
    pytest.param(*case[1:], id=case[0]) for case in NAMES
])  # fmt: skip
def test_cells_get_speaking_names(kind: str, source: str, name: str) -> None:
    assert reading._speaking_name(kind, source) == name


def test_equal_names_are_numbered(clone: Path) -> None:
    path = rewrite(clone, small(clone) + '\n# %% slide="-"\ny = 1\n\n# %% slide="-"\ny = 1\n')
    names = [cell.id for cell in reading.read_source(path, clone).cells]
    assert names[-2:] == ["y-1", "y-1-2"]


def test_jupyters_own_form_of_the_slide_type_is_understood(clone: Path) -> None:
    old, new = 'slide="fragment"', 'slideshow={"slide_type": "fragment"}'
    before = reading.read_source(clone / "notebooks/src/00_small.py", clone)
    path = rewrite(clone, small(clone).replace(old, new))
    assert reading.read_source(path, clone) == before


FAULTS = [
    ("no title", "# # 00 · Small", "# 00 · Small", "the first cell is the title"),
    ("no setup cell", ' tags=["setup"]', "", "the second cell, and no other, is tagged setup"),
    ("two setup cells", 'slide="-"', 'slide="-" tags=["setup"]', "cell 4: the second cell, and no other"),
    ("a setup cell with code", '"] slide="skip"\n', '"] slide="skip"\nx = 1\n', "its text comes from src/_setup.py"),
    ("an id twice", 'slide="-"', 'slide="-" id="evidence"', "another cell has the id 'evidence'"),
    ("a bad id", 'id="evidence"', 'id="the evidence"', "'the evidence' is no id"),
    ("a bad slide type", 'slide="-"', 'slide="page"', r"slide 'page', expected one of slide, sub"),
    ("unknown metadata", 'slide="-"', 'slide="-" alt="x"', r"\(define-double\): unknown metadata alt"),
    ("a raw cell", '# %% slide="-"', "# %% [raw]", "a raw cell; expected markdown or code"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), [
    pytest.param(*case[1:], id=case[0]) for case in FAULTS
])  # fmt: skip
def test_faults_of_a_source_are_named(clone: Path, old: str, new: str, message: str) -> None:
    assert old in small(clone)
    path = rewrite(clone, small(clone).replace(old, new, 1))
    with pytest.raises(BuildError, match=message) as caught:
        reading.read_source(path, clone)
    assert str(caught.value).startswith("00_small.py")


# ------------------------------------------------------------------------------- building


def test_build_executes_and_repeats_itself_byte_by_byte(clone: Path) -> None:
    source = clone / "notebooks/src/00_small.py"
    product = build.build(source, clone)
    assert product == clone / "notebooks/00_small.ipynb"
    first = product.read_bytes()
    assert check.check((), clone) == []
    data = json.loads(first)
    assert [c.get("execution_count") for c in data["cells"]] == [None, 1, None, 2, 3]
    assert data["cells"][1]["outputs"][0]["text"] == ["detlearn ready\n"]
    stream, result = data["cells"][4]["outputs"]
    assert (stream["text"], result["data"]["text/plain"]) == (["one\n", "two\n"], ["8"])
    assert set(data["metadata"]) == {"accelerator", "colab", "kernelspec", "language_info"}
    assert b"timestamp" not in first and b"\r" not in first
    nbformat.validate(nbformat.read(product, as_version=4))
    product.unlink()
    assert build.build(source, clone).read_bytes() == first
    assert sorted(p.name for p in product.parent.iterdir()) == ["00_small.ipynb", "src"]


def test_a_failing_cell_is_named_and_nothing_is_written(clone: Path) -> None:
    path = rewrite(clone, small(clone).replace("double(4)", "double(4) / 0"))
    with pytest.raises(BuildError, match=r"(?s)00_small.py, cell 'evidence':.*ZeroDivisionError"):
        build.build(path, clone)
    assert not places.product_of(path).exists()


def test_what_differs_from_run_to_run_is_left_out(clone: Path) -> None:
    cells = """
# %% slide="-" id="error" tags=["raises-exception"]
1 / 0

# %% slide="-" id="skipped" tags=["nbval-skip", "optional"]
import urllib.no_such_module

# %% slide="-" id="widget"
import ipywidgets
ipywidgets.IntSlider(value=3)

# %% slide="-" id="progress"
print("10%\\r50%\\r100%", flush=True)
print("done")
"""
    path = rewrite(clone, small(clone) + cells)
    notebook = nbformat.read(build.build(path, clone), as_version=4)
    error, skipped, widget, progress = notebook.cells[-4:]
    assert error.outputs[0].traceback == ["ZeroDivisionError: division by zero"]
    assert (skipped.execution_count, skipped.outputs) == (None, [])
    assert list(widget.outputs[0].data) == ["text/plain"]
    assert "widgets" not in notebook.metadata
    assert [output.text for output in progress.outputs] == ["100%\ndone\n"]
    assert check.check((), clone) == []


def test_measured_seconds_stay_until_their_cell_changes(clone: Path) -> None:
    cell = (
        '\n# %% slide="-" id="time" tags=["nbval-ignore-output"]\nimport time; print(time.time())\n'
    )
    path = rewrite(clone, small(clone) + cell)
    first = build.build(path, clone).read_bytes()
    assert build.build(path, clone).read_bytes() == first
    rewrite(clone, small(clone).replace("time.time()", "time.time() / 2"))
    again = nbformat.read(build.build(path, clone), as_version=4)
    assert again.cells[-1].outputs[0].text.encode().strip() not in first


def test_an_explorer_is_made_anew_from_the_same_cell(clone: Path) -> None:
    """What it draws (weights, a page) may have changed outside of the notebook."""
    weights = clone / "notebooks" / "weights.txt"
    weights.write_text("old")
    cell = (
        '\n# %% slide="-" id="explorer" tags=["explorer", "nbval-ignore-output"]\n'
        'print(open("weights.txt").read())\n'
    )
    path = rewrite(clone, small(clone) + cell)
    outputs = []
    for text in ("old", "new"):
        weights.write_text(text)
        notebook = nbformat.read(build.build(path, clone), as_version=4)
        outputs.append(notebook.cells[-1].outputs[0].text)
    assert outputs == ["old\n", "new\n"]


# ------------------------------------------------------------------------------- checking


def unexecuted(clone: Path) -> Path:
    """A product as the builder would write it, without running a kernel."""
    source = clone / "notebooks/src/00_small.py"
    notebook = reading.read_source(source, clone)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
    build.write_notebook(notebook, places.product_of(source))
    return places.product_of(source)


def test_a_missing_product_is_a_difference(clone: Path) -> None:
    assert check.check((), clone) == [
        "00_small.ipynb: not built; run `python -m tools.course build 00`"
    ]


def test_a_product_without_source_is_a_difference(clone: Path) -> None:
    unexecuted(clone).rename(clone / "notebooks" / "07_lost.ipynb")
    assert "07_lost.ipynb: no source notebooks/src/07_lost.py" in check.check((), clone)


def change_nothing(data: dict[str, Any]) -> None: ...
def change_text(data: dict[str, Any]) -> None:
    data["cells"][3]["source"][-1] = "    return 3 * x"


def change_tags(data: dict[str, Any]) -> None:
    data["cells"][4]["metadata"]["tags"] = ["nbval-skip"]


def change_count(data: dict[str, Any]) -> None:
    data["cells"][3]["execution_count"] = 7


def change_metadata(data: dict[str, Any]) -> None:
    data["metadata"]["language_info"]["version"] = "3.13"


def remove_a_cell(data: dict[str, Any]) -> None:
    del data["cells"][3]


def add_a_cell(data: dict[str, Any]) -> None:
    data["cells"].append({**data["cells"][3], "id": "mine"})


def swap_cells(data: dict[str, Any]) -> None:
    data["cells"][2:4] = data["cells"][3:1:-1]


CHANGES = [
    (change_nothing, None),
    (change_text, "cell 'define-double': not the text of the source"),
    (change_tags, "cell 'evidence': not the tags or slide type of the source"),
    (change_count, "cell 'define-double': not executed in order"),
    (change_metadata, "its metadata are not the builder's"),
    (remove_a_cell, "cells define-double are missing"),
    (add_a_cell, "cells mine are not in the source"),
    (swap_cells, "the cells are in another order"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CHANGES, ids=lambda v: getattr(v, "__name__", ""))
def test_check_names_the_difference(clone: Path, change: Any, message: str | None) -> None:
    product = unexecuted(clone)
    data = json.loads(product.read_text(encoding="utf-8"))
    change(data)
    product.write_text(json.dumps(data), encoding="utf-8")
    problems = check.check(("00",), clone)
    assert len(problems) == (message is not None)
    assert message is None or message in problems[0]


# ------------------------------------------------------------------------------- student copies

EXERCISE = """
# %% slide="-" id="count-stub" tags=["exercise"]
from detlearn import __main__ as shell
from detlearn.teach.exercises import nb02
nb02.prior_count.check(None)

# %% slide="-" id="sizes-stub" tags=["exercise"]
nb02.cell_sizes.check(None)

# %% slide="-" id="sizes-solution" tags=["solution"]
print("by hand")
"""


def with_exercises(clone: Path) -> Path:
    rewrite(clone, small(clone) + EXERCISE)
    product = unexecuted(clone)
    notebook = nbformat.read(product, as_version=4)
    notebook.cells[5].outputs = [nbformat.v4.new_output("stream", text="not yet\n")]
    build.write_notebook(notebook, product)
    return product


def test_student_copies_have_no_solutions_and_instructors_have_all(
    clone: Path, tmp_path: Path
) -> None:
    before = with_exercises(clone).read_bytes()
    written = student.write_student_copies(tmp_path / "class", clone)
    assert written == [
        tmp_path / "class/student/00_small.ipynb",
        tmp_path / "class/instructor/00_small.ipynb",
    ]
    for_students, instructor = (nbformat.read(path, as_version=4) for path in written)
    nbformat.validate(for_students)
    nbformat.validate(instructor)
    assert [cell.id for cell in for_students.cells][-3:] == ["evidence", "count-stub", "sizes-stub"]
    assert for_students.cells[-2].outputs == [] and for_students.cells[-2].execution_count is None
    assert [cell.id for cell in instructor.cells][-4:] == [
        "count-stub",
        "solution-prior-count",
        "sizes-stub",
        "sizes-solution",
    ]
    solution = instructor.cells[-3]
    assert nb02.prior_count.solution_source in solution.source
    assert solution.source.endswith("nb02.prior_count.check(prior_count)")
    assert (clone / "notebooks/00_small.ipynb").read_bytes() == before


def test_a_class_may_have_numbers_of_its_own(clone: Path, tmp_path: Path) -> None:
    with_exercises(clone)
    written = student.write_student_copies(tmp_path / "class", clone, seed=7)
    for path in written:
        cells = nbformat.read(path, as_version=4).cells
        checks = [cell.source for cell in cells if ".check(" in cell.source]
        assert checks and all(".check(" in text and ", seed=7)" in text for text in checks), path


def test_students_get_no_notes_of_the_speaker(clone: Path, tmp_path: Path) -> None:
    product = with_exercises(clone)
    notebook = nbformat.read(product, as_version=4)
    note = nbformat.v4.new_markdown_cell("> *For the speaker.* It is 42.", id="notes-answer")
    note.metadata["slideshow"] = {"slide_type": "notes"}
    notebook.cells.append(note)
    notebook.cells[0].source += "\n\n<!-- speaker: It is 43. -->"
    build.write_notebook(notebook, product)
    for_students, instructor = student.write_student_copies(tmp_path / "class", clone)
    assert "speaker" not in for_students.read_text(encoding="utf-8")
    assert "It is 43." not in for_students.read_text(encoding="utf-8")
    assert "It is 42." in instructor.read_text(encoding="utf-8")


def code_of(source: str) -> list[str]:
    """The statements of the functions in a text, without docstrings, each as the parser has it."""
    import ast

    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic of IPython
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            found.append(f"{node.name}: {[ast.dump(statement) for statement in body]}")
    return found


def test_the_course_s_own_copies_leak_no_solution_and_no_note(tmp_path: Path) -> None:
    from detlearn.teach.exercises import exercises_of

    written = student.write_student_copies(tmp_path / "class")
    copies = [path for path in written if path.parent.name == "student"]
    assert len(copies) >= 13
    answers = 0
    for path in copies:
        notebook = nbformat.read(path, as_version=4)
        text = "\n".join(cell.source for cell in notebook.cells)
        assert not re.search("For the speaker|<!-- speaker", text), path.name
        for cell in notebook.cells:
            assert not {"solution"} & set(cell.metadata.get("tags", [])), (path.name, cell.id)
            if "exercise" in cell.metadata.get("tags", []):
                assert cell.get("outputs", []) == [], (path.name, cell.id)
        stubs = [
            code for cell in notebook.cells if "exercise" in cell.metadata.get("tags", [])
            for code in code_of(cell.source)
        ]  # fmt: skip
        try:
            exercises = exercises_of(f"nb{path.name[:2]}")
        except (ValueError, ModuleNotFoundError):  # a chapter without exercises
            continue
        for exercise in exercises:
            answers += 1
            for code in code_of(exercise.solution_source):
                assert code not in stubs, (path.name, exercise.key)
    assert answers >= 40


def test_the_inserted_solution_is_right(clone: Path, tmp_path: Path) -> None:
    with_exercises(clone)
    _, path = student.write_student_copies(tmp_path, clone)
    source = nbformat.read(path, as_version=4).cells[-3].source
    body, _, call = source.rpartition("\n")
    namespace: dict[str, Any] = {"nb02": nb02}
    exec(body, namespace)
    assert eval(call, namespace)


def test_a_second_run_writes_the_same_and_never_over_somebodys_work(
    clone: Path, tmp_path: Path
) -> None:
    with_exercises(clone)
    first, _ = student.write_student_copies(tmp_path, clone)
    before = first.read_bytes()
    student.write_student_copies(tmp_path, clone)
    assert first.read_bytes() == before
    first.write_bytes(before.replace(b"One question.", b"My answer."))
    with pytest.raises(ValueError, match="may hold somebody's answers"):
        student.write_student_copies(tmp_path, clone)
    assert b"My answer." in first.read_bytes()


def test_without_notebooks_it_says_so(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no notebook to copy"):
        student.write_student_copies(tmp_path / "x", clone)


# ------------------------------------------------------------------------------- the command


def test_command_line(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["check"], clone) == 1
    assert "not built" in capsys.readouterr().err
    assert command.main(["lint"], clone) == 1
    assert "not built" in capsys.readouterr().err
    assert command.main(["build", "00"], clone) == 0
    assert "notebooks/00_small.ipynb: " in capsys.readouterr().out
    assert command.main(["check"], clone) == 0
    assert command.main(["lint"], clone) == 0
    assert "00_small.ipynb: 5 cells" in capsys.readouterr().out
    assert command.main(["build", "55"], clone) == 1
    assert "no source of chapter 55" in capsys.readouterr().err
    rewrite(clone, small(clone).replace("double(4)", "triple(4)"))
    assert command.main(["build"], clone) == 1
    assert "NameError" in capsys.readouterr().err
    for words, status in ((["--help"], 0), ([], 2), (["bake"], 2)):
        with pytest.raises(SystemExit) as ended:
            command.main(words, clone)
        assert ended.value.code == status
        assert "usage: python -m tools.course" in "".join(capsys.readouterr())


def test_command_line_of_the_copies(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unexecuted(clone)
    assert command.main(["student", "--out", str(tmp_path / "class")], clone) == 0
    said = capsys.readouterr().out.split()
    assert said == [
        str(tmp_path / f"class/{who}/00_small.ipynb") for who in ("student", "instructor")
    ]
    assert all(Path(path).is_file() for path in said)


def test_the_shell_makes_copies_in_a_clone_and_says_so_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    class_room = tmp_path / "class"  # where they go if nobody says
    assert shell.main(["student"]) == 0
    names = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    for folder in ("student", "instructor"):
        assert sorted(path.name for path in (class_room / folder).iterdir()) == names
    monkeypatch.setattr(shell, "__file__", str(tmp_path / "site-packages/detlearn/__main__.py"))
    assert shell.main(["student", "--out", str(tmp_path / "other")]) == 2
    assert "is no clone of the course" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_what_the_builder_needs_is_named_when_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jupytext", None)
    with pytest.raises(BuildError, match="jupytext is missing: python -m pip install -r"):
        places.needed("jupytext")


def test_the_setup_cell_is_renewed_without_executing(clone: Path) -> None:
    source = clone / "notebooks/src/00_small.py"
    product = build.build(source, clone)
    before = nbformat.read(product, as_version=4)
    text = clone / "notebooks/src/_setup.py"
    text.write_text(text.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    assert check.check_one(source, clone) != []
    assert build.renew_setup(source, clone) == product
    assert check.check_one(source, clone) == []
    after = nbformat.read(product, as_version=4)
    assert after.cells[1].source.endswith("# more")
    assert after.cells[1].outputs == before.cells[1].outputs
    assert after.cells[:1] + after.cells[2:] == before.cells[:1] + before.cells[2:]


def test_what_has_no_setup_cell_is_not_renewed(clone: Path) -> None:
    source = clone / "notebooks/src/00_small.py"
    with pytest.raises(ValueError, match="00_small.ipynb: not built"):
        build.renew_setup(source, clone)
    product = build.build(source, clone)
    notebook = nbformat.read(product, as_version=4)
    del notebook.cells[1]
    nbformat.write(notebook, product)
    with pytest.raises(ValueError, match="second cell is not tagged setup"):
        build.renew_setup(source, clone)


def test_prose_and_tags_are_written_anew_and_outputs_stay(clone: Path) -> None:
    """What comes out has the bytes of a build that executes everything."""
    source = clone / "notebooks/src/00_small.py"
    build.build(source, clone)
    text = small(clone).replace("One question.", "Another question.")
    text = text.replace('slide="fragment" id="evidence"', 'slide="skip" id="evidence"')
    text += '\n# %% [markdown] slide="notes"\n# > *For the speaker.* Ask.\n'
    rewrite(clone, text)
    assert check.check_one(source, clone) != []
    kept = build.keep_outputs(source, clone).read_bytes()
    assert check.check_one(source, clone) == []
    assert build.build(source, clone).read_bytes() == kept


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("double(4)", "double(5)", "code changed: evidence"),
        ("# %% slide=", '# %% tags=["nbval-skip"] slide=', "code changed: define-double"),
        ('id="evidence"', 'id="proof"', "code changed: evidence, proof"),
    ],
    ids=["text", "never executed", "another cell"],
)
def test_outputs_of_other_code_are_not_kept(clone: Path, old: str, new: str, message: str) -> None:
    source = clone / "notebooks/src/00_small.py"
    with pytest.raises(BuildError, match="00_small.ipynb: not built"):
        build.keep_outputs(source, clone)
    product = build.build(source, clone)
    before = product.read_bytes()
    rewrite(clone, small(clone).replace(old, new, 1))
    with pytest.raises(BuildError, match=f"{message}; it must be executed"):
        build.keep_outputs(source, clone)
    assert product.read_bytes() == before


def test_the_command_keeps_outputs(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = clone / "notebooks/src/00_small.py"
    assert command.main(["build", "--keep-outputs"], clone) == 1
    assert "not built" in capsys.readouterr().err
    build.build(source, clone)
    assert command.main(["build", "0", "--keep-outputs"], clone) == 0
    assert "00_small.ipynb" in capsys.readouterr().out
