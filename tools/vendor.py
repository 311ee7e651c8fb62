"""Third-party files of the decks and the site: which, from where, and that nobody changed them.

    python -m tools.vendor            compare the vendored files with the checksums below
    python -m tools.vendor --fetch    download the packages anew (npm's registry), and compare

They are committed, so that decks and site are built without a network. Each folder of
slides/vendor is one package of one version, with its licence; so is each of
detlearn/show/page/vendor, which the package needs where there is no clone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tools.course.clone import ROOT

VENDOR = ROOT / "slides" / "vendor"
PAGE_VENDOR = ROOT / "detlearn" / "show" / "page" / "vendor"
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of the licence's text."""
REGISTRY = "https://registry.npmjs.org"


@dataclass(frozen=True)
class Package:
    """One package of npm's registry, and what we keep of it.

    Attributes:
        name: its name in the registry.
        version: the one version.
        licence: SPDX expression; the text lies beside the files.
        integrity: SHA-512 of the archive in base64, as the registry and lock files write it.
        files: path in the archive -> (name in our folder, SHA-256).
        text_of_licence: SHA-256 of a LICENSE that lies beside the files because the archive only
            names its licence; None where the archive has the text.
        packaged: whether it lies in the package (`PAGE_VENDOR`) and not in slides/vendor.
    """

    name: str
    version: str
    licence: str
    integrity: str
    files: dict[str, tuple[str, str]]
    text_of_licence: str | None = None
    packaged: bool = False

    @property
    def home(self) -> Path:
        """Where its folder belongs in a clone."""
        return PAGE_VENDOR if self.packaged else VENDOR

    @property
    def kept(self) -> dict[str, str]:
        """What its folder holds: name -> SHA-256."""
        own = {} if self.text_of_licence is None else {"LICENSE": self.text_of_licence}
        return dict(self.files.values()) | own

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.name.rsplit('/', 1)[-1]}-{self.version}"

    @property
    def url(self) -> str:
        """Where the archive is."""
        short = self.name.rsplit("/", 1)[-1]
        return f"{REGISTRY}/{self.name}/-/{short}-{self.version}.tgz"


PACKAGES = (
    Package(
        name="reveal.js",
        version="5.2.1",
        licence="MIT",
        integrity=(
            "r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRl"
            "rpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ=="
        ),
        files={
            "dist/reveal.js": (
                "reveal.js",
                "46538b52db48724192f59bf46f5e851a18e302777c46f4a34c32709d010d6a29",
            ),
            "dist/reveal.css": (
                "reveal.css",
                "68f915a11ebf7203c0446576b7e952ff61c5dd02134a8a226ffaf62ed42136d2",
            ),
            "plugin/notes/notes.js": (
                "notes.js",
                "df1201d19d03241a2897d39c3d38768177df1cbd4bde06327b321cb83461ae89",
            ),
            "LICENSE": (
                "LICENSE",
                "34014800f4126ac2525e224166f099f26628612e95c41f76d70841b63138c989",
            ),
        },
    ),
    Package(
        name="mathjax",
        version="3.2.2",
        licence="Apache-2.0",
        integrity=(
            "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/"
            "O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw=="
        ),
        files={
            "es5/tex-svg.js": (
                "tex-svg.js",
                "d4295dc33744836935c1399feece5159577b34c5c8ffb9f1c6324cd82e03a882",
            ),
            "LICENSE": (
                "LICENSE",
                APACHE_2,
            ),
        },
    ),
    Package(
        name="@fontsource-variable/inter",
        version="5.3.0",
        licence="OFL-1.1",
        integrity=(
            "OupL48va4JNofb97w6NYeF9S7W/kHNKM0Er8Dem5nqi4"
            "jeOLrVJDoE8tZEpnMJmtkvNbB1EIPPwHcdkF6b1oUA=="
        ),
        files={
            "files/inter-latin-wght-normal.woff2": (
                "latin.woff2",
                "3100e775e8616cd2611beecfa23a4263d7037586789b43f035236a2e6fbd4c62",
            ),
            "files/inter-greek-wght-normal.woff2": (
                "greek.woff2",
                "1be3448e292fbf05ffe176fe1e43f135013d50b1e7d324ad1a558f623d3bb6f6",
            ),
            "LICENSE": (
                "LICENSE",
                "3b0a5fca3d17942cde889069889dedbbbd075e9b599968c82a95f4d944e9b345",
            ),
        },
    ),
    Package(
        name="@fontsource-variable/jetbrains-mono",
        version="5.3.0",
        licence="OFL-1.1",
        integrity=(
            "F32xpS2NsGYoQi2ADSkKTgpJj7ozajsGgDJ8woTnqjmI"
            "B+dxDIqImjl4pXZVEExu8UFZ2ndhmX18EBS/hdz3Lw=="
        ),
        files={
            "files/jetbrains-mono-latin-wght-normal.woff2": (
                "latin.woff2",
                "18be452724bfdc236c074ca94a249a7f41a86752c7d04ab258ce9ed5651f6a7e",
            ),
            "LICENSE": (
                "LICENSE",
                "403581b69dac5cff4079205e01c6b467e56af449ecbd7247693ddb1baafa005b",
            ),
        },
    ),
    Package(
        name="axe-core",
        version="4.14.1",
        licence="MPL-2.0",
        integrity=(
            "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NP"
            "jCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
        ),
        files={
            "axe.min.js": (
                "axe.min.js",
                "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
            ),
            "LICENSE": (
                "LICENSE",
                "af175b9d96ee93c21a036152e1b905b0b95304d4ae8c2c921c7609100ba8df7e",
            ),
        },
    ),
    # The engine of a detector's page: the operations, and what computes them in WebAssembly.
    Package(
        name="@tensorflow/tfjs-core",
        version="4.22.0",
        licence="Apache-2.0",
        integrity=(
            "LEkOyzbknKFoWUwfkr59vSB68DMJ4cjwwHgicXN0DUi3"
            "a0Vh1Er3JQqCI1Hl86GGZQvY8ezVrtDIvqR1ZFW55A=="
        ),
        files={
            "dist/tf-core.min.js": (
                "tf-core.min.js",
                "0924438788ff7da57b14d0f7c45a05d81611a5a4b52653da6d065e86d348757c",
            ),
        },
        text_of_licence=APACHE_2,
        packaged=True,
    ),
    Package(
        name="@tensorflow/tfjs-backend-wasm",
        version="4.22.0",
        licence="Apache-2.0",
        integrity=(
            "/IYhReRIp4jg/wYW0OwbbJZG8ON87mbz0PgkiP3CdcAC"
            "RSvUN0h8rvC0O3YcDtkTQtFWF/tcXq/KlVDyV49wmA=="
        ),
        files={
            "dist/tf-backend-wasm.min.js": (
                "tf-backend-wasm.min.js",
                "691bbec0ef8b5a7f17f212e9c5d85832030f90d030b46e99acb4dea1fb16f009",
            ),
            "dist/tfjs-backend-wasm-simd.wasm": (
                "tfjs-backend-wasm-simd.wasm",
                "77ebb28a6d34f371dbbf2086b7f2de8994acd8ea5a3cf1fa24d2c26c840cac7b",
            ),
        },
        text_of_licence=APACHE_2,
        packaged=True,
    ),
)


def file_of(package: str, name: str) -> Path:
    """A vendored file.

    Args:
        package: name in the registry.
        name: name in our folder.

    Raises:
        ValueError: there is no such file in the table.
    """
    for one in PACKAGES:
        if one.name == package and name in {kept for kept, _ in one.files.values()}:
            return one.home / one.folder / name
    raise ValueError(f"no vendored file {name!r} of {package!r}; tools/vendor.py lists all")


def problems(vendor: Path | None = None) -> list[str]:
    """One sentence for each file that is missing, changed, or not in the table.

    Args:
        vendor: a folder in which all packages lie; None for each in its home.
    """
    found = []
    known = set()
    for package in PACKAGES:
        for name, checksum in package.kept.items():
            path = (vendor or package.home) / package.folder / name
            known.add(path)
            if not path.is_file():
                found.append(f"{package.folder}/{name} is missing; run tools.vendor --fetch")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
                found.append(f"{package.folder}/{name} is not the file of {package.name}")
    for folder in [vendor] if vendor else [VENDOR, PAGE_VENDOR]:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path not in known:
                found.append(f"{path.relative_to(folder).as_posix()} is in no package of the table")
    return found


def kept_of(package: Package, archive: bytes) -> dict[str, bytes]:
    """The files that we keep, from the package's archive.

    Raises:
        ValueError: the archive, or a file in it, is not the one of the table.
    """
    got = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if got != package.integrity:
        raise ValueError(f"{package.url}: expected sha512-{package.integrity}, got sha512-{got}")
    kept = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for inside, (name, checksum) in package.files.items():
            member = tar.extractfile(f"package/{inside}")
            data = member.read() if member else b""
            if hashlib.sha256(data).hexdigest() != checksum:
                raise ValueError(f"{package.url}: {inside} has another checksum than the table")
            kept[name] = data
    return kept


def fetch(vendor: Path | None = None) -> None:
    """Download every package and write what we keep of it.

    Args:
        vendor: as for `problems`.
    """
    for package in PACKAGES:
        print(package.url)
        with urllib.request.urlopen(package.url, timeout=60) as answer:
            archive = answer.read()
        for name, data in kept_of(package, archive).items():
            path = (vendor or package.home) / package.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def main(arguments: list[str]) -> int:
    """The command line; 1 after a problem."""
    try:
        if arguments == ["--fetch"]:
            fetch()
        elif arguments:
            print(__doc__)
            return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
