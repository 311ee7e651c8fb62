"""Explorers: pictures that answer to sliders, one self-contained ES module each."""

from detlearn.show.explorers.prior_box import PriorBoxExplorer

__all__ = ["PriorBoxExplorer"]
