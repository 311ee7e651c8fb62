"""A trained detector as one HTML file that runs in the reader's browser."""

from detlearn.show.page.detector_page import DetectorPage

__all__ = ["DetectorPage"]
