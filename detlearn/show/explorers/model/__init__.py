"""Explorers with the model in the loop: ipywidgets, whose controls a kernel answers."""

from typing import TYPE_CHECKING

from detlearn.show.explorers.model.detections import *  # noqa: F403
from detlearn.show.explorers.model.feature_maps import *  # noqa: F403
from detlearn.show.explorers.model.tum_walk import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers read no computed list: they take the stars as they stand
    __all__ = [name for name in dir() if name.endswith(("Explorer", "Walker"))]
