"""Where the parts of a clone lie, and under which address it is published."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "REF",
    "ROOT",
    "SPEAKER",
    "BuildError",
    "built_notebooks",
    "chapters",
    "colab_door",
    "colab_link",
    "needed",
    "notebook_folder",
    "product_of",
    "repository_url",
    "setup_cell",
    "sources",
    "tags_of",
    "without_words",
]

ROOT = Path(__file__).resolve().parents[2]
REF = "main"  # the branch that links open, and that the setup cell clones

SPEAKER = re.compile(r"\n*<!-- speaker: (.*?) -->", re.DOTALL)  # unseen in a notebook


class BuildError(ValueError):
    """A source that cannot become a notebook; the message names the notebook and the cell."""


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


def chapters(root: Path = ROOT) -> list[dict[str, Any]]:
    """The rows of notebooks/chapters.toml."""
    text = (notebook_folder(root) / "chapters.toml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["chapter"]
    return rows


def built_notebooks(numbers: Sequence[str] = (), root: Path = ROOT) -> list[Path]:
    """The built notebooks, all or those with these numbers.

    Raises:
        ValueError: a number that no notebook has.
    """
    found = sorted(notebook_folder(root).glob("[0-9][0-9]_*.ipynb"))
    for number in numbers:
        if number.zfill(2) not in {path.name[:2] for path in found}:
            known = ", ".join(path.name[:2] for path in found) or "none yet"
            raise ValueError(f"no notebook of chapter {number}; there are {known}")
    wanted = {number.zfill(2) for number in numbers}
    return [path for path in found if not wanted or path.name[:2] in wanted]


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


def colab_door(name: str, root: Path = ROOT) -> str:
    """The line below a notebook's title: words, since a badge's picture needs a network."""
    return f"[Open in Colab]({colab_link(name, root)})"


def setup_cell(root: Path = ROOT) -> str:
    """The second cell of every notebook."""
    text = (notebook_folder(root) / "src" / "_setup.py").read_text(encoding="utf-8")
    return text.replace("@REPOSITORY@", repository_url(root)).replace("@REF@", REF).strip()


def tags_of(cell: Any) -> list[str]:
    """The tags of a cell of a notebook."""
    return list(cell.metadata.get("tags", []))


def without_words(source: str) -> str:
    r"""Prose without what it says to the speaker only.

    >>> without_words("A picture.\n\n<!-- speaker: Wait. -->")
    'A picture.'
    """
    return SPEAKER.sub("", source)


def needed(module: str) -> Any:
    """Import what only the builder needs.

    Raises:
        BuildError: it is not installed.
    """
    try:
        imported = __import__(module)
        if module == "nbclient":
            import nbclient.exceptions  # noqa: F401
    except ModuleNotFoundError as error:
        raise BuildError(
            f"{error.name} is missing: python -m pip install -r requirements-dev.txt"
        ) from None
    return imported
