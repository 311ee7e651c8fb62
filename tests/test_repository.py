"""The promises of the repository's frame: what is written once, what is small, what is linked."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import detlearn

ROOT = Path(__file__).resolve().parents[1]
LOCK = "requirements-lock.txt"
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="make and sh: Linux and macOS")
JUNK = {".git", ".venv", "build", "__pycache__", ".ipynb_checkpoints"}


def read(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tool(name: str) -> ModuleType:
    """A module of tools/."""
    return importlib.import_module(f"tools.{name}")


@cache
def files() -> tuple[Path, ...]:
    """What git keeps or would keep; without git, everything that is not a cache."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        names = [Path(name) for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [
            name
            for name in names
            if not any(
                part in JUNK or part.endswith(("_cache", ".egg-info")) for part in name.parts
            )
        ]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


@cache
def texts() -> dict[Path, str]:
    found = {}
    for name in files():
        try:
            found[name] = read(name)
        except UnicodeDecodeError:
            continue
    return found


def requirements(name: str) -> list[Requirement]:
    lines = [line.split("#")[0].strip() for line in read(name).splitlines()]
    return [Requirement(line) for line in lines if line]


@cache
def project() -> dict:
    return tomllib.loads(read("pyproject.toml"))


# ------------------------------------------------------------------ written once


def test_version_is_written_once():
    version = re.search(r'__version__ = "(.+)"', read("detlearn/_version.py"))[1]
    assert detlearn.__version__ == version == str(Version(version))
    assert project()["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "detlearn._version.__version__"
    }
    assert "version" not in project()["project"]
    assert f"## [{version}]" in read("CHANGELOG.md"), "the changelog tells of every version"
    assignments = [
        str(name) for name, text in texts().items() if re.search(r"^__version__\s*=", text, re.M)
    ]
    assert assignments == [str(Path("detlearn/_version.py"))]


def test_dependencies_are_written_once():
    assert {"version", "dependencies", "optional-dependencies"} <= set(
        project()["project"]["dynamic"]
    )
    dynamic = project()["tool"]["setuptools"]["dynamic"]
    assert dynamic["dependencies"] == {"file": ["requirements.txt"]}
    assert dynamic["optional-dependencies"] == {"dev": {"file": ["requirements-dev.txt"]}}
    # conda takes them through pip; its own lines name Python and pip, nothing else
    dependencies = read("environment.yml").split("dependencies:\n")[1]
    entries = [line.strip().removeprefix("- ") for line in dependencies.splitlines()]
    assert entries == ["python>=3.11,<3.14", "pip", "pip:", "-e .[dev]"]


def test_pythons_agree():
    floor = project()["project"]["requires-python"]
    assert floor == ">=3.11"
    assert project()["tool"]["ruff"]["target-version"] == "py311"
    named = re.findall(r"Python :: (3\.\d+)", read("pyproject.toml"))
    assert named == ["3.11", "3.12", "3.13"]
    matrix = re.search(r"python: (\[.*\])", read(".github/workflows/ci.yml"))[1]
    assert json.loads(matrix) == named


@pytest.mark.parametrize(
    ("name", "colab"),
    [
        ("torch", "2.9"),
        ("torchvision", "0.24"),
        ("numpy", "2.0"),
        ("ipywidgets", "7.7"),
        ("matplotlib", "3.9"),
    ],
)
def test_floors_are_at_or_below_colab(name, colab):
    (requirement,) = [r for r in requirements("requirements.txt") if r.name == name]
    (specifier,) = requirement.specifier
    assert specifier.operator == ">="
    assert Version(specifier.version) <= Version(colab)


def test_only_nbval_is_pinned():
    everything = requirements("requirements.txt") + requirements("requirements-dev.txt")
    pinned = [str(r) for r in everything for s in r.specifier if s.operator != ">="]
    assert pinned == ["nbval==0.11.0"], "ranges, not pins: a pin breaks Colab or next year"
    pin = re.compile(r"\btorch(vision)?\s*=" + "=")
    # One says what is installed here, the other what is installed at Colab: both are constraints.
    allowed = sorted([LOCK, "requirements-colab.txt"])
    assert sorted(str(name) for name, text in texts().items() if pin.search(text)) == allowed


def test_a_wheel_holds_every_file_of_the_package():
    """Folders whose names could be imported are packages; what lies in others must be named."""
    data = tomllib.loads(read("pyproject.toml"))["tool"]["setuptools"]["package-data"]
    for file in (file for file in files() if file.parts[0] == "detlearn" and file.suffix != ".py"):
        found = [
            pattern
            for folder in file.parents
            if all(part.isidentifier() for part in folder.parts)
            for pattern in (*data["*"], *data.get(".".join(folder.parts), ()))
            if (ROOT / file) in (ROOT / folder).glob(pattern)
        ]
        assert found, f"{file}: no pattern of package-data in pyproject.toml finds it"


def test_the_lock_fits_the_ranges_and_has_hashes():
    text = read(LOCK)
    assert text.isascii() and "make lock" in text.splitlines()[1]
    assert not re.search(r"https?:|file:|--(?:index|extra|find)|/", text), "the lock names no host"
    entries = re.findall(
        r"^([a-z0-9][^\n\\]*)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.M
    )
    locked = [Requirement(entry.strip()) for entry, _ in entries]
    assert len(locked) == len(re.findall(r"^[a-z0-9]", text, re.M)) > 100, "each one has hashes"
    assert all(s.operator == "==" for r in locked for s in r.specifier)
    for wanted in requirements("requirements.txt") + requirements("requirements-dev.txt"):
        found = [s.version for r in locked if r.name == wanted.name for s in r.specifier]
        assert found and all(wanted.specifier.contains(version) for version in found), wanted.name


def test_url_is_written_once():
    """Every other mention of the repository is generated from pyproject.toml."""
    url = project()["project"]["urls"]["Repository"]
    host, owner, name = url.removeprefix("https://").split("/")
    mention = re.compile(
        rf"(?:github\.com|{re.escape(host)})[/:][\w.-]+/{name}\b|/{owner}/{name}\b"
    )
    generated = re.compile(r"<!-- begin generated.*?<!-- end generated -->", re.DOTALL)
    by_hand = []
    for path, text in texts().items():
        if path.name in {"pyproject.toml", "CITATION.cff"}:
            continue
        if path.suffix == ".ipynb":  # door and setup cell, both made by the builder
            wrong = [hit for hit in mention.findall(text) if f"{owner}/{name}" not in hit]
            by_hand += [f"{path}: {hit}" for hit in wrong]
            continue
        if path.suffix == ".md":
            text = generated.sub("", text)
        by_hand += [f"{path}: {hit}" for hit in mention.findall(text)]
    assert by_hand == []
    assert read("pyproject.toml").count(url) == 1


def test_generated_parts_are_up_to_date():
    assert tool("readme").stale() == [], "run `make readme`"


def test_chapters_are_in_order_and_every_notebook_is_one():
    readme = tool("readme")
    rows = readme.chapters()
    assert [row["number"] for row in rows] == [f"{n:02d}" for n in range(len(rows))]
    numbers = {path.name[:2] for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert numbers <= {row["number"] for row in rows}
    linked = re.findall(r"\(notebooks/(\d\d)_\w+\.ipynb\)", read("README.md"))
    assert set(linked) == numbers


# ------------------------------------------------------------------ what is in it


def test_nothing_is_large():
    sizes = {name: (ROOT / name).stat().st_size for name in files()}
    assert {str(name): size for name, size in sizes.items() if size > 5e6} == {}
    assert sum(sizes.values()) <= 60e6


def test_no_path_of_a_private_machine():
    homes = "|".join(["root", "work", "farm", "mnt", "opt/dl", r"home/(?!ada\b)[\w.-]+", "Users"])
    private = re.compile(rf"(?<![\w.~\]])/(?:{homes})/[\w.-]+")
    found = {str(name): private.findall(text) for name, text in texts().items()}
    assert {name: hits for name, hits in found.items() if hits} == {}


def anchors(markdown: str) -> set[str]:
    """GitHub's anchors of the headings."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def links(markdown: str) -> list[str]:
    """Targets of links and pictures; what stands in code is none."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", markdown, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)


def test_links_of_texts_lead_somewhere():
    broken = []
    for path in files():
        if path.suffix != ".md":
            continue
        for target in links(read(path)):
            if re.match(r"[a-z]+:", target):
                continue
            place, _, anchor = target.partition("#")
            file = (ROOT / path.parent / place) if place else ROOT / path
            if not file.exists():
                broken.append(f"{path}: {target}")
            elif anchor and file.suffix == ".md" and anchor not in anchors(read(file)):
                broken.append(f"{path}: {target} (no such heading)")
    assert broken == []


def shell_commands(markdown: str) -> list[str]:
    """``python -m detlearn ...`` in the blocks of shell, without what starts the processes."""
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", markdown, flags=re.DOTALL)).splitlines()
    starts = r"(?:python|torchrun --nproc-per-node \d+) -m detlearn "
    return [line for line in lines if re.match(starts, line)]


@pytest.mark.parametrize("text", ["README.md", "docs/training.md", "CONTRIBUTING.md"])
def test_commands_of_texts_are_understood(text, capsys):
    from detlearn.__main__ import build_parser

    commands = shell_commands(read(Path(text)))
    assert commands or text == "CONTRIBUTING.md"
    for command in commands:
        words = shlex.split(command, comments=True)
        try:
            build_parser().parse_args(words[words.index("detlearn") + 1 :])
        except SystemExit:
            raise AssertionError(f"{text}: {command}\n{capsys.readouterr().err}") from None


def test_files_that_texts_name_for_a_command_are_there():
    # `python benchmarks/loading.py` and the like, in tables too.
    texts = {path: read(path) for path in files() if path.suffix == ".md"}
    named = {
        (str(path), name)
        for path, text in texts.items()
        for name in re.findall(r"`(?:python )?((?:benchmarks|tools)/\w+\.py)", text)
    }
    modules = {
        (str(path), name.replace(".", "/"))
        for path, text in texts.items()
        for name in re.findall(r"python -m (tools\.[\w.]+)", text)
    }
    assert named and [pair for pair in named if not (ROOT / pair[1]).is_file()] == []
    assert (
        modules
        and [
            (text, name)
            for text, name in modules
            if not (ROOT / f"{name}.py").is_file() and not (ROOT / name / "__main__.py").is_file()
        ]
        == []
    )


def test_pictures_of_texts_have_a_description():
    bare = [
        f"{path}: {target}"
        for path in files()
        if path.suffix == ".md"
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", read(path))
        if len(alt) < (10 if ":" not in target else 1)  # a badge is its own description
    ]
    assert bare == []


def test_package_is_typed_and_complete():
    assert (ROOT / "detlearn/py.typed").is_file()
    code = [p for p in files() if p.parts[0] == "detlearn" and p.suffix == ".py"]
    without = {str(p.parent) for p in code} - {
        str(p.parent) for p in code if p.name == "__init__.py"
    }
    assert without == set(), "setuptools leaves out a folder without __init__.py"


# ------------------------------------------------------------------ commands


@POSIX_ONLY
def test_help_lists_every_target():
    makefile = read("Makefile")
    targets = re.findall(r"^\.PHONY: (\S+)$", makefile, re.M)
    rules = re.findall(r"^([a-z][\w-]*):", makefile, re.M)
    assert sorted(targets) == sorted(rules)
    assert {"course", "test", "lint", "notebooks", "mutants", "clean", "help"} <= set(targets)
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [t for t in targets if not re.search(rf"^  {t} +\w", shown, re.M)] == []
    variables = set(re.findall(r"^([A-Z_]+) \?=", makefile, re.M))
    assert {v for v in variables if f"  {v}=" not in shown} == set()


@POSIX_ONLY
def test_ci_runs_what_everybody_runs():
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "make lint test" in read(".ci/run")
    assert ".ci/run" in read(".github/workflows/ci.yml")
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)
    subprocess.run(["sh", "-n", ROOT / "tools/make_env.sh"], check=True)


def stub_python(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def make_env(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """tools/make_env.sh for an environment in `folder`; it can install nothing, whatever happens."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DETLEARN", "PIP_"))}
    return subprocess.run(
        ["sh", ROOT / "tools/make_env.sh", folder],
        env=kept | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull} | changes,
        capture_output=True,
        text=True,
    )


NO_TOOLS = 'case "$*" in *ensurepip*|*"-m pip"*|*virtualenv*|*"-m venv"*) exit 1;; esac\n'
OLD = 'case "$1" in -V) echo Python 3.9.2; exit 0;; esac\nexit 1'


@POSIX_ONLY
@pytest.mark.parametrize(
    ("script", "says"),
    [
        (None, "detlearn needs Python 3.11 or newer."),
        (OLD, "python3 is Python 3.9.2"),
        ("exit 127", "detlearn needs Python 3.11 or newer."),  # a shim that leads nowhere
        (
            NO_TOOLS + f'exec "{sys.executable}" "$@"',
            f"sudo apt install python3.{sys.version_info[1]}-venv",
        ),
    ],
    ids=["no Python", "an old Python", "a dead shim", "no way to make environments"],
)
def test_environment_says_what_is_missing(tmp_path, script, says):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("cat", "cksum", "dirname", "find", "head", "ls", "mkdir", "mv", "rm", "sh"):
        source = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True)
        (commands / name).symlink_to(source.stdout.strip())
    if script:
        stub_python(commands, "python3", script)
    target = tmp_path / "environment"
    result = make_env(target, PATH=str(commands))
    assert result.returncode == 1
    assert says in result.stderr
    assert not target.exists(), "nothing half made is left behind"


# A Python that only notes what it is asked for; its environments are copies of it.
NOTES = """
case "$*" in
    *"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *"-m uv "*) echo "uv $UV_INDEX" >>"$NOTEBOOK"; exit "$UV_STATUS" ;;
    *"-m pip install --no-compile"*)
        shift 4
        echo "pip $*" | sed "s|[^ ]*/environment/|ENV/|" >>"$NOTEBOOK" ;;
    *"-m pip config get global.extra-index-url"*)
        [ -z "$INDICES" ] || { echo "https://a.example"; echo "https://b.example"; } ;;
esac
"""
LOCKED = ["pip --require-hashes --requirement requirements-lock.txt", "pip --no-deps --editable ."]
CONSTRAINED = ["pip --constraint ENV/detlearn-constraints.txt --editable .[dev]"]


@POSIX_ONLY
@pytest.mark.parametrize(
    ("status", "notes"),
    [
        ("0", ["uv https://a.example https://b.example"]),
        ("1", ["uv https://a.example https://b.example", *CONSTRAINED]),
    ],
    ids=["uv with the indices of pip's settings", "pip where uv fails"],
)
def test_environment_is_installed_by_uv_or_else_by_pip(tmp_path, status, notes):
    commands = tmp_path / "bin"
    commands.mkdir()
    stub_python(commands, "python3", NOTES)
    result = make_env(
        tmp_path / "environment",
        PATH=f"{commands}:{os.environ['PATH']}",
        PYTHON="python3",
        UV_STATUS=status,
        INDICES="yes",
        NOTEBOOK=str(tmp_path / "notes"),
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "notes").read_text().splitlines() == notes
    assert (tmp_path / "environment/detlearn-env").read_text().startswith("ready ")


@POSIX_ONLY
@pytest.mark.parametrize(
    ("resolve", "system", "indices", "notes"),
    [
        ("", "Linux", "", LOCKED),
        ("locked", "Linux", "yes", CONSTRAINED),
        ("", "Darwin", "", ["pip --upgrade --editable .[dev]"]),
        ("newest", "Linux", "", ["pip --upgrade --editable .[dev]"]),
        ("oldest", "Linux", "", CONSTRAINED),
        ("colab", "Linux", "", ["pip --constraint requirements-colab.txt --editable .[dev]"]),
    ],
    ids=[
        "the lock, with hashes",
        "the lock's releases from another index",
        "macOS",
        "newest",
        "oldest",
        "Colab's",
    ],
)
def test_environment_has_the_releases_that_were_asked_for(
    tmp_path, resolve, system, indices, notes
):
    commands = tmp_path / "bin"
    commands.mkdir()
    stub_python(commands, "python3", NOTES)
    stub_python(commands, "uname", f"echo {system}")
    given = {
        "PATH": f"{commands}:{os.environ['PATH']}", "PYTHON": "python3", "UV_STATUS": "1",
        "UV_INDEX": "", "INDICES": indices, "NOTEBOOK": str(tmp_path / "notes"),
    }  # fmt: skip
    result = make_env(tmp_path / "environment", RESOLVE=resolve, **given)
    assert result.returncode == 0, result.stderr
    lines = (tmp_path / "notes").read_text().splitlines()
    assert [line for line in lines if line.startswith("pip")] == notes
    constraints = tmp_path / "environment/detlearn-constraints.txt"
    if resolve == "oldest":
        floors = dict(line.split("==") for line in constraints.read_text().split())
        assert floors["torch"] == "2.9.*" and floors["numpy"] == "2.0.*" and "tqdm" not in floors
    elif constraints.exists():
        kept = [
            Requirement(line) for line in constraints.read_text().splitlines() if line[0] != "#"
        ]
        assert len(kept) > 100 and "--hash" not in constraints.read_text()
    # Asked for once, they are kept; another wish is another environment.
    notebook = tmp_path / "notes"
    notebook.unlink()
    assert make_env(tmp_path / "environment", **given).returncode == 0 and not notebook.exists()
    wish = "oldest" if resolve != "oldest" else "newest"
    assert make_env(tmp_path / "environment", RESOLVE=wish, **given).returncode == 0
    assert notebook.exists()


def test_colabs_releases_are_releases_and_within_the_ranges():
    image = requirements("requirements-colab.txt")
    assert {"torch", "torchvision", "numpy", "ipywidgets", "ipython", "ipykernel"} <= {
        one.name for one in image
    }
    ranges = {
        one.name: one.specifier
        for name in ("requirements.txt", "requirements-dev.txt")
        for one in requirements(name)
    }
    for one in image:
        (exact,) = one.specifier
        assert exact.operator == "=="
        assert ranges.get(one.name, one.specifier).contains(exact.version), one


@POSIX_ONLY
def test_environment_knows_what_it_is_asked_for(tmp_path):
    result = make_env(tmp_path / "environment", RESOLVE="latest")
    assert result.returncode == 1
    assert "RESOLVE: expected locked, newest, oldest or colab, got latest" in result.stderr


@POSIX_ONLY
def test_environment_of_somebody_else_is_never_removed(tmp_path):
    (tmp_path / "thesis.tex").write_text("three years of work")
    result = make_env(tmp_path)
    assert result.returncode == 1
    assert "was not made by this Makefile" in result.stderr
    assert (tmp_path / "thesis.tex").exists()


@POSIX_ONLY
def test_environment_being_made_is_left_alone(tmp_path):
    (tmp_path / "detlearn-env").write_text(f"building {os.getpid()}\n")
    result = make_env(tmp_path)
    assert result.returncode == 1
    assert f"process {os.getpid()}" in result.stderr


@pytest.mark.parametrize("port", ["0", "65536", "eight", "-1"])
def test_course_refuses_a_port_that_is_none(port, monkeypatch):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit, match="PORT must be a number from 1 to 65535"):
        tool("course.lab").arguments()


@pytest.mark.parametrize(("headless", "browser"), [("1", False), ("0", True), ("", True)])
def test_course_opens_a_browser_unless_headless(headless, browser, monkeypatch):
    monkeypatch.setenv("HEADLESS", headless)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PORT", "")
    arguments = tool("course.lab").arguments()
    assert ("--no-browser" not in arguments) is browser
    assert "--ServerApp.port=8888" in arguments


def test_import_is_light():
    """Nothing that draws, scores or shows is loaded beyond what torchvision loads itself."""
    code = (
        "import sys, torch, torchvision; before = set(sys.modules); import detlearn;"
        "print(*sorted({m.split('.')[0] if not m.startswith(('PIL', 'detlearn')) else m"
        " for m in set(sys.modules) - before}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = result.stdout.split()
    assert "detlearn.boxes" in loaded
    heavy = {"IPython", "ipywidgets", "jupyter_client", "matplotlib", "pandas", "pycocotools"}
    heavy |= {"scipy", "skimage", "torchinfo", "tqdm"}
    assert [m for m in loaded if m in heavy or m.startswith("PIL.")] == []
    rooms = ("data", "metrics", "show", "teach", "training")
    assert [m for m in loaded if m.startswith(tuple(f"detlearn.{room}" for room in rooms))] == []


def test_import_searches_for_no_garbage():
    """torch leaves half a million objects: a search costs as much as the import, and finds none."""
    code = (
        "import gc, torch, torchvision; seen = [];"
        "gc.callbacks.append(lambda phase, info: seen.append(phase)); {before};"
        "import detlearn; print(seen.count('start'), gc.isenabled())"
    )
    for before, after in (("gc.enable()", "True"), ("gc.disable()", "False")):
        result = subprocess.run(
            [sys.executable, "-c", code.format(before=before)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        searches, enabled = result.stdout.split()
        assert int(searches) <= 2  # what is due before the import, and what falls due after it
        assert enabled == after


# ------------------------------------------------------------------ the files that tests rest on


def test_sanitizer_rules_are_pairs_that_nbval_reads():
    """nbval skips, without a word, a rule whose two lines are parted, indented or half empty."""
    from nbval.plugin import get_sanitize_patterns

    lines = read("sanitize.cfg").splitlines()
    rules = [i for i, line in enumerate(lines) if line.lstrip().startswith("regex")]
    assert len(rules) >= 4
    for i in rules:
        assert lines[i].startswith("regex: "), lines[i]
        assert re.fullmatch(r"replace: \S.*", lines[i + 1]), lines[i]
    assert len(get_sanitize_patterns(read("sanitize.cfg"))) == len(rules)
    assert read("sanitize.cfg").isascii(), "nbval opens it in the encoding of the machine"


@pytest.mark.parametrize(
    ("printed", "compared"),
    [
        ("", ""),
        ("8732 priors in 12.5 ms", "8732 priors in TIME"),
        ("<object at 0x7f3a5c0d2e10>", "<object at 0xADDRESS>"),
        ("100%|█████| 50/50 [00:01<00:00, 42.1it/s]", "100%|BAR| 50/50 [TIME]"),
        ("/tmp/ipykernel_12/345.py:3: UserWarning", "CELL.py:LINE: UserWarning"),
        ("addmm: mat1 and mat2 shapes", "mat1 and mat2 shapes"),
        ("mat1 and mat2 shapes", "mat1 and mat2 shapes"),
        ("map of 38 x 38, stride 8, 0.9 s", "map of 38 x 38, stride 8, TIME"),
        ("torch.Size([8732, 4])", "torch.Size([8732, 4])"),
    ],
)
def test_sanitizer_evens_out_machines_and_nothing_else(printed, compared):
    from nbval.plugin import get_sanitize_patterns

    for regex, replace in get_sanitize_patterns(read("sanitize.cfg")):
        printed = re.sub(regex, replace, printed)
    assert printed == compared


def test_every_mutant_still_fits_the_code():
    """`make mutants` plants them; that their texts are there is checked here, in an instant."""
    mutants = tool("mutants").read_mutants()
    assert len(mutants) >= 20
    for mutant in mutants:
        assert mutant.planted(read(mutant.file)) != read(mutant.file)
        missing = [test for test in mutant.caught_by if not (ROOT / test.split("::")[0]).is_file()]
        assert mutant.caught_by
        assert missing == [], mutant.name
