"""Break the code in known ways; the tests must notice every one.

    python -m tools.mutants [NAME ...]      all of tests/mutants.toml, or those named

Each mutant is a mistake that a reader could make (width and height swapped, half a cell forgotten).
It is planted in a copy of the checkout, and each test or notebook that its row names is run there:
each must turn red. First they all run on the copy as it stands, where none may be red.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.course.clone import ROOT

TABLE = ROOT / "tests" / "mutants.toml"
NEEDED = (
    "detlearn",
    "tests",
    "tools",
    "data",
    "notebooks",
    "docs",
    "benchmarks",
    "experiments",
)
# Notebooks are lax: a proof must notice, not the comparison with what was saved.
PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--nbval-lax")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One row of the table."""

    name: str
    file: str
    find: str
    replace: str
    caught_by: tuple[str, ...]

    def planted(self, source: str) -> str:
        """The broken text of `file`.

        Raises:
            ValueError: `find` is not there exactly once, or the mutant changes nothing.
        """
        count = source.count(self.find)
        if count != 1:
            raise ValueError(f"mutant {self.name}: its text stands {count} times in {self.file}")
        if self.find == self.replace:
            raise ValueError(f"mutant {self.name}: nothing is changed")
        return source.replace(self.find, self.replace)


def read_mutants() -> list[Mutant]:
    """The table, in order."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["mutant"]
    mutants = [Mutant(**{**row, "caught_by": tuple(row["caught_by"])}) for row in rows]
    names = [mutant.name for mutant in mutants]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two mutants are named {', '.join(sorted(twice))}")
    return mutants


def copy_checkout(target: Path) -> None:
    """What tests and notebooks need, without caches and environments."""
    junk = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=junk)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith(".coverage"):
            shutil.copy2(path, target / path.name)


def run_tests(folder: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run `tests` in `folder`; the package there comes first, whatever is installed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, *PYTEST, *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def blind(mutant: Mutant) -> list[str]:
    """The named tests that stay green on the mutant."""
    green = []
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        copy_checkout(copy)
        path = copy / mutant.file
        path.write_text(mutant.planted(path.read_text(encoding="utf-8")), encoding="utf-8")
        for test in mutant.caught_by:
            result = run_tests(copy, [test])
            if result.returncode == 0:
                green.append(test)
            elif result.returncode not in (1, 2):  # 2: an import broke, which is noticed too
                raise RuntimeError(f"mutant {mutant.name}: {test}:\n{result.stdout[-2000:]}")
    return green


def main() -> None:
    """Plant them all; exit 1 when one survives."""
    mutants = read_mutants()
    unknown = set(sys.argv[1:]) - {mutant.name for mutant in mutants}
    if unknown:
        raise SystemExit(f"no mutant is named {', '.join(sorted(unknown))}; see {TABLE.name}")
    if sys.argv[1:]:
        mutants = [mutant for mutant in mutants if mutant.name in sys.argv[1:]]
    for mutant in mutants:
        mutant.planted((ROOT / mutant.file).read_text(encoding="utf-8"))

    jobs = int(os.environ.get("JOBS") or 2)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy_checkout(Path(folder))
        tests = sorted({test for mutant in mutants for test in mutant.caught_by})
        result = run_tests(Path(folder), ["-n", str(jobs), "--dist=loadfile", *tests])
    if result.returncode:
        raise SystemExit(f"without a mutant the tests are red already:\n{result.stdout[-3000:]}")

    survivors = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for mutant, green in zip(mutants, pool.map(blind, mutants), strict=True):
            print(f"  {'SURVIVED' if green else 'noticed '}  {mutant.name}", *green, flush=True)
            if green:
                survivors.append(mutant.name)
    seconds = time.perf_counter() - started
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants noticed in {seconds:.0f} s")
    if survivors:
        raise SystemExit(f"no test noticed: {', '.join(survivors)}")


if __name__ == "__main__":
    main()
