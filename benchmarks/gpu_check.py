"""What must hold on a GPU as it holds on a CPU; `gpu_check.sh` runs it after the throughput.

    python benchmarks/gpu_check.py --device cuda --write runs/gpu_check/gpu_check.json

Each check prints a line: ``ok``, ``FAILED`` or ``skipped``, and what was measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from detlearn import create_model
from detlearn.data import Cached, Shapes, collate, shapes_train_transform
from detlearn.files import write_atomically
from detlearn.training import TrainConfig, train
from detlearn.training.cli import versions
from detlearn.training.precision import compute_losses, mixed_precision

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "src" / "14_ssd_on_colab.py"
BRIEF = TrainConfig(epochs=2, batch_size=4, learning_rate=2e-3, warmup_steps=2, amp="off")
FAR = {"bf16": 0.03, "fp16": 0.01}  # a loss may differ so much, relatively

Check = Callable[[torch.device, bool], str]


class Failed(Exception):
    """A check that does not hold; the message says what was measured."""


def scenes(size: int = 128, length: int = 16) -> Cached:
    """A few drawn scenes, flipped and cropped."""
    return Cached(Shapes(length=length, size=size), shapes_train_transform(size))


def check_autocast(device: torch.device, quick: bool) -> str:
    """Losses in half precision are those of float32, nearly."""
    said = []
    for name in ("ssd_tiny",) if quick else ("ssd_tiny", "ssd300_vgg16"):
        torch.manual_seed(0)
        model = create_model(name).to(device).train()
        size = model.config.image_size
        images, targets = collate([scenes(size, 4)[i] for i in range(4)])
        images = images.to(device)
        for target in targets:
            target.update({key: target[key].to(device) for key in ("boxes", "labels")})
        with torch.no_grad():
            whole = sum(float(v) for v in compute_losses(model, images, targets).values())
            for kind, far in FAR.items():
                if device.type == "cpu" and kind == "fp16":
                    continue
                autocast, _ = mixed_precision(device, kind)  # type: ignore[arg-type]
                half = compute_losses(model, images, targets, autocast)
                off = abs(sum(float(v) for v in half.values()) / whole - 1)
                said.append(f"{name} {kind} {100 * off:.2f} %")
                if not off <= far:
                    raise Failed(f"{said[-1]} off, expected at most {100 * far:.0f} %")
    return ", ".join(said) + " off"


def check_ema(device: torch.device, quick: bool) -> str:
    """After two steps the average is decay * weights after one + (1 - decay) * after both."""
    decay = 0.7
    config = replace(BRIEF, batch_size=16, warmup_steps=0, schedule="constant")  # a step an epoch
    kept: list[dict[str, torch.Tensor]] = []

    def keep(history: Any, model: Any) -> None:
        kept.append({k: v.detach().clone() for k, v in model.named_parameters()})

    for ema, after_epoch in ((0.0, keep), (decay, None)):
        torch.manual_seed(0)
        model = create_model("ssd_tiny")
        train(model, scenes(), replace(config, ema=ema), device=device, progress=False,
              after_epoch=after_epoch)  # fmt: skip
    one, two = kept
    off = max(
        float((value.detach() - decay * one[key] - (1 - decay) * two[key]).abs().max())
        for key, value in model.named_parameters()
    )
    moved = max(float((two[key] - one[key]).abs().max()) for key in one)
    if off > 0.01 * moved:
        raise Failed(f"the average is {off:.2g} off, a step moves weights by {moved:.2g}")
    return f"the average is that of two steps, {off:.1g} off; a step moves weights by {moved:.1g}"


class Dying:
    """A data set that can be asked so often, and no more."""

    def __init__(self, dataset: Any, lives: int) -> None:
        self.dataset, self.lives, self.class_names = dataset, lives, dataset.class_names

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        self.lives -= 1
        if self.lives < 0:
            raise ConnectionError("the machine is gone")
        return self.dataset[index]


def check_resume(device: torch.device, quick: bool) -> str:
    """A run that is interrupted ends where one ends that is not."""

    def run(dataset: Any, **how: Any) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model = create_model("ssd_tiny")
        train(model, dataset, BRIEF, device=device, progress=False, checkpoint_every=2, **how)
        return {key: value.cpu() for key, value in model.state_dict().items()}

    with tempfile.TemporaryDirectory() as folder:
        try:
            run(Dying(scenes(), 16 + 12), out=folder)
        except ConnectionError:
            pass
        resumed, whole = run(scenes(), out=folder, resume=True), run(scenes())
    off = max(float((resumed[key].float() - whole[key].float()).abs().max()) for key in whole)
    if off > (0 if device.type == "cpu" else 1e-2):
        raise Failed(f"the weights are {off:.2g} off")
    return "the same weights, to the bit" if off == 0 else f"the same weights, {off:.1g} off"


def check_processes(device: torch.device, quick: bool) -> str:
    """Two processes train together: NCCL on two GPUs, gloo on a CPU."""
    if device.type != "cpu" and torch.cuda.device_count() < 2:
        return "skipped: one GPU"
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            "-m", "detlearn", "train", "ssd_tiny", "--scenes", "8", "--epochs", "1",
            "--batch-size", "4", "--no-eval", "--quiet", "--out", folder,
        ]  # fmt: skip
        command += ["--device", "cpu"] if device.type == "cpu" else []
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
        if done.returncode or not (Path(folder) / "model.safetensors").exists():
            raise Failed((done.stdout + done.stderr)[-500:])
    return "trained with " + ("gloo" if device.type == "cpu" else "NCCL")


def check_notebook(device: torch.device, quick: bool) -> str:
    """Notebook 14's cells, on this device."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    chosen = 'training.pick_device(None if FULL else "cpu")'
    if text.count(chosen) != 1:
        raise Failed(f"{NOTEBOOK.name}: expected {chosen} once")
    text = text.replace(chosen, f"torch.device({str(device)!r})")
    if device.type != "cpu":  # sums on a GPU are taken in another order
        text = text.replace("[theirs[key] for key in ours])", "[theirs[key] for key in ours],"
                            " tolerance=0.05)")  # fmt: skip
    cells = [part.partition("\n") for part in text.split("\n# %% ")]
    bodies = [body for head, _, body in cells[1:] if "[markdown]" not in head]
    code = "\n\n".join(bodies)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "cells.py")
        script.write_text(code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script)], cwd=folder, capture_output=True, text=True, timeout=800
        )
    if done.returncode:
        raise Failed((done.stdout + done.stderr)[-800:])
    return f"{len(bodies)} cells of code ran to the end"


CHECKS: dict[str, Check] = {
    "autocast": check_autocast,
    "moving average": check_ema,
    "resume": check_resume,
    "two processes": check_processes,
    "notebook 14": check_notebook,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; 1 if one has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="the smallest network only")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--write", type=Path)
    args = parser.parse_args(arguments)
    if args.device != "cpu" and not torch.cuda.is_available():
        print("gpu_check: there is no CUDA device here; --device cpu --quick tries the script")
        return 1
    device, rows = torch.device(args.device), {}
    for name in args.only:
        start = time.perf_counter()
        try:
            said = CHECKS[name](device, args.quick)
            state = "skipped" if said.startswith("skipped") else "ok"
        except Exception as error:  # the other checks are still worth running
            said, state = f"{type(error).__name__}: {error}", "FAILED"
        seconds = time.perf_counter() - start
        print(f"{state:8}{name}: {said} ({seconds:.0f} s)", flush=True)
        rows[name] = {"state": state, "said": said, "seconds": round(seconds, 1)}
    if args.write:
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
        record = {"gpu": gpu, "versions": versions(), "checks": rows}
        write_atomically(args.write, (json.dumps(record, indent=1) + "\n").encode())
    return int(any(row["state"] == "FAILED" for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
