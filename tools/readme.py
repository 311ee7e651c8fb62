"""Write the generated parts of the repository's texts: ``make readme``; ``--check`` only compares.

Between ``<!-- begin generated: NAME -->`` and ``<!-- end generated -->`` nothing is written by
hand. The URL comes from pyproject.toml, the version from detlearn/_version.py, the chapters from
notebooks/chapters.toml and from the notebooks that exist. docs/architecture.svg is drawn whole.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

from detlearn._version import __version__
from tools.architecture import PICTURE, draw
from tools.course.clone import REF, ROOT, chapters, colab_link, repository_url

sys.path.insert(0, str(ROOT / "benchmarks"))  # its scripts are no package


TEXTS = ("README.md", "CONTRIBUTING.md", "docs/training.md")
CITATION = "CITATION.cff"
SHIPPED = ("ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny", "pose_hrnet_tiny")
BLOCK = re.compile(
    r"(?P<begin><!-- begin generated: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end generated -->)",
    re.DOTALL,
)


def notebook_of(number: str) -> Path | None:
    """The notebook of a chapter, or None while it is not written."""
    found = sorted((ROOT / "notebooks").glob(f"{number}_*.ipynb"))
    if len(found) > 1:
        raise SystemExit(f"two notebooks of chapter {number}: {[path.name for path in found]}")
    return found[0] if found else None


def colab_badge(name: str) -> str:
    """Opens a notebook in Colab."""
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({picture})]({colab_link(name)})"


def kaggle_badge(name: str) -> str:
    """Opens a notebook on Kaggle: with "Internet" on, its set-up cell does the rest."""
    source = f"{repository_url()}/blob/{REF}/notebooks/{name}.ipynb"
    picture = "https://kaggle.com/static/images/open-in-kaggle.svg"
    return f"[![Open in Kaggle]({picture})](https://kaggle.com/kernels/welcome?src={source})"


def badges() -> str:
    """The line below the title."""
    url = repository_url()
    lines = [
        f"[![Tests]({url}/actions/workflows/ci.yml/badge.svg)]({url}/actions/workflows/ci.yml)"
    ]
    first = notebook_of("00")
    if first:
        lines += [colab_badge(first.stem), kaggle_badge(first.stem)]
    lines.append("![Python 3.11 to 3.13](https://img.shields.io/badge/python-3.11_to_3.13-0072B2)")
    lines.append("[![Licence: MIT](https://img.shields.io/badge/licence-MIT-0072B2)](LICENSE)")
    return "\n".join(lines)


def clone_lines() -> str:
    """What a shell is told to get the course."""
    url = repository_url()
    return f"git clone {url}.git\ncd {url.rsplit('/', 1)[-1]}"


def clone() -> str:
    """The first two lines of every start."""
    return f"```sh\n{clone_lines()}\n```"


def start() -> str:
    """The whole start of a student."""
    return (
        f"```sh\n{clone_lines()}\n"
        "make course    # makes the environment (once), then opens JupyterLab on notebook 00\n"
        "make test      # unit tests, doctests and every notebook, outputs compared\n```"
    )


def contents() -> str:
    """The table of the chapters."""
    lines = ["| # | Chapter | What you build | Minutes | |", "|--:|:--|:--|--:|:--|"]
    for row in chapters():
        number, title, builds = row["number"], row["title"], row["builds"]
        notebook = notebook_of(number)
        if notebook is None:
            lines.append(f"| {number} | {title} | {builds} | | *planned* |")
            continue
        if "minutes" not in row:
            raise SystemExit(f"notebooks/chapters.toml: chapter {number} exists; give its minutes")
        name = f"[{title}](notebooks/{notebook.name})"
        lines.append(
            f"| {number} | {name} | {builds} | {row['minutes']} | {colab_badge(notebook.stem)} "
            f"{kaggle_badge(notebook.stem)} |"
        )
    return "\n".join(lines)


def citation() -> str:
    """CITATION.cff, all of it."""
    return f"""\
# Written by tools/readme.py (`make readme`): edit it there.
cff-version: 1.2.0
message: If you teach or learn with this course, please cite it as below.
type: software
title: "detlearn: single-shot object detection, block by block"
abstract: >-
  A course of notebooks that build SSD, RefineDet, M2Det and HRNet from their blocks, and a small
  package that holds each block once, tested against the published implementations.
authors:
  - name: The detlearn authors
version: {__version__}
license: MIT
repository-code: "{repository_url()}"
"""


def throughput() -> str:
    """The table of data/results/throughput.json."""
    benchmark = importlib.import_module("throughput")
    text = (ROOT / "data" / "results" / "throughput.json").read_text(encoding="utf-8")
    return str(benchmark.table(json.loads(text)))


def span(low: float, high: float, text: str) -> str:
    """A range as it is written; one number where both ends read the same."""
    ends = [text.format(low), text.format(high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def speed(record: str = "benchmarks/ratios.json") -> str:
    """The tables of benchmarks/ratios.json: each row with its range over pairs and machines."""
    machines = json.loads((ROOT / record).read_text(encoding="utf-8"))["machines"]
    lines = ["| Work, one thread | Beside | CPU time, ours by theirs |", "|:--|:--|--:|"]
    for name in dict.fromkeys(name for machine in machines for name in machine["rows"]):
        rows = [machine["rows"][name] for machine in machines if name in machine["rows"]]
        low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
        lines.append(f"| {name} | {rows[0]['peer']} | {span(low, high, '{:.2f}')} |")
    lines += ["", "| Figure | Measured |", "|:--|--:|"]
    for name in dict.fromkeys(name for machine in machines for name in machine["figures"]):
        texts = {m["figures"][name]["text"] for m in machines if name in m["figures"]}
        values = [m["figures"][name]["value"] for m in machines if name in m["figures"]]
        lines.append(f"| {name} | {span(min(values), max(values), texts.pop())} |")
    cpus = "; ".join(machine["cpu"] for machine in machines)
    return "\n".join([*lines, "", f"Measured on: {cpus}."])


def shipped() -> str:
    """The networks whose records are data/weights/*.json: scores on the scenes of shapes_val."""
    lines = [
        "| Shipped network, on the 300 shipped scenes | first seed, which is shipped | all seeds "
        "| trained with | Printed by |",
        "|:--|--:|--:|:--|:--|",
    ]
    for name in SHIPPED:
        path = ROOT / "data" / "weights" / f"{name}.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        first = record["runs"][0]
        scores = ", ".join(f"{key} {first['scores'][key]:.3f}" for key in record["summary"])
        (key, spread), *_ = record["summary"].items()
        count = len(record["runs"])
        several = f"{key} {spread['mean']:.3f} ± {spread['sd']:.3f}, {count} seeds"
        weights = f"data/weights/{name}.safetensors"
        lines.append(
            f"| `{name}` | {scores} | {several if count > 1 else 'one seed'} "
            f"| `{first['command']}`, learning rate {first['config']['learning_rate']:g} "
            f"| `python -m detlearn evaluate --weights {weights} --amp off` |"
        )
    return "\n".join(lines)


def face_off() -> str:
    """Scores and verdicts of data/results/face_off.json."""
    from detlearn.report import read_face_off, verdicts

    table = read_face_off()
    rules = table.rules
    lines = [
        f"| {rules['images']:,} images seen, mAP on {rules['test_scenes']:,} other scenes "
        f"| mean, 95 % interval | M multiply-adds | verdict, paired by seed |",
        "|:--|--:|--:|:--|",
    ]
    referred = [row.reference for row in table.rows.values()]  # an experiment each
    order = verdicts.ranking(table, list(table.rows))
    for name in sorted(order, key=lambda one: referred.index(table.rows[one].reference)):
        row = table.rows[name]
        low, high = verdicts.spread(row.scores["mAP"])
        said = verdicts.verdict_sentence(row).removeprefix(f"{name} ").rstrip(".")
        said = "the reference" if name == row.reference else said
        seeds = f"{len(row.seeds)} seeds" + (
            f", {len(row.dead)} with dead modules" * bool(row.dead)
        )
        lines.append(
            f"| `{name}`, learning rate {row.learning_rate:g}, {seeds} | {row.mean():.3f}, "
            f"{low:.3f} to {high:.3f} | {row.multiply_adds / 1e6:.0f} | {said} |"
        )
    done = "" if table.complete else "; not all of its runs are made"
    command = f"`OMP_NUM_THREADS=1 {table.command}`"
    return "\n".join([*lines, "", f"{command}, {table.cpu_hours:g} hours of CPU{done}."])


MAKERS = {
    "badges": badges, "clone": clone, "start": start, "contents": contents,
    "face-off": face_off, "shipped": shipped, "throughput": throughput, "speed": speed,
}  # fmt: skip


def render(text: str, where: str) -> str:
    """`text` with every generated part made anew."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in MAKERS:
            raise SystemExit(f"{where}: nothing generates {name!r}; known: {', '.join(MAKERS)}")
        return f"{match['begin']}{MAKERS[name]()}\n{match['end']}"

    result, count = BLOCK.subn(block, text)
    if count != text.count("<!-- begin generated") or count != text.count("<!-- end generated"):
        raise SystemExit(f"{where}: a generated part lacks its begin or its end")
    return result


def wanted() -> dict[str, str]:
    """File -> the text that it should have."""
    texts = {name: render((ROOT / name).read_text(encoding="utf-8"), name) for name in TEXTS}
    return texts | {CITATION: citation(), PICTURE: draw()}


def stale() -> list[str]:
    """The files whose generated parts are out of date."""
    return [
        name
        for name, text in wanted().items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != text
    ]


def main() -> None:
    """Write, or with --check compare."""
    if sys.argv[1:] not in ([], ["--check"]):
        raise SystemExit("usage: python -m tools.readme [--check]")
    names = stale()
    if sys.argv[1:]:
        if names:
            raise SystemExit(f"out of date: {', '.join(names)}; run `make readme`")
        return
    texts = wanted()
    for name in names:
        (ROOT / name).write_text(texts[name], encoding="utf-8", newline="\n")
        print("wrote", name)


if __name__ == "__main__":
    main()
