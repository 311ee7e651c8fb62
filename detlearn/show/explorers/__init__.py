"""Explorers: pictures that answer to sliders, in the page alone or with a model behind them."""

from typing import TYPE_CHECKING

from detlearn.show.explorers import browser, model
from detlearn.show.explorers.browser import *  # noqa: F403
from detlearn.show.explorers.model import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers read no computed list: they take the stars as they stand
    __all__ = browser.__all__ + model.__all__
