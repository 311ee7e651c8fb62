"""Training: the loop, checkpoints, evaluation, and the shell commands around them."""

from .checkpoint import load_checkpoint, save_checkpoint
from .evaluate import detect_all, evaluate, evaluate_pose
from .loop import (
    RECIPES,
    History,
    TrainConfig,
    build_optimizer,
    learning_rate_factor,
    pick_device,
    train,
    train_step,
)

__all__ = [
    "RECIPES",
    "History",
    "TrainConfig",
    "build_optimizer",
    "detect_all",
    "evaluate",
    "evaluate_pose",
    "learning_rate_factor",
    "load_checkpoint",
    "pick_device",
    "save_checkpoint",
    "train",
    "train_step",
]
