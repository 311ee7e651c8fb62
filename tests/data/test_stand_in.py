"""The drawn stand-in of VOC and COCO: what is scored was not trained."""

import pytest
import torch
from torch import Tensor

from detlearn.data import draw_stand_in, open_dataset


@pytest.mark.parametrize("layout", ["voc", "coco"])
def test_no_scene_is_trained_and_scored(tmp_path, layout):
    root = str(draw_stand_in(tmp_path, layout, train=4, val=4))
    train, val = (open_dataset(root, split) for split in ("train", "val"))
    trained = [train[i][0].as_subclass(Tensor) for i in range(len(train))]
    for i in range(len(val)):
        scored = val[i][0].as_subclass(Tensor)
        assert not any(torch.equal(scored, picture) for picture in trained), i


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected 'voc' or 'coco', got 'yolo'"):
        draw_stand_in(tmp_path, "yolo")
