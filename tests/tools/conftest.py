"""A clone of the course in miniature: one package file, one short notebook."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SMALL = '''\
# %% [markdown] slide="slide"
# # 00 · Small
#
# One question.

# %% tags=["setup"] slide="skip"

# %% [markdown] slide="subslide"
# ## What is a prior?

# %% slide="-"
def double(x):
    """Twice x."""
    return 2 * x

# %% slide="fragment" id="evidence"
print("one\\ntwo")
double(4)
'''


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Root of a miniature clone; its only source is `notebooks/src/00_small.py`."""
    root = tmp_path / "clone"
    (root / "detlearn" / "boxes").mkdir(parents=True)
    for name in ("__init__.py", "boxes/__init__.py", "boxes/nms.py"):
        (root / "detlearn" / name).write_text('"""Miniature."""\n', encoding="utf-8")
    (root / "notebooks" / "src").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "src" / "_setup.py", root / "notebooks" / "src")
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "notebooks" / "src" / "00_small.py").write_text(SMALL, encoding="utf-8")
    return root
