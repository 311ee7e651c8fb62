"""detlearn: a course that builds single-shot detectors block by block.

>>> import detlearn
>>> model = detlearn.create_model("ssd_tiny")
>>> model.config.num_classes
9
"""

from ._version import __version__
from .models import (
    create_model,
    list_models,
    load_backbone,
    load_model,
    load_reference_weights,
    save_model,
)

__all__ = [
    "__version__",
    "create_model",
    "list_models",
    "load_backbone",
    "load_model",
    "load_reference_weights",
    "save_model",
]
