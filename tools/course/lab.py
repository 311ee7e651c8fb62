"""Open JupyterLab on the first notebook; ``make course`` runs it.

On Windows, or in an environment of your own: ``python -m tools.course open``. It reads HEADLESS
(1: no browser, only the address is printed) and PORT (the first port to try) from the environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tools.course.clone import ROOT
from tools.course.saving import HOOK

FIRST = "notebooks/00_start_here.ipynb"


def has_no_display() -> bool:
    """A Linux without a screen (ssh, container): a browser would open in the terminal, or not."""
    return sys.platform == "linux" and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    )


def trust(notebooks: list[Path]) -> None:
    """Sign our notebooks, so that JupyterLab shows their saved explorers before they are run."""
    import nbformat
    from nbformat.sign import NotebookNotary

    try:
        notary = NotebookNotary()
        for path in notebooks:
            notary.sign(nbformat.read(path, as_version=4))
    except Exception as error:
        print(
            f"The notebooks could not be marked as trusted ({error}):\n"
            "an explorer shows as soon as its cell has been run.",
            file=sys.stderr,
        )


def arguments() -> list[str]:
    """JupyterLab's command line."""
    port = os.environ.get("PORT") or "8888"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SystemExit(f"PORT must be a number from 1 to 65535, got {port!r}")
    result = [
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=50",
        "--log-level=WARN",  # the address is printed all the same
        f"--LabApp.app_settings_dir={ROOT / 'tools' / 'lab'}",  # no pop-up that asks about news
        f"--ContentsManager.pre_save_hook={HOOK}",  # a notebook that was only read stays as it was
    ]
    if can_encrypt():  # otherwise every kernel warns of eavesdropping on its plain TCP
        result.append("--KernelManager.transport_encryption=auto")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        result.append("--allow-root")
    if os.environ.get("HEADLESS", "") not in ("", "0") or has_no_display():
        result.append("--no-browser")
    return result


def can_encrypt() -> bool:
    """Whether server and kernel can talk in cipher: newer releases of both can."""
    import zmq
    from jupyter_client.manager import KernelManager

    return KernelManager.class_traits().get("transport_encryption") is not None and zmq.has("curve")


def open_already() -> list[str]:
    """Addresses under which this very course is being served."""
    from jupyter_server.serverapp import list_running_servers

    return [
        f"{server['url']}lab?token={server['token']}"
        for server in list_running_servers()
        if Path(server["root_dir"]) == ROOT
    ]


def main() -> None:
    """Trust, then serve until Ctrl-C."""
    if not (ROOT / FIRST).is_file():
        raise SystemExit(f"{FIRST} is missing; `make notebooks` builds it.")
    try:
        from jupyterlab.labapp import LabApp
    except ModuleNotFoundError:
        raise SystemExit(
            'JupyterLab is not installed in this Python: pip install -e ".[dev]"'
        ) from None
    trust(sorted((ROOT / "notebooks").glob("*.ipynb")))
    for address in open_already():
        print(
            f"The course is open already: {address}\n"
            "A second one starts now; two that save the same notebook overwrite each other.",
            file=sys.stderr,
        )
    by_make = "; what make says then (Interrupt) is no error" if "MAKELEVEL" in os.environ else ""
    print(f"Ctrl-C, twice, closes the course{by_make}.")
    os.chdir(ROOT)
    LabApp.launch_instance(arguments())
