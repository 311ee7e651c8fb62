"""The shipped detectors as pages of the site, side by side on the same scene.

Each is a page of `detlearn.show.DetectorPage` in a frame.  What is arranged in one frame is told to
the others, so that all of them always look at the same scene.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from detlearn import load_model
from detlearn.data import data_path
from detlearn.show import DetectorPage
from tools.course.clone import ROOT

__all__ = ["GALLERY", "gallery_files"]

GALLERY = {
    "ssd_tiny": "SSD",
    "refinedet_tiny": "RefineDet",
    "m2det_tiny": "M2Det",
    "ssd_hrnet_tiny": "SSD on HRNet",
}
"""The detectors of Shapes that the course ships, and what a reader calls them."""
FACES = "blazeface"


@lru_cache(maxsize=1)
def gallery_files() -> dict[str, bytes]:
    """The pages by their path in the site's source.

    Returns:
        One page a detector, one that frames four of them, and ``detectors.md`` with their links.
    """
    files = {
        f"_static/detectors/{name}.html": DetectorPage(
            load_model(data_path("weights", f"{name}.safetensors")), title=title
        )
        .to_html()
        .encode()
        for name, title in {**GALLERY, FACES: "BlazeFace"}.items()
    }
    frames = "\n".join(
        f'<iframe src="{name}.html" title="{title} on the scene" allow="camera"></iframe>'
        for name, title in GALLERY.items()
    )
    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    page = template.replace("FRAMES", frames).replace("FACES", FACES)
    files["_static/detectors/index.html"] = page.encode()
    rows = [
        ("index", "Four detectors on one scene"),
        *GALLERY.items(),
        (FACES, "BlazeFace, on faces"),
    ]
    links = "\n".join(
        f'<li><a href="_static/detectors/{name}.html">{title}</a></li>' for name, title in rows
    )
    text = (ROOT / "site" / "detectors.md").read_text(encoding="utf-8")
    files["detectors.md"] = text.replace("@DETECTORS@", f"<ul>\n{links}\n</ul>").encode()
    return files
