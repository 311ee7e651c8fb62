"""What the notebooks need beside the detectors: exercises, proofs, and what has been solved."""

from .score_card import progress

__all__ = ["progress"]
