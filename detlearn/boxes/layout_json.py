"""A layout of priors as JSON: what a shell command writes and another reads."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from .layouts import PriorConfig

__all__ = ["layout_from_json", "layout_to_json"]


def layout_to_json(config: PriorConfig) -> str:
    """A layout as JSON, a line for each field.

    Args:
        config: the layout.

    >>> print(layout_to_json(PriorConfig(8, (2,), (4,), (2,), (), ((2,),))))
    {
     "image_size": 8,
     "map_sizes": [2],
     "steps": [4],
     "min_sizes": [2],
     "max_sizes": [],
     "aspect_ratios": [[2]],
     "clamp": "all"
    }
    """
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in asdict(config).items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def layout_from_json(text: str, name: str = "layout") -> PriorConfig:
    """The reverse of `layout_to_json`.

    Args:
        text: JSON, an object with the fields of `PriorConfig`; ``clamp`` may be missing.
        name: what a message calls it, a path, say.

    Raises:
        ValueError: no JSON, no object, a field unknown or missing, a number out of range.

    **Invariant:** ``layout_from_json(layout_to_json(config)) == config``.

    >>> layout_from_json("[1]", "mine.json")
    Traceback (most recent call last):
        ...
    ValueError: mine.json: expected an object with the fields of a layout, got [1]
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{name}: expected JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{name}: expected an object with the fields of a layout, got {content!r:.60}"
        )
    known = {field.name for field in fields(PriorConfig)}
    unknown, missing = set(content) - known, known - set(content) - {"clamp"}
    if unknown or missing:
        raise ValueError(
            f"{name}: expected the fields {', '.join(sorted(known))}; "
            f"missing {sorted(missing)}, unknown {sorted(unknown)}"
        )
    try:
        return PriorConfig(**{key: _tuples(value) for key, value in content.items()})
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
