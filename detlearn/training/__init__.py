"""Training: the loop, checkpoints, evaluation, and the shell commands around them."""

from .batches import batch_indices, load_batches
from .check_up import CheckUp, check_up
from .checkpoint import get_rng_state, load_checkpoint, save_checkpoint
from .config import TrainConfig, build_optimizer, build_schedule, learning_rate_factor
from .distributed import pick_device, process_group
from .evaluate import detect_all, estimate_all, evaluate, evaluate_pose
from .history import History, loss_names
from .logs import read_curves
from .loop import train, train_step
from .nonfinite import check_finite, replay
from .precision import compute_losses
from .recipes import RECIPES

__all__ = [
    "RECIPES", "CheckUp", "History", "TrainConfig", "batch_indices", "build_optimizer",
    "build_schedule", "check_finite", "check_up", "compute_losses", "detect_all", "estimate_all",
    "evaluate", "evaluate_pose", "get_rng_state", "learning_rate_factor", "load_batches",
    "load_checkpoint", "loss_names", "pick_device", "process_group", "read_curves", "replay",
    "save_checkpoint", "train", "train_step",
]  # fmt: skip
