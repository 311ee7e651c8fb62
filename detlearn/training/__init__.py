"""Training: the loop, checkpoints, evaluation, and the shell commands around them."""

from .check_up import CheckUp, check_up
from .checkpoint import load_checkpoint, save_checkpoint
from .config import TrainConfig, build_optimizer, learning_rate_factor
from .distributed import join, pick_device
from .evaluate import detect_all, evaluate, evaluate_pose
from .loop import History, train, train_step
from .nonfinite import replay
from .recipes import RECIPES

__all__ = [
    "RECIPES",
    "CheckUp",
    "History",
    "TrainConfig",
    "build_optimizer",
    "check_up",
    "detect_all",
    "evaluate",
    "evaluate_pose",
    "join",
    "learning_rate_factor",
    "load_checkpoint",
    "pick_device",
    "replay",
    "save_checkpoint",
    "train",
    "train_step",
]
