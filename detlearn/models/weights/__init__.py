"""Models as files: our own, and the checkpoints of published repositories.

``own.py`` writes and reads our safetensors files.  ``published.py`` says, in one table of rules a
repository, how *our* keys are called *there*; everything else is done once for all of them:
``files.py`` unpacks, ``layout.py`` compares, names all that is wrong and loads, ``reference.py``
fills a whole model, ``backbones.py`` its backbone alone.
"""

from .backbones import load_backbone
from .files import open_state_dict, read_tensors
from .initial import InitialReport, load_initial_weights
from .layout import Pixels, Rule, Source, compare_strictly, load_strictly, model_name, translate_key
from .own import load_model, save_model
from .published import SOURCES, prior_first
from .reference import Model, TrunkReport, find_source, load_reference_weights

__all__ = [
    "InitialReport", "load_initial_weights", "load_model", "save_model", "Model", "Pixels", "Rule",
    "SOURCES", "Source", "TrunkReport", "compare_strictly", "find_source", "load_backbone",
    "load_reference_weights", "load_strictly", "model_name", "open_state_dict", "prior_first",
    "read_tensors", "translate_key",
]  # fmt: skip
