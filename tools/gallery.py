"""The shipped detectors as pages of the site, side by side on the same scene.

Each is a page of `detlearn.show.DetectorPage` in a frame.  What is arranged in one frame is told to
the others, so that all of them always look at the same scene.
"""

from __future__ import annotations

from functools import lru_cache

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

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Four detectors on one scene</title>
<style>
body { margin: 0; padding: 14px; font: 15px/1.5 system-ui, sans-serif; }
main { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); }
h1 { font-size: 20px; margin: 0; }
iframe { width: 100%; height: 1020px; border: 1px solid #8886; border-radius: 8px; }
</style>
<h1>Four detectors on one scene</h1>
<p>Arrange the shapes in any of the four: the others see the same scene. <a href="FACES.html">The face
detector</a> has a page of its own.</p>
<main>FRAMES</main>
<script>
addEventListener("message", (event) => {
  if (!event.data || !event.data.scene) return;
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.contentWindow !== event.source) frame.contentWindow.postMessage(event.data, "*");
  }
});
</script>
</html>
"""

MARKDOWN = """# Detectors in the page

Each of these runs a trained network in your browser. Drag, size and turn the shapes, drop a picture of
your own, or open the camera. Beside the picture stand the thresholds, the candidates before NMS, the
prior behind each box and the milliseconds of each stage. Nothing is sent anywhere.

- [Four detectors on one scene](_static/detectors/index.html){.external}: what you arrange for one, the
  others see too.
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
    page = PAGE.replace("FRAMES", frames).replace("FACES", FACES)
    files["_static/detectors/index.html"] = page.encode()
    rows = [
        f"- [{title}](_static/detectors/{name}.html){{.external}}, `{name}`"
        for name, title in {**GALLERY, FACES: "BlazeFace, on faces"}.items()
    ]
    files["detectors.md"] = MARKDOWN.replace("LIST", "\n".join(rows)).encode()
    return files
