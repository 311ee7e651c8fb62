"""Tests that look at pixels count those of the page; test_canvas.py tests the sharp form."""

from __future__ import annotations

import pytest

from detlearn.show import canvas


@pytest.fixture(autouse=True)
def a_pixel_of_the_page_is_one_of_the_file(request, monkeypatch):
    if "sharp" not in request.keywords:
        monkeypatch.setattr(canvas, "SHARP", 1)
