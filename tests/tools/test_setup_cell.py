"""The setup cell in Colab, in Kaggle and in a clone, run as the kernel would run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tools.course.build import build
from tools.course.clone import repository_url, setup_cell

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "tests" / "colab_stub"
NEEDS_GIT = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def run_cell(folder: Path, *, before: str = "", again: bool = False, **environment: str) -> Ran:
    """Execute the cell in a fresh Python that finds no detlearn by itself."""
    folder.mkdir(parents=True, exist_ok=True)
    cell = "\n".join(
        [before, setup_cell(), setup_cell() if again else "", "print(detlearn_file())"]
    )
    tail = "def detlearn_file():\n    import detlearn\n    return detlearn.__file__\n"
    # -S hides an installed detlearn together with every other package; torch is simulated
    fake = (
        "from importlib import metadata, util\n"
        "metadata.version = lambda name: '2.11.0+cu128'\n"
        "_find = util.find_spec\n"
        "util.find_spec = lambda n: object() if n in ('torchinfo', 'tqdm') else _find(n)\n"
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DETLEARN_", "KAGGLE_", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", fake + tail + cell],
        cwd=folder,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def repository(clone: Path) -> str:
    """The miniature course as a git repository on this disk, with a branch and a tag."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        [*identity, "commit", "-q", "-m", "course"],
        ["tag", "v1"],
    ):
        subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True)
    return clone.as_uri()


def test_form() -> None:
    lines = setup_cell().splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 76
    assert repository_url() in setup_cell()
    assert not re.search(r"@[A-Z]+@", setup_cell())
    assert setup_cell().startswith("# @title Set-up")  # Colab shows this line alone


def test_floor_and_packages_are_those_of_requirements() -> None:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    major, minor = re.search(r"^torch>=(\d+)\.(\d+)", requirements, re.MULTILINE).groups()  # type: ignore[union-attr]
    assert f"< [{major}, {minor}]" in setup_cell()
    for package in re.search(r"for p in \(([^)]*)\)", setup_cell())[1].split(","):  # type: ignore[index]
        assert re.search(rf"^{package.strip().strip(chr(34))}\b", requirements, re.MULTILINE)


def test_torch_and_numpy_are_never_installed() -> None:
    assert not re.search(r"install.*(torch\b|numpy)", setup_cell())
    assert "--no-deps" in setup_cell()


def test_local_clone_is_found_from_the_notebooks_folder(clone: Path) -> None:
    ran = run_cell(clone / "notebooks", again=True)
    assert ran == Ran(0, ran.out, "")
    ready, again, file = ran.out.splitlines()
    assert ready == again == "detlearn ready"
    assert Path(file) == clone / "detlearn" / "__init__.py"


def test_local_clone_beside_a_folder_of_the_same_name(clone: Path) -> None:
    """A folder called detlearn (the clone's own name) is not the package."""
    nested = clone / "notebooks" / "detlearn"
    nested.mkdir()
    ran = run_cell(clone / "notebooks")
    assert Path(ran.out.splitlines()[-1]) == clone / "detlearn" / "__init__.py"


@NEEDS_GIT
@pytest.mark.parametrize("holds", [None, "__init__.py", "readme.txt"])
def test_a_stranger_of_the_same_name_is_not_taken_for_the_course(
    tmp_path: Path, repository: str, holds: str | None
) -> None:
    here = tmp_path / "here"
    (here / "detlearn").mkdir(parents=True)
    if holds:
        (here / "detlearn" / holds).write_text("", encoding="utf-8")
    ran = run_cell(here, DETLEARN_REPO=repository)
    if holds == "__init__.py":  # it looks installed: nothing is cloned, and nothing is ready
        assert ran.code == 1
        assert "No module named 'detlearn.boxes'" in ran.err
        assert "ready" not in ran.out
    else:
        assert ran.code == 0, ran.err
        assert ran.out.splitlines()[0] == "detlearn ready"
        course = here / "detlearn-course" / "detlearn" / "__init__.py"
        assert Path(ran.out.splitlines()[-1]) == course


@NEEDS_GIT
@pytest.mark.parametrize("where", ["colab", "kaggle"])
def test_colab_and_kaggle_clone_once(tmp_path: Path, repository: str, where: str) -> None:
    content = tmp_path / ("content" if where == "colab" else "kaggle/working")
    environment = {"DETLEARN_REPO": repository}
    if where == "colab":
        environment["PYTHONPATH"] = str(STUB)
        before = "import google.colab.output"
    else:
        environment["KAGGLE_KERNEL_RUN_TYPE"] = "Interactive"
        before = ""
    first = run_cell(content, before=before, again=True, **environment)
    assert first.code == 0, first.err
    ready, again, file = first.out.splitlines()
    assert ready == again == "detlearn ready"
    assert Path(file) == content / "detlearn-course" / "detlearn" / "__init__.py"
    # after the kernel restarts: the clone is there, the network may be gone
    environment["DETLEARN_REPO"] = (tmp_path / "nowhere").as_uri()
    assert run_cell(content, before=before, **environment).out == "detlearn ready\n" + file + "\n"


@NEEDS_GIT
def test_another_place_and_a_tag(tmp_path: Path, repository: str) -> None:
    home = tmp_path / "my drive"
    ran = run_cell(
        tmp_path / "here", DETLEARN_REPO=repository, DETLEARN_REF="v1", DETLEARN_HOME=str(home)
    )
    assert ran.code == 0, ran.err
    assert Path(ran.out.splitlines()[-1]) == home / "detlearn" / "__init__.py"
    assert not (tmp_path / "here" / "detlearn-course").exists()


@NEEDS_GIT
def test_no_network_is_a_sentence_and_the_next_try_works(tmp_path: Path, repository: str) -> None:
    here = tmp_path / "here"
    ran = run_cell(here, DETLEARN_REPO=(tmp_path / "nowhere").as_uri())
    assert ran.code == 1
    assert "nowhere" in ran.err
    assert "No network? On Kaggle, switch Internet on." in ran.err
    assert "Traceback" not in ran.err
    assert run_cell(here, DETLEARN_REPO=repository).code == 0


def test_without_git_it_says_so(tmp_path: Path) -> None:
    ran = run_cell(tmp_path / "here", PATH=str(tmp_path))
    assert ran.code == 1
    assert "git" in ran.err
    assert "Traceback" not in ran.err


def test_an_old_torch_is_a_sentence(clone: Path) -> None:
    for version, code in (("2.8.1", 1), ("1.13.0", 1), ("2.9.0rc1", 0), ("2.10.0+cpu", 0)):
        ran = run_cell(clone, before=f"metadata.version = lambda name: {version!r}")
        assert ran.code == code, version
        if code:
            assert ran.err == "PyTorch 2.9 or newer is needed: choose a newer runtime.\n"


def test_missing_pure_packages_are_installed_without_their_dependencies(clone: Path) -> None:
    before = (
        "util.find_spec = lambda n: None if n == 'torchinfo' else object()\n"
        "import subprocess\n"
        "subprocess.getstatusoutput = lambda command: (print(command), (0, ''))[1]\n"
    )
    ran = run_cell(clone, before=before)
    assert ran.out.splitlines()[:2] == [
        f'"{sys.executable}" -m pip install --no-deps torchinfo',
        "detlearn ready",
    ]


def test_in_jupyter_a_failing_setup_stops_the_run(clone: Path) -> None:
    """`sys.exit` ends a cell, not the kernel, and Run All goes no further."""
    text = (clone / "notebooks/src/_setup.py").read_text(encoding="utf-8")
    text = text.replace("[2, 9]", "[99, 0]")
    (clone / "notebooks/src/_setup.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"(?s)cell 'setup':.*SystemExit: PyTorch 2.9 or newer"):
        build(clone / "notebooks/src/00_small.py", clone)
