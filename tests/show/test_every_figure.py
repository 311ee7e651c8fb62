"""Every figure of the course: a small PNG, described, the same twice.

The tables stand beside the tests of their subject; a figure without a row in one is a failure.
"""

from __future__ import annotations

import base64
import importlib
import io
import pkgutil

import pytest
import torch
from PIL import Image

from detlearn.show import Figure, figures
from tests.show import (
    test_experiment_figures,
    test_face_off_figures,
    test_figures,
    test_hrnet_figures,
    test_m2det_figures,
    test_matching_figures,
    test_metric_figures,
    test_network_figures,
    test_overview_figures,
    test_pose_figures,
    test_refinedet_figures,
    test_training_figures,
)

# subject -> its table, and how many bytes a picture of it may have
TABLES = {
    "boxes and priors": (test_figures.DRAWINGS, 60_000),
    "experiments": (test_experiment_figures.DRAWINGS, 40_000),
    "face-off": (test_face_off_figures.DRAWINGS, 60_000),
    "hrnet": (test_hrnet_figures.DRAWINGS, 40_000),
    "m2det": (test_m2det_figures.DRAWINGS, 40_000),
    "matching": (test_matching_figures.DRAWINGS, 60_000),
    "metrics": (test_metric_figures.DRAWINGS, 40_000),
    "networks": (test_network_figures.DRAWINGS, 40_000),
    "overviews": (test_overview_figures.DRAWINGS, 60_000),
    "poses": (test_pose_figures.DRAWINGS, 40_000),
    "refinedet": (test_refinedet_figures.DRAWINGS, 40_000),
    "training": (test_training_figures.DRAWINGS, 40_000),
}
ALT = "A picture that a test has drawn."
DESCRIBED_BY_THE_CALLER = ("matching", "metrics", "poses", "training")
ROWS = [
    pytest.param(subject, make, most, id=f"{subject}: {name}")
    for subject, (table, most) in TABLES.items()
    for name, make in table.items()
]


@pytest.mark.parametrize(("subject", "make", "most"), ROWS)
def test_a_drawing_is_a_small_png_with_a_description(subject, make, most):
    torch.manual_seed(0)
    figure = make()
    assert isinstance(figure, Figure)
    assert len(figure.alt) >= 15
    if subject in DESCRIBED_BY_THE_CALLER:
        assert figure.alt == ALT
    data, metadata = figure._repr_mimebundle_()
    assert data["text/plain"] == f"Figure: {figure.alt}"
    assert metadata["image/png"]["alt"] == figure.alt
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.format == "PNG"
    assert 100 < picture.width <= 800
    assert len(figure.png) <= most
    torch.manual_seed(0)
    assert make().png == figure.png


def test_every_figure_has_a_row():
    drawn = {name for row in ROWS for name in row.values[1].__code__.co_names}
    files = pkgutil.iter_modules(figures.__path__, figures.__name__ + ".")
    named = {name for file in files for name in importlib.import_module(file.name).__all__}
    assert named == set(figures.__all__)
    elsewhere = {
        "save_detections",  # it writes a file: test_figures.py
        "draw_check_up",  # test_check_up_figures.py
        *("draw_face", "draw_face_panels", "draw_decline", "draw_jitter", "draw_slot_ranges"),
    }  # the faces': test_face_figures.py
    assert named - drawn == elsewhere
