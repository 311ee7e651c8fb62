"""detlearn: a course that builds single-shot detectors block by block.

>>> import detlearn
>>> model = detlearn.create_model("ssd_tiny")
>>> model.config.num_classes
9
"""

import gc

from ._version import __version__

# torch leaves half a million objects, and Python would search all of them for garbage in the
# middle of our import, half a second in which it finds none.
_collects = gc.isenabled()
gc.disable()
try:
    from .models import (
        create_model,
        list_models,
        load_backbone,
        load_initial_weights,
        load_model,
        load_reference_weights,
        save_model,
    )
finally:
    if _collects:
        gc.enable()

__all__ = [
    "__version__", "create_model", "list_models", "load_backbone", "load_initial_weights",
    "load_model", "load_reference_weights", "save_model",
]  # fmt: skip
