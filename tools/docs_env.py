"""Install what requirements-docs.txt names and this environment lacks: `make docs-env`."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

from tools.course.clone import ROOT


def missing(lines: list[str]) -> list[str]:
    """The requirements that this environment does not meet.

    >>> missing(["# none", "", "packaging>=20", "no-such-package-at-all>=1"])
    ['no-such-package-at-all>=1']
    """
    found = []
    for line in lines:
        text = line.split("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        try:
            if requirement.specifier.contains(version(requirement.name), prereleases=True):
                continue
        except PackageNotFoundError:
            pass
        found.append(text)
    return found


def main() -> int:
    """The command line; 1 if pip could not install."""
    lines = (ROOT / "requirements-docs.txt").read_text(encoding="utf-8").splitlines()
    lacking = missing(lines)
    if not lacking:
        return 0
    print("For decks and site, this environment lacks:", *lacking, file=sys.stderr)
    command = [sys.executable, "-m", "pip", "install", "--quiet", *lacking]
    if subprocess.run(command, check=False).returncode:
        print(
            "They could not be installed; pip says why above. Most often it is the network: what "
            "is there already (make course, make test) works without it.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
