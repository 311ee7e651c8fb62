"""A small drawn data set that lies on the disk exactly as VOC 07+12 or COCO 2017 does."""

from __future__ import annotations

from pathlib import Path

from .export import export_coco, export_voc
from .shapes import TRAIN_OBJECTS, VAL_SEED, Shapes

__all__ = ["draw_stand_in"]


def draw_stand_in(folder: str | Path, layout: str, train: int = 320, val: int = 40) -> Path:
    """Draw scenes of Shapes into the folders that the real archives would unpack to.

    What reads, checks and trains on VOC or COCO does the same with it, in seconds.

    Args:
        folder: made where it is missing.
        layout: ``"voc"``: ``VOC2012/trainval`` to train on, ``VOC2007/test`` to score on; or
            ``"coco"``: ``train2017`` and ``val2017``.
        train: scenes to train on.
        val: scenes to score on.

    Returns:
        the folder, as ``--data`` takes it.

    Raises:
        ValueError: another layout.

    >>> import tempfile
    >>> from detlearn.data import open_dataset
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for layout in ("voc", "coco"):
    ...         root = draw_stand_in(Path(folder, layout), layout, train=3, val=2)
    ...         [len(open_dataset(str(root), split)) for split in ("train", "val")]
    [3, 2]
    [3, 2]
    """
    folder = Path(folder)
    to_train, to_score = Shapes(train, objects=TRAIN_OBJECTS), Shapes(val, seed=VAL_SEED)
    if layout == "voc":
        export_voc(folder, to_train, "2012", "trainval")
        export_voc(folder, to_score, "2007", "test")
    elif layout == "coco":
        for split, scenes in (("train2017", to_train), ("val2017", to_score)):
            export_coco(folder, scenes, f"annotations/instances_{split}.json", split)
    else:
        raise ValueError(f"layout: expected 'voc' or 'coco', got {layout!r}")
    return folder
