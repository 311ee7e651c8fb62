"""The fields of a config as JSON has them, and back.

What JSON lost, the types of the config's fields know: a layout of priors, the numbers of a trunk
and an extra layer are built as the field that holds them declares.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, cast

__all__ = ["from_json", "to_json"]


def to_json(value: Any) -> Any:
    """A field's value as JSON has it: a config inside a config becomes a dict.

    >>> from detlearn.models import HRNETV2P_W18
    >>> to_json(HRNETV2P_W18)["widths"], to_json(0.5)
    ((18, 36, 72, 144), 0.5)
    """
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]


def from_json(config: Any, key: str, value: Any) -> Any:
    """The reverse: what JSON made of a field, as the config declares it.

    Args:
        config: of the class whose field it is.
        key: the field's name.
        value: lists for tuples, a dict for a config inside the config; what is right already stays.

    Returns:
        The value for `dataclasses.replace`; what is of no use is handed on: the
        config refuses it.

    Raises:
        ValueError: naming the field, if numbers inside it are too many or too few.

    >>> from detlearn.models import SSD_TINY
    >>> from_json(SSD_TINY, "extras", [[128, 256, 3, 2, 1]])
    (ExtraLayer(mid_channels=128, out_channels=256, kernel_size=3, stride=2, padding=1),)
    >>> from_json(SSD_TINY, "image_mean", [0.5, 0.5, 0.5])
    (0.5, 0.5, 0.5)
    """
    try:
        return _build(typing.get_type_hints(type(config))[key], value)
    except TypeError as error:  # a number too many, or too few
        raise ValueError(f"{key}: {value!r} does not fit ({error})") from error


def _build(kind: Any, value: Any) -> Any:
    if isinstance(kind, types.UnionType):  # a config, or None
        kind = next(one for one in typing.get_args(kind) if one is not types.NoneType)
    if isinstance(value, dict) and dataclasses.is_dataclass(kind):
        hints, make = typing.get_type_hints(kind), cast(Any, kind)
        return make(**{name: _build(hints.get(name), one) for name, one in value.items()})
    inner, *_ = typing.get_args(kind) or (None,)
    if hasattr(inner, "_fields"):  # a tuple of NamedTuples
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, got {type(value).__name__}")
        make = cast(Any, inner)
        return tuple(one if isinstance(one, make) else make(*one) for one in value)
    return tuple(_build(inner, one) for one in value) if isinstance(value, list) else value
