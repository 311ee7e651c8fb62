"""``python -m detlearn page``: a detector as one HTML file that runs in a browser."""

from __future__ import annotations

import argparse
from typing import Any

from ..show.page import DetectorPage
from .weights import WEIGHTS_HELP, load_detector, shipped_weights

__all__ = ["add_command", "run_page"]


def run_page(args: argparse.Namespace) -> None:
    """``python -m detlearn page WEIGHTS --out FILE.html``: a detector in the reader's browser."""
    model = load_detector(args.weights, "page")
    page = DetectorPage(model, title=args.title)
    path = page.save(args.out)
    facts = repr(page).rstrip(".")
    size = path.stat().st_size / 1e6
    print(f"{path}: {facts[0].lower()}{facts[1:]}; {size:.1f} MB; open it in a browser, "
          "it needs no network")  # fmt: skip


def add_command(commands: Any) -> None:
    """Add ``page`` to an argument parser's commands."""
    p = commands.add_parser("page", help="a detector as one HTML file for any browser",
                            description=run_page.__doc__)  # fmt: skip
    p.set_defaults(run=run_page)
    p.add_argument("weights", metavar="WEIGHTS",
                   help=WEIGHTS_HELP.format(", ".join(shipped_weights())))  # fmt: skip
    p.add_argument("--out", default="detector.html", metavar="FILE.html",
                   help="the file to write (default: detector.html)")  # fmt: skip
    p.add_argument("--title", help="of the page (default: the model's name)")
