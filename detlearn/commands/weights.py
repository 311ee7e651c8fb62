"""The weights that a command was asked for: a file, or the name of one that the course ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..data import data_path
from ..models import Detector, load_model

__all__ = ["WEIGHTS_HELP", "load_detector", "load_weights", "shipped_weights"]

WEIGHTS_HELP = "a .safetensors file of this package, or one that comes with it by name: {}"


def shipped_weights() -> list[str]:
    """Names of the models whose weights lie in the course's ``data/weights``.

    Returns:
        the names, in alphabetical order; none where the package is installed without its data.

    >>> "blazeface" in shipped_weights()
    True
    """
    try:
        folder = data_path("weights")
    except FileNotFoundError:
        return []
    return sorted(path.stem for path in folder.glob("*.safetensors"))


def load_weights(weights: str) -> Any:
    """A network with its weights.

    Args:
        weights: a file of `detlearn.save_model`, or a name of `shipped_weights`.  Where there is
            a file of such a name, the file is taken, and that is said.

    Returns:
        The network, in eval mode, on the CPU.

    Raises:
        FileNotFoundError: there is neither; the message lists the names.
        ValueError: the file is damaged, or none of `detlearn.save_model`.
    """
    names = shipped_weights()
    if Path(weights).exists():
        if weights in names:
            print(f"{weights}: the file of this name is taken, not the weights of the course")
        return load_model(weights)
    if weights in names:
        return load_model(data_path("weights", f"{weights}.safetensors"))
    if not Path(weights).suffix and names and Path(weights).name == weights:
        raise FileNotFoundError(
            f"{weights}: there is no such file, and no such weights; there are {', '.join(names)}"
        )
    return load_model(weights)


def load_detector(weights: str, command: str) -> Detector:
    """A detector with its weights.

    Args:
        weights: see `load_weights`.
        command: that wants it, for the message.

    Raises:
        ValueError: the network finds no boxes; and what `load_weights` refuses.
    """
    model = load_weights(weights)
    if not isinstance(model, Detector):
        raise ValueError(
            f"{weights}: {model.config.name} finds no boxes; {command} takes a detector's weights"
        )
    return model
