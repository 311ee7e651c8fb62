"""What JupyterLab writes when it saves: the notebook's own metadata, not this machine's.

JupyterLab puts the name of its kernel and the exact Python into every notebook that it opens, and
saves by itself: a notebook that was only read would differ from the course's.
"""

from __future__ import annotations

import copy
from typing import Any

from tools.course.source import METADATA

__all__ = ["HOOK", "keep_metadata"]

HOOK = f"{__name__}.keep_metadata"


def keep_metadata(model: dict[str, Any], **_: Any) -> None:
    """Jupyter's `pre_save_hook`: a notebook for our kernel keeps the metadata of the builder.

    Args:
        model: what is about to be saved; its content is changed.
    """
    content = model.get("content")
    if model.get("type") != "notebook" or not isinstance(content, dict):
        return
    metadata = content.get("metadata", {})
    if metadata.get("kernelspec", {}).get("name") == METADATA["kernelspec"]["name"]:
        for name in ("kernelspec", "language_info"):
            metadata[name] = copy.deepcopy(METADATA[name])
