"""The page about a run in a browser: quiet, nothing sticks out, no serious barrier, prints."""

from __future__ import annotations

import json
import shutil

import pytest

from detlearn.data import data_path
from detlearn.report import write_report
from tools.check_decks import Watch
from tools.vendor import file_of


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    rows = [
        {"epoch": e, "bbox_regression": 4 / e, "classification": 6 / e, "learning_rate": 0.01 / e,
         "seconds": 60.0, "mAP": 0.7 - 0.5 / e, "mAP50": 0.9 - 0.5 / e, "mAP75": 0.8 - 0.6 / e}
        for e in range(1, 7)
    ]  # fmt: skip
    (folder / "history.json").write_text(json.dumps(rows))
    command = "python -m detlearn train ssd_tiny --out " + "a_folder_with_a_long_name/" * 8
    (folder / "run.json").write_text(json.dumps({"command": command, "config": {"epochs": 6}}))
    shutil.copy(data_path("weights") / "ssd_tiny.safetensors", folder / "model.safetensors")
    return write_report(folder, limit=60, device="cpu")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1000, 360])
def test_it_opens_quietly_and_nothing_sticks_out(running, page, width, scheme):
    watch = Watch(running, width, 900, scheme)
    watch.page.goto(page.resolve().as_uri())
    watch.page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    watch.page.wait_for_timeout(200)
    assert watch.page.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter((one) => !one.complete || !one.naturalWidth).length"
    assert watch.page.evaluate("document.images.length") == 12
    assert watch.page.evaluate(broken) == 0
    watch.page.evaluate(file_of("axe-core", "axe.min.js").read_text(encoding="utf-8"))
    found = watch.page.evaluate("axe.run(document)")["violations"]
    watch.close()
    assert watch.faults == []
    grave = [
        f"{one['id']}: {one['help']} {[node['html'][:90] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == []


def test_it_prints(running, page, tmp_path):
    watch = Watch(running, 1000, 900, "dark")
    watch.page.goto(page.resolve().as_uri())
    watch.page.pdf(path=tmp_path / "page.pdf", format="A4", print_background=True)
    watch.page.emulate_media(media="print")
    paper = watch.page.evaluate("getComputedStyle(document.body).backgroundColor")
    watch.close()
    assert paper == "rgb(255, 255, 255)"
    assert (tmp_path / "page.pdf").stat().st_size > 50_000
