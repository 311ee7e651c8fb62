"""A trained detector as one HTML file: its steps, its weights, the engine, the page's own code."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detlearn.files import write_atomically
from detlearn.models import Detector
from detlearn.show.explorers.browser.frame import EXPLORERS, module_source
from detlearn.show.page.graph import Program
from detlearn.show.page.in_notebook import PageFrame
from detlearn.show.page.pictures import portrait, scene_for
from detlearn.show.page.program import read_program

__all__ = ["DetectorPage"]

ENGINE = (
    "tfjs-core-4.22.0/tf-core.min.js",
    "tfjs-backend-wasm-4.22.0/tf-backend-wasm.min.js",
)
WASM = "tfjs-backend-wasm-4.22.0/tfjs-backend-wasm-simd.wasm"
LARGEST_HALF = 65504.0
FIRST_SCORE = 0.3
"""The threshold that the slider stands on at first: what is shown should be worth looking at."""
HIGHEST_FIRST_SCORE = 0.5

_FOLDERS = ("detlearn.show.page", EXPLORERS)


class DetectorPage:
    """One HTML file that runs a detector in the reader's browser: no server, no network, no Python.

    Shapes can be dragged, scaled and turned, a picture dropped, the camera opened; beside it stand
    the thresholds, what was found, the prior behind a chosen box and the milliseconds of each
    stage.  Filters are kept as float16, biases and BatchNorm as float32.

    Args:
        model: a detector, trained or not; left as it is.
        title: of the page; None for the model's name.

    Raises:
        ValueError: if the model is no detector, uses an operation that the page does not know, or
            has weights that float16 cannot hold.

    Source: the engine is TensorFlow.js with its WebAssembly back end, Apache-2.0; see
    ``detlearn/show/page/vendor``.

    >>> import detlearn
    >>> page = DetectorPage(detlearn.create_model("ssd_tiny"))
    >>> page
    Page of ssd_tiny: 128 x 128 px, 3,392 priors on 4 maps, 8 classes.
    """

    def __init__(self, model: Detector, title: str | None = None) -> None:
        if not isinstance(model, Detector):
            raise ValueError(f"model: expected a detector with priors, got {type(model).__name__}")
        config = model.config
        side = config.image_size
        example = torch.zeros(1, 3, side, side, device=model.priors.device)
        program = read_program(model, example)
        self.title = title or config.name
        self.name = config.name
        self._table, self._weights = packed(program.tensors)
        picture = portrait() if config.name == "blazeface" else None
        self._options: dict[str, Any] = {
            "config": page_config(model, program),
            "program": {"steps": program.steps, "outputs": program.outputs},
            "tensors": self._table,
            "scene": None if picture else scene_for(model.class_names or ()),
            "picture": picture,
            "score": min(max(config.score_threshold, FIRST_SCORE), HIGHEST_FIRST_SCORE),
        }

    def to_html(self) -> str:
        """The whole page.

        Returns:
            HTML that needs no other file, the same bytes for the same weights.
        """
        vendor = files("detlearn.show.page") / "vendor"
        wasm = gzip.compress((vendor / WASM).read_bytes(), 9, mtime=0)
        libraries = "\n".join(
            f"<script>{_library((vendor / name).read_text(encoding='utf-8'), name)}</script>"
            for name in ENGINE
        )
        options = json.dumps(self._options, allow_nan=False, separators=(",", ":"))
        facts = repr(self).split(": ", 1)[1]
        replace = {
            "title": html.escape(self.title),
            "facts": html.escape(facts),
            "libraries": libraries,
            "options": options.replace("<", "\\u003c"),
            "engine": base64.b64encode(wasm).decode("ascii"),
            "weights": base64.b64encode(self._weights).decode("ascii"),
            "script": _closed(module_text("app.js"), "app.js"),
        }
        template = (files("detlearn.show.page") / "page.html").read_text(encoding="utf-8")
        return re.sub(r"\{\{ (\w+) \}\}", lambda found: replace[found[1]], template)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file.

        Args:
            path: by custom with the suffix ``.html``; appears when it is complete.

        Returns:
            The path.
        """
        write_atomically(path, self.to_html().encode("utf-8"))
        return Path(path)

    def preview(self, path: str | os.PathLike[str]) -> PageFrame:
        """Write the page to a file and show it below the cell, in a frame.

        Args:
            path: as for `save`, relative to the notebook; its folder is made if there is none.

        Returns:
            The frame; it names the file and holds no copy of it, except on Colab.
        """
        facts = repr(self)
        facts = f"{facts[0].lower()}{facts[1:]}"
        return PageFrame(self.save(path), title=self.title, facts=facts)

    def __repr__(self) -> str:
        config = self._options["config"]
        layout = config["layout"]
        return (
            f"Page of {self.name}: {config['side']} x {config['side']} px, "
            f"{config['priors']:,} priors on {len(layout['map_sizes'])} maps, "
            f"{config['classes'] - 1} {'class' if config['classes'] == 2 else 'classes'}."
        )


def packed(tensors: dict[str, Tensor]) -> tuple[dict[str, list[Any]], bytes]:
    """Weights as bytes, and a table of where each lies.

    Args:
        tensors: by name, float32.

    Returns:
        Name -> [``"f16"`` or ``"f32"``, offset in bytes, shape], and the bytes.  Filters, with
        four axes, are halves: they are nearly all of the numbers.

    Raises:
        ValueError: naming a filter with a number that float16 cannot hold.

    >>> packed({"bias": torch.zeros(2)})[0]
    {'bias': ['f32', 0, [2]]}
    """
    table: dict[str, list[Any]] = {}
    blob = bytearray()
    for name, tensor in tensors.items():
        half = tensor.ndim == 4
        if half and float(tensor.abs().max()) > LARGEST_HALF:
            raise ValueError(
                f"{name}: expected weights up to {LARGEST_HALF:,.0f}, the largest float16, got "
                f"{float(tensor.abs().max()):,.0f}: diverged in training, or damaged"
            )
        blob += b"\0" * (-len(blob) % 4)
        table[name] = ["f16" if half else "f32", len(blob), list(tensor.shape)]
        numbers = tensor.cpu().to(torch.float16 if half else torch.float32).contiguous()
        blob += numbers.numpy().tobytes()
    return table, bytes(blob)


def page_config(model: Detector, program: Program) -> dict[str, Any]:
    """What the page must know beside the network: priors, coding, thresholds, names.

    Args:
        model: the detector.
        program: its steps.

    Returns:
        Plain numbers and texts.

    Raises:
        ValueError: if the network returns something that the page cannot read.
    """
    config, priors = model.config, model.config.priors
    K, P = config.num_classes, priors.num_priors
    names: dict[tuple[tuple[int, ...], ...], list[str]] = {
        ((P, K), (P, 4)): ["logits", "deltas"],
        ((P, 2), (P, 4), (P, K), (P, 4)): ["arm_logits", "arm_deltas", "odm_logits", "odm_deltas"],
    }
    shapes = tuple(shape[1:] for shape in program.shapes)
    points = shapes[2][1] if len(shapes) == 3 and len(shapes[2]) == 3 else 0
    outputs = names.get(shapes) or (
        ["logits", "deltas", "points"] if points and shapes[:2] == ((P, K), (P, 4)) else None
    )
    if outputs is None:
        raise ValueError(f"model: the page cannot read predictions of the shapes {shapes}")
    own = {
        name: getattr(config, name, default)
        for name, default in (
            ("two_step", True), ("negative_filter", "off"), ("objectness_threshold", 0.0),
            ("suppression", None), ("max_per_class", None),
        )
    }  # fmt: skip
    return {
        "side": config.image_size, "mean": list(config.image_mean), "std": list(config.image_std),
        "antialias": config.antialias, "letterbox": config.letterbox,
        "bgr": getattr(config, "channel_order", "rgb") == "bgr",
        "classes": K, "class_names": _class_names(model), "priors": P, "points": points,
        "layout": {
            "image_size": priors.image_size, "map_sizes": list(priors.map_sizes),
            "steps": list(priors.steps), "min_sizes": list(priors.min_sizes),
            "max_sizes": list(priors.max_sizes or ()),
            "aspect_ratios": [list(ratios) for ratios in priors.aspect_ratios],
            "clamp": priors.clamp,
        },
        "box_scales": list(config.box_scales), "linear_sizes": config.linear_sizes,
        "iou_threshold": config.iou_threshold, "max_candidates": config.max_candidates,
        "max_detections": config.max_detections, "weighted_nms": config.weighted_nms,
        "outputs": outputs, **own,
    }  # fmt: skip


def _class_names(model: Detector) -> list[str]:
    count = model.config.num_classes
    if model.class_names is not None:
        return list(model.class_names)
    return ["background", *(f"class {label}" for label in range(1, count))]


def module_text(name: str) -> str:
    """The page's own code and, before it, of every module that it imports.

    Args:
        name: file name of a module of the page, or of the explorers.

    Returns:
        One module that imports nothing.

    >>> "export async function mount" in module_text("app.js")
    True
    """
    return module_source(name, _FOLDERS)


def _library(script: str, name: str) -> str:
    """A library without the line that sends a debugger to look for another file."""
    return _closed(re.sub(r"^//# sourceMappingURL=.*$", "", script, flags=re.MULTILINE), name)


def _closed(script: str, name: str) -> str:
    if "</script" in script.lower():
        raise ValueError(f"{name}: expected no '</script' inside a script, got one")
    return script
