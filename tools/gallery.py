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

__all__ = ["GALLERY", "gallery_files"]

GALLERY = {
    "ssd_tiny": "SSD",
    "refinedet_tiny": "RefineDet",
    "m2det_tiny": "M2Det",
    "ssd_hrnet_tiny": "SSD on HRNet",
}
"""The detectors of Shapes that the course ships, and what a reader calls them."""
FACES = "blazeface"

MARKDOWN = """# Detectors in the page

Each of these runs a trained network in your browser. Drag, size and turn the shapes, drop a picture
of your own, or open the camera. Beside the picture stand the thresholds, the candidates before NMS,
the prior behind each box and the milliseconds of each stage. Nothing is sent anywhere.

- [Four detectors on one scene](_static/detectors/index.html){.external}: what you arrange for one,
  the others see too.
LIST

Your own detector becomes such a page with `python -m detlearn page WEIGHTS --out detector.html`.
"""


@lru_cache(maxsize=1)
def gallery_files() -> dict[str, bytes]:
    """The pages by their path in the site's source.

    Returns:
        One page for each detector, one that frames four of them, and the site's page about both.
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
        f"- [{title}](_static/detectors/{name}.html){{.external}}, `{name}`"
        for name, title in {**GALLERY, FACES: "BlazeFace, on faces"}.items()
    ]
    files["detectors.md"] = MARKDOWN.replace("LIST", "\n".join(rows)).encode()
    return files
