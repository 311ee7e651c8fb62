"""Sources become notebooks: build, check, lint, student copies.

People edit `notebooks/src/NN_name.py` (jupytext's py:percent format); everything else reads
`notebooks/NN_name.ipynb`, which is made from it and committed: Colab opens it, GitHub shows it,
and nbval compares what it prints.

    python -m detlearn.teach.notebooks build [02 ...]     execute and write
    python -m detlearn.teach.notebooks check [02 ...]     do products agree with their sources?
    python -m detlearn.teach.notebooks lint [02 ...]      form, taught definitions, sizes

A cell starts with its marker; what follows on that line is metadata:

    # %% [markdown] id="where-sizes-come-from" slide="slide"
    # ## Where the sizes come from
    #
    # Prose in comments.

    # %% slide="fragment" tags=["teaches:detlearn.boxes.priors:PriorBox"]
    class PriorBox: ...

* `slide` is one of slide, subslide, fragment, notes, skip, and "-" (continues the cell above).
* `id` names the cell in links and messages; without it the heading, the definition or the first
  words name it.
* `tags`: see `detlearn.teach.lint.TAGS`.

The first cell is the title (`# 02 · PriorBox`); the builder puts the badge below it. The second
is a code cell tagged `setup`, empty in the source; the builder fills it from `src/_setup.py`.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import tempfile
import time
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from detlearn.files import write_atomically

__all__ = [
    "BuildError",
    "badge",
    "build",
    "check",
    "colab_link",
    "main",
    "product_of",
    "read_source",
    "repository_url",
    "setup_cell",
    "sources",
    "write_student_copies",
]

ROOT = Path(__file__).resolve().parents[2]
SLIDE_TYPES = ("slide", "subslide", "fragment", "notes", "skip", "-")
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
REF = "main"  # the branch that badges open, and that the setup cell clones
SECONDS_FOR_A_CELL = 600
METADATA: dict[str, Any] = {
    "accelerator": "GPU",
    "colab": {"provenance": []},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class BuildError(ValueError):
    """A source that cannot become a notebook; the message names the notebook and the cell."""


# --------------------------------------------------------------------------- what exists


def notebook_folder(root: Path = ROOT) -> Path:
    """The folder `notebooks/` of a clone.

    Raises:
        BuildError: detlearn runs from somewhere else.
    """
    folder = root / "notebooks"
    if not (folder / "src").is_dir():
        raise BuildError(
            f"there is no folder notebooks/src in {root}: this works in a clone of "
            f"the course, not in an installed package"
        )
    return folder


def sources(numbers: Sequence[str] = (), root: Path = ROOT) -> list[Path]:
    """The sources in the order of the course, all or those with these numbers.

    Args:
        numbers: chapters, `"02"` or `"2"`; empty means all.
        root: the clone.

    Raises:
        BuildError: a number that no source has.
    """
    folder = notebook_folder(root) / "src"
    found = sorted(path for path in folder.glob("*.py") if re.match(r"\d\d_", path.name))
    if not numbers:
        return found
    chosen = []
    for number in numbers:
        matching = [path for path in found if path.name[:2] == number.zfill(2)]
        if not matching:
            known = ", ".join(path.name[:2] for path in found) or "none yet"
            raise BuildError(f"no source of chapter {number}; there are {known}")
        chosen += matching
    return chosen


def product_of(source: Path) -> Path:
    """`notebooks/src/02_x.py` -> `notebooks/02_x.ipynb`."""
    return source.parent.parent / f"{source.stem}.ipynb"


def repository_url(root: Path = ROOT) -> str:
    """The address of the repository, from `[project.urls]` in pyproject.toml, written once.

    >>> repository_url().startswith("https://")
    True
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"]).rstrip("/").removesuffix(".git")


def colab_link(name: str, root: Path = ROOT) -> str:
    """Where Colab opens `notebooks/<name>.ipynb`."""
    owner_and_name = repository_url(root).split("://", 1)[-1].split("/", 1)[-1]
    colab = "https://colab.research.google.com/github"
    return f"{colab}/{owner_and_name}/blob/{REF}/notebooks/{name}.ipynb"


def badge(name: str, root: Path = ROOT) -> str:
    """The line below the title."""
    return f"[![Open in Colab]({BADGE})]({colab_link(name, root)})"


def setup_cell(root: Path = ROOT) -> str:
    """The second cell of every notebook."""
    text = (notebook_folder(root) / "src" / "_setup.py").read_text(encoding="utf-8")
    return text.replace("@REPOSITORY@", repository_url(root)).replace("@REF@", REF).strip()


# --------------------------------------------------------------------------- reading a source


def read_source(path: Path, root: Path = ROOT) -> Any:
    """A source as a notebook without outputs: ids, metadata, badge and setup cell in place.

    Args:
        path: `notebooks/src/NN_name.py`.
        root: the clone.

    Returns:
        An `nbformat.NotebookNode`; equal sources give equal notebooks.

    Raises:
        BuildError: no title, no setup cell, two cells of one id, unknown metadata.
    """
    jupytext = _needed("jupytext")
    nbformat = _needed("nbformat")
    read = jupytext.read(path, fmt="py:percent")
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    notebook.nbformat_minor = 5
    names: dict[str, int] = {}
    for number, cell in enumerate(read.cells):
        metadata = {k: v for k, v in cell.metadata.items() if k != "lines_to_next_cell"}
        where = f"{path.name}, cell {number + 1}"
        explicit = metadata.pop("id", None)
        source = _filled(cell, number, path, root)
        default = "setup" if number == 1 else _speaking_name(cell.cell_type, source)
        identifier = str(explicit or default)
        names[identifier] = names.get(identifier, 0) + 1
        if names[identifier] > 1:
            if explicit:
                raise BuildError(f"{where}: another cell has the id {identifier!r}")
            identifier = f"{identifier}-{names[identifier]}"
        if not re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", identifier):
            raise BuildError(f"{where}: {identifier!r} is no id; letters, digits, - and _ only")
        make = {
            "markdown": nbformat.v4.new_markdown_cell,
            "code": nbformat.v4.new_code_cell,
        }.get(cell.cell_type)
        if make is None:
            raise BuildError(f"{where}: a {cell.cell_type} cell; expected markdown or code")
        notebook.cells.append(
            make(
                source, id=identifier, metadata=_cell_metadata(metadata, f"{where} ({identifier})")
            )
        )
    return notebook


def _filled(cell: Any, number: int, path: Path, root: Path) -> str:
    """The text of a cell; the first gets its badge, the second is the setup cell."""
    if number == 0:
        if cell.cell_type != "markdown" or not cell.source.startswith("# "):
            raise BuildError(f"{path.name}: the first cell is the title, Markdown with `# ...`")
        title, _, rest = cell.source.partition("\n")
        return f"{title}\n\n{badge(path.stem, root)}\n\n{rest.strip()}".strip()
    is_setup = "setup" in cell.metadata.get("tags", [])
    if is_setup != (number == 1):
        raise BuildError(
            f"{path.name}, cell {number + 1}: the second cell, and no other, is tagged setup"
        )
    if not is_setup:
        return str(cell.source)
    code = [line for line in cell.source.splitlines() if line and not line.startswith("#")]
    if cell.cell_type != "code" or code:
        raise BuildError(
            f"{path.name}, cell 2: an empty code cell; its text comes from src/_setup.py"
        )
    return setup_cell(root)


def _cell_metadata(metadata: dict[str, Any], where: str) -> dict[str, Any]:
    """Tags and slide type, in the form that Jupyter knows."""
    slide = metadata.pop("slide", None) or metadata.pop("slideshow", {}).get("slide_type")
    tags = metadata.pop("tags", [])
    if metadata:
        raise BuildError(f"{where}: unknown metadata {', '.join(metadata)}; id, slide, tags only")
    if slide is not None and slide not in SLIDE_TYPES:
        raise BuildError(f"{where}: slide {slide!r}, expected one of {', '.join(SLIDE_TYPES)}")
    clean: dict[str, Any] = {}
    if slide is not None:
        clean["slideshow"] = {"slide_type": slide}
    if tags:
        clean["tags"] = list(tags)
    return clean


def _speaking_name(cell_type: str, source: str) -> str:
    """An id from what the cell holds, so that it survives cells that come before it."""
    if cell_type == "code":
        try:
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    return _slug(f"define {node.name}")
        except SyntaxError:  # a line magic
            pass
    lines = [line for line in source.splitlines() if re.search(r"\w", line)]
    headings = [line for line in lines if line.startswith("#")] if cell_type == "markdown" else []
    return _slug((headings or lines or [cell_type])[0]) or cell_type


def _slug(text: str) -> str:
    """At most 48 characters, whole words, of [a-z0-9-]."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    slug = ""
    for word in words:
        if len(slug) + len(word) > 47:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug or "".join(words)[:48]


# --------------------------------------------------------------------------- executing


def build(source: Path, root: Path = ROOT) -> Path:
    """Execute a source and write its notebook; nothing is written unless every cell ran.

    One thread, an empty IPython profile, the working directory `notebooks/`. What differs from
    run to run is left out: times, widget state, process numbers. A cell tagged
    `nbval-ignore-output` (it measures seconds, say) keeps the output that the product has, until
    its text changes; remove the product to measure again.

    Args:
        source: `notebooks/src/NN_name.py`.
        root: the clone.

    Returns:
        The path of the product; built twice, it has the same bytes.

    Raises:
        BuildError: with the notebook, the cell and the end of its traceback.
    """
    nbformat = _needed("nbformat")
    nbclient = _needed("nbclient")
    notebook = read_source(source, root)
    target = product_of(source)
    with tempfile.TemporaryDirectory() as profile:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.getenv("PYTHONPATH")])),
            "IPYTHONDIR": profile,
        }
        for name in ("DETLEARN_HOME", "DETLEARN_REPO", "DETLEARN_REF", "MPLBACKEND"):
            environment.pop(name, None)
        client = nbclient.NotebookClient(
            notebook,
            timeout=SECONDS_FOR_A_CELL,
            kernel_name="python3",
            record_timing=False,
            extra_arguments=["--log-level=40"],  # no word about the transport on this machine
            skip_cells_with_tag="nbval-skip",
            resources={"metadata": {"path": str(target.parent)}},
        )
        try:
            client.execute(env=environment)
        except nbclient.exceptions.CellExecutionError as error:
            raise BuildError(_failure(notebook, source, error)) from None
        except nbclient.exceptions.CellTimeoutError:
            raise BuildError(
                f"{source.name}: a cell ran for more than {SECONDS_FOR_A_CELL} s"
            ) from None
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = tidy_outputs(cell.outputs)
    _keep_uncompared(notebook, target)
    write_notebook(notebook, target)
    return target


def _keep_uncompared(notebook: Any, target: Path) -> None:
    """Let cells whose output may differ show what they showed before."""
    if not target.exists():
        return
    before = {cell.id: cell for cell in _needed("nbformat").read(target, as_version=4).cells}
    for cell in notebook.cells:
        old = before.get(cell.id)
        if "nbval-ignore-output" in _tags(cell) and old is not None and old.source == cell.source:
            cell.outputs = old.get("outputs", [])


def _failure(notebook: Any, source: Path, error: Any) -> str:
    failed = next(
        (c for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"), None
    )
    name = failed.id if failed is not None else "?"
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return f"{source.name}, cell {name!r}:\n" + "\n".join(text.splitlines()[-25:])


def tidy_outputs(outputs: Sequence[Any]) -> list[Any]:
    """Outputs without what differs from run to run.

    Pieces of one stream are joined (how a kernel cuts them depends on timing), progress bars are
    kept in their last state, views of widgets are dropped (their text stays), and an error keeps
    its name and message without the traceback.
    """
    nbformat = _needed("nbformat")
    tidy: list[Any] = []
    for output in outputs:
        output = nbformat.from_dict(output)
        if output.output_type == "stream":
            if tidy and tidy[-1].output_type == "stream" and tidy[-1].name == output.name:
                tidy[-1].text += output.text
            else:
                tidy.append(output)
            continue
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]
        for mime in [m for m in output.get("data", {}) if "widget" in m]:
            del output.data[mime]
        if output.output_type == "error" or output.data:
            tidy.append(output)
    for output in tidy:
        if output.output_type == "stream":
            output.text = re.sub(r"[^\n]*\r(?=[^\n\r])", "", output.text)
    return tidy


def write_notebook(notebook: Any, path: Path) -> None:
    """Write atomically, the same bytes on every system."""
    nbformat = _needed("nbformat")
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
    write_atomically(path, text.encode("utf-8"))


# --------------------------------------------------------------------------- checking


def check(numbers: Sequence[str] = (), root: Path = ROOT) -> list[str]:
    """Whether products and sources agree, without executing anything.

    Returns:
        One sentence for each difference; empty means that all agree.
    """
    problems = [p for source in sources(numbers, root) for p in check_one(source, root)]
    if not numbers:
        expected = {product_of(source) for source in sources((), root)}
        for path in sorted(notebook_folder(root).glob("*.ipynb")):
            if path not in expected:
                problems.append(f"{path.name}: no source notebooks/src/{path.stem}.py")
    return problems


def check_one(source: Path, root: Path = ROOT) -> list[str]:
    """The differences of one product from its source."""
    nbformat = _needed("nbformat")
    product = product_of(source)
    rebuild = f"; run `python -m detlearn.teach.notebooks build {source.name[:2]}`"
    if not product.exists():
        return [f"{product.name}: not built{rebuild}"]
    expected = read_source(source, root)
    found = nbformat.read(product, as_version=4)
    problems = []
    if found.metadata != expected.metadata:
        problems.append(f"{product.name}: its metadata are not the builder's{rebuild}")
    names = [cell.id for cell in expected.cells]
    got = [cell.get("id", "?") for cell in found.cells]
    if names != got:
        missing = [name for name in names if name not in got]
        extra = [name for name in got if name not in names]
        said = [f"cells {', '.join(missing)} are missing"] if missing else []
        said += [f"cells {', '.join(extra)} are not in the source"] if extra else []
        problems.append(
            f"{product.name}: {'; '.join(said) or 'the cells are in another order'}{rebuild}"
        )
        return problems
    count = 0
    for cell, copy in zip(expected.cells, found.cells, strict=True):
        where = f"{product.name}, cell {cell.id!r}"
        if (cell.cell_type, cell.source) != (copy.cell_type, copy.source):
            problems.append(f"{where}: not the text of the source{rebuild}")
        elif cell.metadata != copy.metadata:
            problems.append(f"{where}: not the tags or slide type of the source{rebuild}")
        if cell.cell_type == "code" and "nbval-skip" not in cell.metadata.get("tags", []):
            count += 1
            if copy.get("execution_count") != count:
                problems.append(f"{where}: not executed in order{rebuild}")
    return problems


# --------------------------------------------------------------------------- student copies


def write_student_copies(out: str | os.PathLike[str], root: Path = ROOT) -> list[Path]:
    """Write each notebook twice: for students without solutions, for instructors with them.

    `OUT/student/NN_name.ipynb`: cells tagged `solution` are gone, cells tagged `exercise` have no
    outputs. `OUT/instructor/NN_name.ipynb`: every exercise is followed by a solution, taken from
    `detlearn.teach.exercises` where the notebook has none of its own.

    Args:
        out: folder to write to; made if missing.
        root: the clone.

    Returns:
        The files written, or found to be there already.

    Raises:
        ValueError: a file is there with another content, which may be somebody's work.
    """
    nbformat = _needed("nbformat")
    out = Path(out)
    products = sorted(notebook_folder(root).glob("[0-9][0-9]_*.ipynb"))
    if not products:
        raise ValueError(f"no notebook to copy in {notebook_folder(root)}")
    copies: list[tuple[Path, Any]] = []
    for path in products:
        notebook = nbformat.read(path, as_version=4)
        copies.append((out / "student" / path.name, _without_solutions(notebook)))
        notebook = nbformat.read(path, as_version=4)
        copies.append((out / "instructor" / path.name, _with_solutions(notebook)))
    changed = [
        path
        for path, notebook in copies
        if path.exists() and nbformat.read(path, as_version=4) != notebook
    ]
    if changed:
        raise ValueError(
            f"{changed[0]} exists and differs: it may hold somebody's answers. "
            "Choose another folder, or remove it."
        )
    for path, notebook in copies:
        write_notebook(notebook, path)
    return [path for path, _ in copies]


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _without_solutions(notebook: Any) -> Any:
    notebook.cells = [cell for cell in notebook.cells if "solution" not in _tags(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code" and "exercise" in _tags(cell):
            cell.outputs, cell.execution_count = [], None
    return notebook


def _with_solutions(notebook: Any) -> Any:
    from .exercises import exercises_of

    nbformat = _needed("nbformat")
    cells: list[Any] = []
    for cell, following in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        cells.append(cell)
        if cell.cell_type != "code" or "exercise" not in _tags(cell):
            continue
        if following is not None and "solution" in _tags(following):
            continue
        for module, key in re.findall(r"\b(nb\d\d)\.(\w+)\.check\(", cell.source):
            exercise = next(e for e in exercises_of(module) if e.key == key)
            source = f"# A solution\n{exercise.solution_source}\n\n\n{module}.{key}.check({key})"
            metadata = {"slideshow": {"slide_type": "skip"}, "tags": ["solution"]}
            name = f"solution-{key.replace('_', '-')}"[:64]
            cells.append(nbformat.v4.new_code_cell(source, id=name, metadata=metadata))
    notebook.cells = cells
    return notebook


# --------------------------------------------------------------------------- the command


def _needed(module: str) -> Any:
    """Import what only the builder needs."""
    try:
        imported = __import__(module)
        if module == "nbclient":
            import nbclient.exceptions  # noqa: F401
    except ModuleNotFoundError as error:
        raise BuildError(
            f"{error.name} is missing: python -m pip install -r requirements-dev.txt"
        ) from None
    return imported


def _build_all(numbers: Sequence[str], root: Path) -> list[str]:
    problems = []
    for source in sources(numbers, root):
        started = time.perf_counter()
        try:
            path = build(source, root)
        except BuildError as error:
            problems.append(str(error))
            continue
        seconds, size = time.perf_counter() - started, path.stat().st_size / 1000
        print(f"{path.relative_to(root).as_posix()}: {seconds:.1f} s, {size:.0f} kB", flush=True)
    return problems


def _lint_all(numbers: Sequence[str], root: Path) -> list[str]:
    from .lint import lint

    problems: list[str] = []
    for source in sources(numbers, root):
        if not product_of(source).exists():
            problems.append(f"{product_of(source).name}: not built")
            continue
        report = lint(product_of(source))
        print(report.summary)
        problems += report.problems
    return problems


def main(arguments: Iterable[str] | None = None, root: Path = ROOT) -> int:
    """The command line; the exit status is 0, 1 after a problem, 2 after a wrong command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {"build": _build_all, "check": check, "lint": _lint_all}
    if not words or words[0] not in commands:
        print(f"usage: python -m detlearn.teach.notebooks {{{','.join(commands)}}} [NN ...]")
        return 0 if words in (["-h"], ["--help"]) else 2
    try:
        problems = commands[words[0]](words[1:], root)
    except ValueError as error:  # run with -m, this module exists twice, and so does BuildError
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
