"""Tests of notebooks: the defaults of this project, and two repairs of nbval 0.11.0.

nbval runs every code cell of a saved notebook and compares what it prints with what was saved. Its
last release is of March 2024, so requirements-dev.txt pins it and this file mends what would make
correct notebooks fail:

1. It executes cells with ``store_history=False``. IPython then ignores a trailing ``;``, and
   ``plt.plot(x);`` prints a line that JupyterLab never saved (nbval issue 194).
2. It takes what an ipywidgets ``Output`` captures (``with out:``, ``interact``,
   ``interactive_output``) for output of the cell. JupyterLab and nbclient put it into the state
   of the widget, not into the saved cell; the repair drops it likewise. Errors pass: a callback
   that fails must fail its cell.

`tests/test_conftest.py` runs a small notebook through each.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--long``: run the tests that take minutes, and only them (``make test-long``)."""
    parser.addoption("--long", action="store_true", help="run the tests marked long, only them")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for no garbage among what is collected: half a million objects, and all of them stay.

    Neither now nor while the tests run, whose own garbage is found as ever.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """What was collected may go, in the order in which Python takes things down."""
    gc.unfreeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the long tests apart from the others."""
    wanted = config.getoption("--long")
    kept = [item for item in items if bool(item.get_closest_marker("long")) == wanted]
    if len(kept) < len(items):
        left_out = [item for item in items if item not in set(kept)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make ``pytest --nbval notebook.ipynb``, from any folder, mean what ``make test`` means."""
    os.environ["DETLEARN_PROGRESS"] = "off"  # what a test solves, nobody has solved
    option = config.option
    if not (getattr(option, "nbval", False) or getattr(option, "nbval_lax", False)):
        return
    option.nbval_sanitize_with = option.nbval_sanitize_with or str(ROOT / "sanitize.cfg")
    if not option.nbval_kernel_name:
        option.nbval_current_env = True
    if option.nbval_cell_timeout == 2000:  # nbval's own default: half an hour for a dead kernel
        option.nbval_cell_timeout = 600.0
    if getattr(option, "dist", "no") == "load":  # would tear a notebook into single cells
        option.dist = "loadfile"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the kernels inherit it


def repair_nbval() -> None:
    """Apply the two repairs that the module's docstring describes."""
    import nbval.kernel
    import nbval.plugin

    def execute_cell_input(self: Any, cell_input: str, allow_stdin: bool | None = None) -> str:
        message_id: str = self.kc.execute(
            cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )
        return message_id

    unfiltered = nbval.plugin.IPyNbFile.get_kernel_message

    def get_kernel_message(self: Any, timeout: float | None = None, stream: str = "iopub") -> Any:
        # Output widget's comm id -> id of the message whose output it captures now ("" = none)
        captures: dict[str, str] = self.__dict__.setdefault("_captures", {})
        while True:
            message = unfiltered(self, timeout=timeout, stream=stream)
            kind, content = message["msg_type"], message["content"]
            state = (content.get("data") or {}).get("state") or {}
            if kind == "comm_open" and state.get("_model_name") == "OutputModel":
                captures[content["comm_id"]] = state.get("msg_id", "")
            elif kind == "comm_msg" and content["comm_id"] in captures and "msg_id" in state:
                captures[content["comm_id"]] = state["msg_id"]
            parent = message["parent_header"].get("msg_id")
            captured = bool(parent) and parent in captures.values()
            if captured and kind in CAPTURED:
                continue
            return message

    nbval.kernel.RunningKernel.execute_cell_input = execute_cell_input
    nbval.plugin.IPyNbFile.get_kernel_message = get_kernel_message


# Not "error": see the module's docstring.
CAPTURED = ("stream", "display_data", "execute_result", "update_display_data", "clear_output")

try:
    repair_nbval()
except ModuleNotFoundError:  # without nbval the unit tests still run
    pass
