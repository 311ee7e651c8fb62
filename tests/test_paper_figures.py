"""Figures of papers in the course, and where each stands in its paper.

Whoever quotes a paper's score adds it here, with the place; a score that is not in the list, or
whose place no cell of the chapter names, is refused.  `OURS` are the numbers of that form that
come from a calculation in the chapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from detlearn.training.recipes import RECIPE_SOURCES
from tools.course.clone import sources

FIGURES = {
    "04": {
        "SSD (arXiv v5), Table 3": ("62.4", "64.0", "63.4", "74.3"),
        "SSD (arXiv v5), Table 2": ("74.2", "74.3"),
    },
    "05": {
        "SSD (arXiv v5), Table 2": ("65.5", "74.3"),
        "uvipen/SSD-pytorch, README": ("25.06",),
    },
    "07": {
        "RefineDet (arXiv v3), Table 3": ("76.2", "77.3", "79.5", "80.0"),
        "luuuyi/RefineDet.PyTorch, README": ("79.52", "79.81", "81.8", "81.85", "80.50"),
    },
    "09": {
        "M2Det (arXiv v3), Table 1": ("33.5", "38.9", "41.0", "44.2", "33.4", "18.0", "11.8"),
        "M2Det (arXiv v3), Table 2": ("27.5", "30.6"),
        "M2Det (arXiv v3), Table 3": ("30.5", "31.8", "33.2", "33.6"),
        "VDIGPKU/M2Det, thread 14": ("11.5",),
        "VDIGPKU/M2Det, README": ("37.8",),
    },
    "10": {
        "HRNet (CVPR 2019), Fig. 5": ("74.4", "68.9", "55.0"),
        "HRNet (CVPR 2019), Table 6": ("70.8", "71.9", "73.4"),
        "HRNet (CVPR 2019), §4.4": ("72.5",),
    },
    "11": {"HRNet (journal), Table VIII": ("36.2", "36.7", "37.6", "38.0")},
    "12": {
        "SSD (arXiv v5), Table 6": ("28.8",),
        "RefineDet (arXiv v3), Table 2": ("33.0", "16.3"),
        "M2Det (arXiv v3), Table 1": ("37.6", "18.4"),
        "HRNet (journal), Table VIII": ("36.2", "36.7", "38.0", "37.6"),
    },
    "14": {
        "SSD (arXiv v5), Table 6": ("77.2",),
        "uvipen/SSD-pytorch, README": ("25.06",),
    },
}
RECIPES = {
    "ssd300_vgg16": {"77.2"}, "ssd512_vgg16": {"79.8"}, "ssd300_resnet50": {"25.06"},
    "refinedet320_vgg16": {"79.81", "80.0", "79.52"},
    "refinedet512_vgg16": {"80.50", "81.8", "81.85"},
    "m2det320_vgg16": {"33.5"}, "m2det512_vgg16": {"37.6"}, "m2det800_vgg16": {"41.0"},
    "m2det320_resnet101": {"34.3"}, "m2det512_resnet101": {"38.8"},
    "m2det512_vgg16:released": {"37.8"},
    "pose_hrnet_w32": {"74.4"}, "pose_hrnet_w48": {"75.1"}, "ssd_hrnetv2p_w18": {"36.1"},
}  # fmt: skip
OURS = {"02": {"17.5"}, "03": {"12.2", "17.6"}}

ABOUT_PAPERS = re.compile(r"paper|README|Table|VOC|COCO|\bAP\b|thread|published")
SCORE = re.compile(
    r"(?<![\d.,×])(\d{2}\.\d{1,2})(?!\d|\.\d)(?!\s*(?:px|%|×|million|M\b|ms|s\b|MB|\]))"
)  # 74.3 or 25.06, not a size, a share, a time or a tensor's element


def cells(text: str) -> Iterator[tuple[bool, str]]:
    """Whether a cell is prose, and its text."""
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = cell.partition("\n")
        yield "[markdown]" in head, body


def quoted(text: str) -> set[str]:
    """Scores that a chapter takes from elsewhere, as far as a pattern can know."""
    found: set[str] = set()
    for prose, body in cells(text):
        lines = [body] if prose else [line for line in body.splitlines() if "Table" in line]
        for piece in lines:
            if ABOUT_PAPERS.search(piece):
                found |= set(SCORE.findall(piece))
    return found


def unnamed(text: str, figures: dict[str, tuple[str, ...]]) -> list[str]:
    """Figures of a chapter beside which no cell names their place."""
    bodies = [body for _, body in cells(text)]
    missing = []
    for source, values in figures.items():
        place = re.escape(source.rsplit(", ", 1)[-1])
        if place.startswith("Table"):  # "Tables 2 and 3" names Table 3, too
            place = rf"Tables? (?:\w+ and )?{source.rsplit(' ', 1)[-1]}\b"
        for value in values:
            if not any(value in body and re.search(place, body) for body in bodies):
                missing.append(f"{value}: {source}")
    return missing


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_every_quoted_score_is_listed_and_its_place_is_named(source) -> None:
    chapter, text = source.name[:2], source.read_text(encoding="utf-8")
    figures = FIGURES.get(chapter, {})
    listed = {value for values in figures.values() for value in values}
    assert quoted(text) == listed | OURS.get(chapter, set())
    assert unnamed(text, figures) == []


@pytest.mark.parametrize("name", RECIPE_SOURCES)
def test_every_score_of_a_recipe_is_listed_and_its_place_is_named(name: str) -> None:
    sentences = re.split(r"(?<=[.)]) (?=[A-Z])", RECIPE_SOURCES[name])
    with_scores = [one for one in sentences if SCORE.search(one)]
    assert {score for one in with_scores for score in SCORE.findall(one)} == RECIPES.get(
        name, set()
    )
    places = re.compile(r"Table \d|README|Published there")
    assert all(places.search(one) for one in with_scores)


CELL = '# %% [markdown] id="x"\n# The paper has 74.3 mAP (Table 3), in 26.1 ms and 12.5 px.\n'


def test_a_score_without_its_place_is_seen() -> None:
    assert quoted(CELL) == {"74.3"}
    assert quoted(CELL.replace("74.3", "our own 74.3").replace("The paper has ", "").replace(
        " (Table 3)", "")) == set()  # fmt: skip
    assert quoted("# %% [markdown]\n# The paper has 74.3.\n") == {"74.3"}  # ends a sentence
    assert unnamed(CELL, {"SSD, Table 3": ("74.3",)}) == []
    assert unnamed(CELL, {"SSD, Table 2": ("74.3",)}) == ["74.3: SSD, Table 2"]
    assert unnamed(CELL.replace("Table 3", "Tables 2 and 3"), {"SSD, Table 3": ("74.3",)}) == []
    assert unnamed(CELL, {"SSD, Table 3": ("74.2",)}) == ["74.2: SSD, Table 3"]
