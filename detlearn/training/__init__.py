"""Training: the loop, checkpoints, evaluation, and the shell commands around them."""

from .checkpoint import load_checkpoint, save_checkpoint
from .evaluate import detect_all, evaluate
from .loop import RECIPES, History, TrainConfig, pick_device, train

__all__ = [
    "RECIPES",
    "History",
    "TrainConfig",
    "detect_all",
    "evaluate",
    "load_checkpoint",
    "pick_device",
    "save_checkpoint",
    "train",
]
