"""What a cell of a map sees of the image, in words."""

from __future__ import annotations

from detlearn.show.receptive_field import ReceptiveField


def extent_in_words(field: ReceptiveField) -> str:
    """How large the field is, and how much of it lies in the image."""
    x1, y1, x2, y2 = field.box
    most = "" if field.exact else "at most "
    whole = f"{most}{field.size[1]} × {field.size[0]} px"
    if (field.size[1], field.size[0]) == (x2 - x1, y2 - y1):
        return whole
    return f"{whole}, of which {x2 - x1} × {y2 - y1} px lie in the image"


def sight_in_words(field: ReceptiveField) -> str:
    """What a cell sees of the image."""
    x1, y1, x2, y2 = field.box
    most = "" if field.exact else "at most "
    words = f"sees {most}{x2 - x1} x {y2 - y1} px"
    if (field.size[1], field.size[0]) != (x2 - x1, y2 - y1):
        words += f" of its field of {field.size[1]} x {field.size[0]}"
    return words
