"""The detectors' pages of the site."""

from __future__ import annotations

import re

import pytest

from tools.gallery import FACES, GALLERY, gallery_files


@pytest.mark.slow
def test_four_detectors_share_a_scene_and_faces_have_a_page():
    files = gallery_files()
    text = files["detectors.md"].decode()
    page = files["_static/detectors/index.html"].decode()
    frames = re.findall(r'<iframe src="(\w+)\.html"', page)
    assert frames == list(GALLERY)
    for name in [*frames, FACES]:
        assert f"_static/detectors/{name}.html" in files
        assert f'"_static/detectors/{name}.html"' in text
    starts = {
        re.search(rb'"start":(\[.*?\]\])', files[f"_static/detectors/{name}.html"])[1]
        for name in GALLERY
    }
    assert len(starts) == 1  # the same shapes in the same places
    assert "@" not in text and "FRAMES" not in page and "FACES" not in page
