"""Notebooks in JupyterLab, as a student has them: every cell runs, and what can be moved answers.

05 is not among them: it trains for minutes, and `make test` runs it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tools.course.saving import HOOK

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(
    path.stem
    for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")
    if not path.stem.startswith("05")
)
MINUTES = 60_000

# The notebook that is open, as JupyterLab holds it; `make test-browser` asks for this handle.
MODEL = "window.jupyterapp.shell.currentWidget.content.model"
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
READY = f"""(name) => {{
  const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
  const kernel = panel && panel.sessionContext && panel.sessionContext.session;
  return kernel && kernel.kernel && kernel.kernel.status === "idle"
    && panel.context.path.endsWith(name) && {MODEL}.cells.length > 10;
}}"""
CODE = f"{MODEL}.toJSON().cells.filter((c) => c.cell_type === 'code' && c.source.length)"
FINISHED = f"""() => {CODE}.every((c) => c.execution_count !== null)
  || {CODE}.some((c) => c.outputs.some((o) => o.output_type === "error"))"""
ERRORS = f"""() => {CODE}.flatMap((c) => c.outputs.filter((o) => o.output_type === "error")
  .map((o) => c.id + ": " + o.ename + ": " + o.evalue))"""
SHOW_CELL = f"""async (id) => {{
  const book = window.jupyterapp.shell.currentWidget.content;
  const index = {MODEL}.toJSON().cells.findIndex((c) => c.id === id);
  book.activeCellIndex = index;
  await book.scrollToItem(index, "start");
}}"""

CHANGE_THEME = """(theme) =>
  window.jupyterapp.commands.execute('apputils:change-theme', { theme })"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab on a copy of the notebooks, whose saved outputs are removed."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for name in NAMES:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder / "notebooks")
    port = free_port()
    home = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    with open(folder / "lab.log", "w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                f"--ServerApp.root_dir={folder / 'notebooks'}",
                f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0",
                "--IdentityProvider.token=",
                "--LabApp.expose_app_in_browser=True",
                f"--LabApp.app_settings_dir={ROOT / 'tools/lab'}",
                f"--ContentsManager.pre_save_hook={HOOK}",
            ],
            env={**os.environ, **home, "PYTHONPATH": paths, "IPYTHONDIR": str(folder / "ipython")},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{address}/api") or server.poll() is not None, 90)
        assert server.poll() is None, (folder / "lab.log").read_text(encoding="utf-8")[-2000:]
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing after {seconds} s"
        time.sleep(0.2)


def test_opening_and_saving_changes_nothing(running, lab):
    """JupyterLab writes its kernel and its Python into what it opens, and saves by itself."""
    name = "02_prior_box.ipynb"
    page = running.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(2 * MINUTES)
    page.goto(f"{lab}/lab/tree/{name}?reset")
    page.wait_for_function(READY, arg=name)
    page.wait_for_function(f"{MODEL}.sharedModel.getMetadata('language_info').version")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
    contents = f"{lab}/api/contents/{name}?type=file&format=text"
    saved = json.loads(urllib.request.urlopen(contents, timeout=60).read())["content"]
    assert saved == (ROOT / "notebooks" / name).read_text(encoding="utf-8")
    page.evaluate("() => window.jupyterapp.commands.execute('kernelmenu:shutdown')")
    page.close()


@pytest.fixture
def open_notebook(running, lab):
    """Open a notebook in JupyterLab and run all of it; at the end, its kernel is shut down."""
    page = running.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(2 * MINUTES)

    def run(name):
        page.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
        page.wait_for_function(READY, arg=f"{name}.ipynb")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        page.evaluate(RUN_ALL)
        page.wait_for_function(FINISHED, timeout=4 * MINUTES, polling=500)
        assert page.evaluate(ERRORS) == []
        return page

    yield run
    page.evaluate("() => window.jupyterapp.commands.execute('kernelmenu:shutdown')")
    page.close()


def show(page, cell):
    """Bring a cell onto the screen; JupyterLab draws only what is near it."""
    page.evaluate(SHOW_CELL, cell)
    place = page.locator(".jp-Cell.jp-mod-active")
    place.scroll_into_view_if_needed()
    return place


def press(page, handle, key, changed):
    """Press a key on a control until what `changed` reads is another."""
    before = changed()
    handle.focus()
    page.keyboard.press(key)
    wait_until(lambda: changed() != before, 30)
    return before, changed()


def test_00_detections_obey_the_thresholds(open_notebook):
    page = open_notebook("00_start_here")
    frame = show(page, "explorer-detections").frame_locator("iframe")
    facts = lambda: frame.locator("#facts").inner_text()  # noqa: E731
    before, after = press(page, frame.locator("#score"), "End", facts)
    assert "7 of 7 objects found" in before and "7 of 7 objects found" not in after
    press(page, frame.locator("#score"), "Home", facts)


def test_02_a_slider_moves_the_boxes(open_notebook):
    page = open_notebook("02_prior_box")
    frame = show(page, "explorer").frame_locator("iframe")
    facts = lambda: frame.locator("#facts").inner_text()  # noqa: E731
    before, after = press(page, frame.locator("#level"), "ArrowRight", facts)
    assert before.split() != after.split()
    # What the reader chooses for JupyterLab counts, not what the system prefers.
    colour = lambda: frame.locator("body").evaluate("(b) => getComputedStyle(b).backgroundColor")  # noqa: E731
    for theme, paper in ("Dark", "rgb(20, 24, 29)"), ("Light", "rgb(255, 255, 255)"):
        page.evaluate(CHANGE_THEME, f"JupyterLab {theme}")
        wait_until(lambda paper=paper: colour() == paper, 30)


def test_04_a_channel_is_chosen_by_keys(open_notebook):
    page = open_notebook("04_ssd")
    frame = show(page, "explorer-maps").frame_locator("iframe")
    facts = lambda: frame.locator("#facts").inner_text()  # noqa: E731
    press(page, frame.locator("#rank"), "ArrowRight", facts)
    frame = show(page, "explorer-shapes").frame_locator("iframe")
    press(page, frame.locator("#depth"), "ArrowRight", lambda: frame.locator("#list").inner_text())


def test_13_the_written_page_computes_in_its_frame(open_notebook):
    """JupyterLab serves a file beside the notebook to a frame, without rights of the notebook's."""
    page = open_notebook("13_in_the_wild")
    place = show(page, "own-pictures")
    frame = place.frame_locator("iframe")
    frame.locator("#found tbody tr").first.wait_for()
    assert "1 object found" in frame.locator("#facts").inner_text()
    frame.locator("#source-camera").check()
    frame.locator("#error:not([hidden])").wait_for()
    assert "The camera could not be opened" in frame.locator("#error").inner_text()
    place.locator("iframe").scroll_into_view_if_needed()


RUN_ABOVE = ("00", "02", "04", "13")


@pytest.mark.parametrize("name", [name for name in NAMES if name[:2] not in RUN_ABOVE])
def test_runs_to_its_end(open_notebook, name):
    open_notebook(name)
