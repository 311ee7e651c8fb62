"""Three portraits that installed packages carry, and the pictures of BlazeFace's parity test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .images import read_image
from .photos import load_photo
from .views import view_photo

__all__ = ["Portrait", "load_portraits", "runtime_picture"]

# Centre and side, px, of the square in which BlazeFace sees the face (rounded).
_FACES = {
    "astronaut": ((224.6, 127.9), 94.6),
    "hopper": ((266.8, 243.4), 196.7),
    "cameraman": ((221.3, 164.7), 86.9),
}
_CROPS = {"coffee": np.s_[:384:3, :384:3], "chelsea": np.s_[:256:2, :256:2]}


@dataclass(frozen=True, slots=True)
class Portrait:
    """A photograph with one face.

    Attributes:
        photo: uint8 ``(3, H, W)``.
        center: (x, y) of the face, px.
        side: of the square around it that a face detector draws, px.
    """

    photo: Tensor
    center: tuple[float, float]
    side: float

    def view(self, side: float, **settings: Any) -> Tensor:
        """The face in the middle, in the size wanted.

        Args:
            side: of the square around the face in the result, px.
            settings: ``angle``, ``shift``, ``blur``, ``side`` as for `view_photo`.

        Returns:
            uint8 ``(3, 128, 128)``.

        >>> load_portraits()["hopper"].view(48, angle=30).shape
        torch.Size([3, 128, 128])
        """
        return view_photo(self.photo, self.center, side / self.side, **settings)


def load_portraits() -> dict[str, Portrait]:
    """Eileen Collins, Grace Hopper and a cameraman; nothing is downloaded.

    Sources: ``astronaut`` of scikit-image (NASA, public domain), ``grace_hopper.jpg`` of
    matplotlib's sample data (US Navy, public domain), ``camera`` of scikit-image (CC0).

    >>> {name: tuple(portrait.photo.shape) for name, portrait in load_portraits().items()}
    {'astronaut': (3, 512, 512), 'hopper': (3, 600, 512), 'cameraman': (3, 512, 512)}
    """
    import skimage.data
    from matplotlib.cbook import get_sample_data

    hopper = get_sample_data("grace_hopper.jpg", asfileobj=False)
    photos = {
        "astronaut": load_photo("astronaut")[0].as_subclass(Tensor),
        "hopper": torch.as_tensor(read_image(hopper)).as_subclass(Tensor),
        "cameraman": torch.from_numpy(skimage.data.camera()).expand(3, -1, -1),
    }
    return {name: Portrait(photo, *_FACES[name]) for name, photo in photos.items()}


def runtime_picture(name: str) -> Tensor:
    """A picture that BlazeFace's published runtime was given; `data/weights/blazeface_runtime.npz`
    has its answers.

    Args:
        name: ``"zeros"``, ``"noise0"``, ``"noise1"``, or a photograph of scikit-image of which
            every fourth (second, third) pixel was taken, without any smoothing.

    Returns:
        ``(1, 3, 128, 128)``, from -1 to 1.

    >>> runtime_picture("zeros").shape
    torch.Size([1, 3, 128, 128])
    """
    if name.startswith("noise"):
        values = np.random.default_rng(int(name[-1])).uniform(-1, 1, (128, 128, 3))
    elif name == "zeros":
        values = np.zeros((128, 128, 3))
    else:
        import skimage.data

        picture = np.atleast_3d(getattr(skimage.data, name)())
        picture = picture[_CROPS.get(name, np.s_[::4, ::4])]
        values = np.broadcast_to(picture / np.float32(127.5) - 1, (128, 128, 3))
    return torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None]
