"""The course as a web site: `make site`, or

    python -m tools.site [--out build/site]

Lays out a source folder (site/, the built notebooks, a page of reference for each room, what the
pages need of slides/vendor) and lets Sphinx make pages of it. Nothing is executed: what a page
shows is what the notebook printed. The result works from a disk, and under any address.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from detlearn._version import __version__
from tools.architecture import ROOMS
from tools.course.clone import (
    REF,
    ROOT,
    built_notebooks,
    chapters,
    colab_link,
    needed,
    repository_url,
    tags_of,
)
from tools.gallery import gallery_files
from tools.search_texts import write_texts
from tools.slides.blocks import figure_alt
from tools.slides.cells import key_figure, slide_type
from tools.slides.page import fonts
from tools.vendor import file_of

OUT = ROOT / "build" / "site"
SOURCE = ROOT / "build" / "site-source"
# The notebook's own door to Colab; a page has a row of doors instead.
DOOR = re.compile(r"^\[[^\]]*\]\([^)]*colab[^)]*\)\s*", re.MULTILINE)
STILL = (
    '<p class="still">A still of this explorer. It moves where Python runs: '
    '<a href="{link}">in Colab</a>, or in JupyterLab.</p>'
)


def for_the_site(notebook: Any, name: str, decks: Iterable[str] = ()) -> Any:
    """A notebook as a page: doors below the title, no speaker's notes, alt texts where they count.

    Args:
        notebook: an `nbformat.NotebookNode`; it is changed.
        name: `02_prior_box`.
        decks: file names of the decks that the site holds.

    Returns:
        The same notebook.
    """
    cells = [cell for cell in notebook.cells if slide_type(cell) != "notes"]
    for cell in cells:
        if "setup" in tags_of(cell):
            cell.metadata["tags"] = [*tags_of(cell), "hide-cell"]
            cell.metadata["mystnb"] = {"code_prompt_show": "Set-up for Colab and Kaggle"}
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            if "<iframe" in shown.get("text/html", "") and "srcdoc=" not in shown["text/html"]:
                del shown["text/html"]  # a file on the reader's disk; its text form names it
        if "explorer" in tags_of(cell) and not any(map(_is_alive, cell.outputs)):
            words = STILL.format(link=html.escape(colab_link(name)))
            cell.outputs.append(
                needed("nbformat").v4.new_output("display_data", {"text/html": words})
            )
        alt = " ".join(filter(None, map(_alt, cell.get("outputs", []))))
        if alt:
            cell.metadata["mystnb"] = {"image": {"alt": alt, **_width(cell.outputs)}}
    first = cells[0]
    title, _, rest = first.source.partition("\n")
    first.source = f"{title}\n\n{doors(name, decks)}\n\n{DOOR.sub('', rest).strip()}"
    notebook.cells = cells
    return notebook


def _is_alive(output: Any) -> bool:
    """Whether it is an explorer that needs no kernel."""
    return "<iframe" in output.get("data", {}).get("text/html", "")


def _alt(output: Any) -> str:
    data, metadata = output.get("data", {}), output.get("metadata", {})
    for mime in ("image/svg+xml", "image/png", "image/jpeg"):
        if mime in data:
            said = metadata.get(mime, {}).get("alt")
            return str(said or figure_alt(str(data.get("text/plain", ""))))
    return ""


def _width(outputs: Iterable[Any]) -> dict[str, str]:
    """How wide a page shows the figure of a cell: a sharp one has two pixels for one of ours."""
    said = [m.get("width") for o in outputs for m in o.get("metadata", {}).values() if m]
    return {"width": f"{said[0]}px"} if said and said[0] else {}


def doors(name: str, decks: Iterable[str] = (), folder: str = "../") -> str:
    """The links below the title of a chapter, as HTML on one line.

    Args:
        name: `02_prior_box`.
        decks: file names of the decks that the site holds.
        folder: from the page to the top of the site.
    """
    links = [(colab_link(name), "Open in Colab")]
    held = set(decks)
    links += [
        (f"{folder}slides/{name}.{ending}", words)
        for ending, words in (("html", "Slides"), ("pdf", "Slides as PDF"))
        if f"{name}.{ending}" in held
    ]
    anchors = "".join(f'<a href="{html.escape(to)}">{words}</a>' for to, words in links)
    return f'<p class="doors">{anchors}</p>'


def chapter_list(
    rows: Iterable[dict[str, Any]],
    names: Iterable[str],
    decks: Iterable[str] = (),
    pictures: Iterable[str] = (),
) -> str:
    """The chapters that have a notebook, as HTML.

    Args:
        rows: chapters.toml's rows.
        names: names of the notebooks.
        decks: file names of the decks that the site holds.
        pictures: names of the notebooks that have a thumbnail.
    """
    by_number = {name[:2]: name for name in names}
    held, seen = set(decks), set(pictures)
    items = []
    for row in rows:
        name = by_number.get(row["number"])
        if name is None:
            continue
        page = f"notebooks/{name}.html"
        also = [f'<a href="{html.escape(colab_link(name))}">Colab</a>']
        for ending, words in (("html", "slides"), ("pdf", "PDF")):
            if f"{name}.{ending}" in held:
                also.append(f'<a href="slides/{name}.{ending}">{words}</a>')
        minutes = f'<span class="minutes">{row["minutes"]} min</span>' if "minutes" in row else ""
        thumb = ""
        if name in seen:  # the title beside it says where it leads
            image = f'<img src="_static/thumbs/{name}.png" alt="" loading="lazy">'
            thumb = f'<a class="thumb" href="{page}" tabindex="-1" aria-hidden="true">{image}</a>'
        items.append(
            f'<li>{thumb}<span class="number">{row["number"]}</span>'
            f'<a class="title" href="{page}">{html.escape(row["title"])}</a>{minutes}'
            f"<p>{html.escape(row.get('builds', ''))}</p>"
            f'<span class="also">{"".join(also)}</span></li>'
        )
    return '<ol class="chapters">\n' + "\n".join(items) + "\n</ol>"


def thumbnail(notebook: Any) -> bytes:
    """The key figure of a chapter, as PNG; nothing where it has none."""
    key = key_figure(notebook)
    found = re.search(r'src="data:image/png;base64,([^"]+)"', key.html) if key else None
    return base64.b64decode(found[1]) if found else b""


def hero() -> str:
    """The picture of the first page, with the words that the README has for it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (alt,) = re.findall(r"!\[([^\]]*)\]\(docs/hero\.png\)", readme)
    return f"![{alt}](_static/hero.png)"


def room_page(room: str) -> str:
    """The page of reference of one room, in reStructuredText."""
    name = f"detlearn.{room}"
    return (
        f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n"
        "   :members:\n   :imported-members:\n   :show-inheritance:\n"
    )


def rooms_page() -> str:
    """The first page of the reference."""
    rows = "\n".join(f"- [`detlearn.{room}`]({room}.rst): {says}" for room, says in ROOMS.items())
    entries = "\n".join(ROOMS)
    return (
        "# Reference\n\nEach room, from its docstrings. A room imports only what stands above "
        f"it.\n\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"
    )


def lay_out(source: Path, decks: Sequence[Path]) -> list[str]:
    """Fill the folder that Sphinx reads; files that have not changed keep their date.

    Returns:
        The names of the notebooks.
    """
    import nbformat

    held = [path.name for path in decks]
    paths = built_notebooks()
    wanted: dict[str, bytes] = {}
    for path in sorted((ROOT / "site").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            wanted[path.relative_to(ROOT / "site").as_posix()] = path.read_bytes()
    names = [path.stem for path in paths]
    notebooks = {path: nbformat.read(path, as_version=4) for path in paths}
    thumbs = {path.stem: thumbnail(notebook) for path, notebook in notebooks.items()}
    thumbs = {name: data for name, data in thumbs.items() if data}
    wanted |= {f"_static/thumbs/{name}.png": data for name, data in thumbs.items()}
    index = wanted["index.md"].decode()
    index = index.replace("@CHAPTERS@", chapter_list(chapters(), names, held, thumbs))
    index = index.replace("](../docs/training.md)", "](training.md)")
    wanted["index.md"] = index.replace("@HERO@", hero()).encode()
    wanted["_static/hero.png"] = (ROOT / "docs" / "hero.png").read_bytes()
    training = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    wanted["training.md"] = training.replace("](../notebooks/", "](notebooks/").encode()
    wanted |= gallery_files()
    for path in paths:
        page = for_the_site(notebooks[path], path.stem, held)
        wanted[f"notebooks/{path.name}"] = nbformat.writes(page).encode()
    for room in ROOMS:
        wanted[f"api/{room}.rst"] = room_page(room).encode()
    wanted["api/index.md"] = rooms_page().encode()
    facts = {"version": __version__, "repository": repository_url(), "branch": REF}
    wanted["facts.json"] = json.dumps(facts).encode()
    wanted["_static/site.css"] = (fonts() + "\n").encode() + wanted["_static/site.css"]
    wanted["_static/vendor/tex-svg.js"] = file_of("mathjax", "tex-svg.js").read_bytes()
    wanted["_static/vendor/LICENSE-mathjax"] = file_of("mathjax", "LICENSE").read_bytes()
    for old in sorted(source.rglob("*"), reverse=True):
        if old.is_file() and old.relative_to(source).as_posix() not in wanted:
            old.unlink()
    for name, data in wanted.items():
        file = source / name
        if not file.is_file() or file.read_bytes() != data:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; Sphinx's status."""
    parser = argparse.ArgumentParser(description="The course as a web site.")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument("--slides", type=Path, default=ROOT / "build" / "slides", help="decks")
    parser.add_argument("--fresh", action="store_true", help="make every page anew")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    decks = sorted(p for p in options.slides.glob("*") if p.suffix in (".html", ".pdf"))
    names = lay_out(SOURCE, decks)
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", str(SOURCE) + "-cache"]
    command += ["-E"] * options.fresh + [str(SOURCE), str(options.out)]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status:
        return status
    write_texts(options.out)
    if decks:
        (options.out / "slides").mkdir(exist_ok=True)
        for deck in decks:
            shutil.copy2(deck, options.out / "slides" / deck.name)
    seconds = time.perf_counter() - started
    print(f"{options.out / 'index.html'}: {len(names)} chapters, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
