"""How many images a second each network trains on and looks at, plain and with what makes it fast.

    python benchmarks/throughput.py                      # on a GPU: minutes
    python benchmarks/throughput.py --device cpu --quick # one step of each, small batches
    python benchmarks/throughput.py --write              # into data/results/throughput.json

Training is `detlearn.training.train_step` on random pixels with eight random boxes an image (random
heat maps for poses).  Detection is the network and what follows it: softmax, decoding and NMS of
100 confident priors an image, in place of what an untrained network says (everything everywhere);
for poses, the peaks of the maps.  Beside them torchvision's SSD300, whose own detection finds
nothing here, and timm's HRNet-W32, of which only the network runs.  ``fp32`` is PyTorch as it
comes, eager and in its usual layout of memory; on recent GPUs its convolutions compute in TF32.

A run replaces its own device's half of the record and leaves the other.  What does not fit into the
memory says so in its cell, and what was not measured says that.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import importlib
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from detlearn import create_model
from detlearn.files import write_atomically
from detlearn.models.pose import decode_heatmaps
from detlearn.training import TrainConfig, build_optimizer, pick_device, train_step
from detlearn.training.cli import versions
from detlearn.training.precision import mixed_precision

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "throughput.json"
MODELS = (
    "ssd300_resnet50", "refinedet320_vgg16", "m2det512_vgg16", "pose_hrnet_w32",
    "torchvision ssd300_vgg16", "timm hrnet_w32",
)  # fmt: skip
SGD = TrainConfig(optimizer="sgd", learning_rate=1e-6)  # noise teaches nothing: hardly move
OUT_OF_MEMORY, NOT_MEASURED = "out of memory", "not measured"

Cell = dict[str, Any] | str
Step = Callable[[], object]


@dataclass(frozen=True)
class Mode:
    """A way to run a network; `amp` as in `TrainConfig`."""

    memory_format: torch.memory_format = torch.channels_last
    amp: str = "off"
    compile: bool = False


MODES = {
    "fp32": Mode(torch.contiguous_format),
    "channels_last": Mode(),
    "bf16": Mode(amp="bf16"),
    "fp16": Mode(amp="fp16"),
    "bf16 + compile": Mode(amp="bf16", compile=True),
}
"""Each adds to the one before; fp16 stands beside bf16."""


@dataclass(frozen=True)
class Settings:
    """What is measured: batches, and how long."""

    train_batch: int
    detect_batches: tuple[int, ...]
    warm_up: int  # steps that do not count
    steps: int  # between two looks at the clock
    repeats: int  # of which the fastest counts


FULL = Settings(train_batch=32, detect_batches=(1, 32), warm_up=3, steps=10, repeats=3)
QUICK = Settings(train_batch=2, detect_batches=(1,), warm_up=0, steps=1, repeats=1)


class Ours:
    """A model of this package, in one mode."""

    def __init__(self, name: str, mode: Mode, device: torch.device) -> None:
        torch.manual_seed(0)
        self.mode, self.device = mode, device
        self.model = create_model(name).to(device).to(memory_format=mode.memory_format)
        config = self.model.config
        self.is_pose = hasattr(config, "crop_size")
        self.size = config.crop_size if self.is_pose else (config.image_size, config.image_size)
        if mode.memory_format is torch.contiguous_format:
            # `train_step` hands over channels_last; here the network shall not see it.
            self.model.register_forward_pre_hook(lambda module, given: (given[0].contiguous(),))
        if mode.compile:
            self.model.compile()

    def images(self, batch: int) -> Tensor:
        return torch.randint(0, 256, (batch, 3, *self.size), dtype=torch.uint8, device=self.device)

    def targets(self, batch: int) -> list[dict[str, Tensor]]:
        """Random ones, as a data set would give them."""
        if self.is_pose:
            joints, (height, width) = self.model.config.num_joints, self.size
            maps = torch.rand(batch, joints, height // 4, width // 4, device=self.device)
            weights = torch.ones(joints, device=self.device)
            return [{"heatmaps": one, "weights": weights} for one in maps]
        return [
            {
                "boxes": random_boxes(8, self.size[0]).to(self.device),
                "labels": torch.randint(1, self.model.config.num_classes, (8,)).to(self.device),
            }
            for _ in range(batch)
        ]

    def train(self, batch: int) -> Step:
        """A step of training."""
        self.model.train()
        optimizer = build_optimizer(self.model, SGD)
        autocast, scaler = mixed_precision(self.device, self.mode.amp)
        images, targets = self.images(batch), self.targets(batch)
        return lambda: train_step(
            self.model, images, targets, optimizer, SGD.clip_norm, autocast, scaler
        )

    def detect(self, batch: int) -> Step:
        """Pixels to detections, or to joints."""
        self.model.eval()
        autocast, _ = mixed_precision(self.device, self.mode.amp)
        images = self.images(batch)

        def network() -> Any:
            inputs = self.model.normalize(images)
            with autocast():
                return self.model(inputs.contiguous(memory_format=self.mode.memory_format))

        if not self.is_pose:
            with torch.inference_mode():
                raw = network()
                confident = type(raw)(*(hundred_objects(part.float()) for part in raw))

        @torch.inference_mode()
        def step() -> object:
            raw = network()
            if self.is_pose:
                return decode_heatmaps(raw.float())
            return self.model.postprocess(confident, [self.size] * batch)

        return step


class Torchvision:
    """Its SSD300: resizing, matching and NMS are part of the model."""

    def __init__(self, mode: Mode, device: torch.device) -> None:
        torch.manual_seed(0)
        self.mode, self.device = mode, device
        # Untrained, everything scores a ninetieth; above the threshold there shall be nothing.
        self.model = torchvision.models.detection.ssd300_vgg16(
            weights=None, weights_backbone=None, score_thresh=0.5
        )
        self.model.to(device).to(memory_format=mode.memory_format)
        if mode.compile:
            self.model.backbone.compile()

    def images(self, batch: int) -> list[Tensor]:
        return list(torch.rand(batch, 3, 300, 300, device=self.device))

    def train(self, batch: int) -> Step:
        """A step of training."""
        self.model.train()
        targets = [
            {"boxes": random_boxes(8, 300).to(self.device),
             "labels": torch.randint(1, 91, (8,)).to(self.device)}
            for _ in range(batch)
        ]  # fmt: skip
        images = self.images(batch)
        return plain_step(self.model, self.mode, self.device, lambda: self.model(images, targets))

    def detect(self, batch: int) -> Step:
        """Pixels to detections."""
        return forward_step(self.model, self.mode, self.device, self.images(batch))


class Timm:
    """Its HRNet-W32 without a classifier; the loss is the mean of the finest map."""

    def __init__(self, mode: Mode, device: torch.device) -> None:
        timm = importlib.import_module("timm")
        torch.manual_seed(0)
        self.mode, self.device = mode, device
        self.model: nn.Module = timm.create_model(
            "hrnet_w32", features_only=True, feature_location="", pretrained=False
        )
        self.model.to(device).to(memory_format=mode.memory_format)
        if mode.compile:
            self.model.compile()

    def images(self, batch: int) -> Tensor:
        images = torch.randn(batch, 3, 256, 192, device=self.device)
        return images.contiguous(memory_format=self.mode.memory_format)

    def train(self, batch: int) -> Step:
        """A step of training."""
        self.model.train()
        images = self.images(batch)
        return plain_step(
            self.model, self.mode, self.device,
            lambda: {"mean": sum(part.float().mean() for part in self.model(images))},
        )  # fmt: skip

    def detect(self, batch: int) -> Step:
        """One pass."""
        return forward_step(self.model, self.mode, self.device, self.images(batch))


def plain_step(
    model: nn.Module, mode: Mode, device: torch.device, losses: Callable[[], dict[str, Tensor]]
) -> Step:
    """The least that a step of training must do, for networks of others."""
    optimizer = build_optimizer(model, SGD)
    autocast, scaler = mixed_precision(device, mode.amp)

    def step() -> object:
        with autocast():
            loss = torch.stack(list(losses().values())).sum()
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    return step


def forward_step(model: nn.Module, mode: Mode, device: torch.device, images: Tensor) -> Step:
    """One pass of a network of others."""
    model.eval()
    autocast, _ = mixed_precision(device, mode.amp)

    @torch.inference_mode()
    def step() -> object:
        with autocast():
            return model(images)

    return step


def random_boxes(count: int, size: int) -> Tensor:
    """Boxes (G, 4) xyxy px, a tenth to four tenths of the image wide and high."""
    corners = 0.6 * size * torch.rand(count, 2)
    return torch.cat([corners, corners + size * (0.1 + 0.3 * torch.rand(count, 2))], dim=1)


def hundred_objects(part: Tensor) -> Tensor:
    """Class scores (B, P, K) with 100 sure priors an image; offsets (B, P, 4) pass as they are."""
    if part.shape[-1] == 4:
        return part
    logits = torch.zeros_like(part)
    logits[..., 0] = 10
    P, K = part.shape[1:]
    for number, prior in enumerate(torch.linspace(0, P - 1, 100).long().tolist()):
        logits[:, prior, 1 + number % (K - 1)] = 20
    return logits


def build(name: str, mode: Mode, device: torch.device) -> Ours | Torchvision | Timm:
    """One of `MODELS`, or any model of this package."""
    if name.startswith("torchvision"):
        return Torchvision(mode, device)
    if name.startswith("timm"):
        return Timm(mode, device)
    return Ours(name, mode, device)


def measure(
    step: Step, batch: int, settings: Settings, device: torch.device, compiled: bool = False
) -> Cell:
    """Images a second, the fastest of some repeats, and the most memory that was in use."""
    cuda = device.type == "cuda"
    for _ in range(max(settings.warm_up, int(compiled))):  # the first step compiles
        step()
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    seconds = math.inf
    for _ in range(settings.repeats):
        finish(device)
        start = time.perf_counter()
        for _ in range(settings.steps):
            step()
        finish(device)
        seconds = min(seconds, time.perf_counter() - start)
    memory = round(torch.cuda.max_memory_allocated(device) / 2**30, 2) if cuda else NOT_MEASURED
    rate = batch * settings.steps / seconds
    return {"batch": batch, "images_per_second": float(f"{rate:.3g}"), "peak_gib": memory}


def finish(device: torch.device) -> None:
    """Wait for a GPU, which works on while Python goes ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def guarded(run: Callable[[], Cell], compiled: bool) -> Cell:
    """What `run` gives, or in a word why there is nothing."""
    try:
        return run()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or is_out_of_memory(error):
            return OUT_OF_MEMORY
        if compiled:  # needs a compiler, Triton, …: this machine's lack is no fault of the rest
            return f"{NOT_MEASURED}: torch.compile failed ({type(error).__name__})"
        raise
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: RuntimeError) -> bool:
    """On GPUs PyTorch has a class for it, on CPUs only words."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, torch.OutOfMemoryError) or any(w in str(error).lower() for w in words)


def measure_row(name: str, mode: str, settings: Settings, device: torch.device) -> dict[str, Any]:
    """Training and detection of a model in a mode."""
    how = MODES[mode]
    cells = {"training": ("train", settings.train_batch)}
    cells |= {f"detection, batch {size}": ("detect", size) for size in settings.detect_batches}
    row: dict[str, Any] = {"model": name, "mode": mode}
    try:
        if name.startswith("timm"):
            importlib.import_module("timm")
    except ImportError:
        return row | dict.fromkeys(cells, f"{NOT_MEASURED}: timm is not installed")
    for cell, (what, batch) in cells.items():

        def run(what: str = what, batch: int = batch) -> Cell:
            # Built anew for each: nothing of the cell before it is in the memory.
            step = getattr(build(name, how, device), what)(batch)
            return measure(step, batch, settings, device, how.compile)

        row[cell] = guarded(run, how.compile)
    return row


def table(record: dict[str, Any]) -> str:
    """Markdown: a row for each model and mode, images a second and GiB, CPU and GPU side by side.

    Args:
        record: as `main` writes it: ``"cpu"`` and ``"cuda"``, each a run or None.
    """
    columns = [
        ("CPU: training", "cpu", "training", "images_per_second"),
        ("CPU: detection, 1", "cpu", "detection, batch 1", "images_per_second"),
        ("GPU: training", "cuda", "training", "images_per_second"),
        ("GiB", "cuda", "training", "peak_gib"),
        ("GPU: detection, 1", "cuda", "detection, batch 1", "images_per_second"),
        ("GPU: detection, 32", "cuda", "detection, batch 32", "images_per_second"),
        ("GiB", "cuda", "detection, batch 32", "peak_gib"),
    ]
    found = {
        device: {(row["model"], row["mode"]): row for row in (run or {"rows": []})["rows"]}
        for device, run in record.items()
    }
    keys = sorted(
        found["cpu"].keys() | found["cuda"].keys(),
        key=lambda key: (_place(key[0], MODELS), key[0], _place(key[1], tuple(MODES))),
    )
    lines = ["| network | mode | " + " | ".join(title for title, *_ in columns) + " |",
             "|:--|:--|" + "--:|" * len(columns)]  # fmt: skip
    for model, mode in keys:
        texts = []
        for _, device, cell, value in columns:
            content = found[device].get((model, mode), {}).get(cell, NOT_MEASURED)
            content = content if isinstance(content, str) else content[value]
            texts.append(content if isinstance(content, str) else f"{content:g}")
        lines.append(f"| `{model}` | {mode} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def read_record(path: Path) -> dict[str, Any]:
    """What was measured before, here or on another machine."""
    record: Any = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(record, dict) or record.keys() != {"cpu", "cuda"}:
        raise SystemExit(f"{path}: expected a record of this benchmark, with 'cpu' and 'cuda'")
    return record


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write it down if asked to."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS, help="of the table, or any of ours")
    parser.add_argument("--modes", nargs="+", choices=MODES, help="default: all; on a CPU, two")
    parser.add_argument("--device", help="cpu, cuda, cuda:1; default: the best there is")
    parser.add_argument("--quick", action="store_true", help="one step of each, small batches")
    parser.add_argument("--train-batch", type=int, help="images in a step of training")
    parser.add_argument("--threads", type=int, default=1, help="threads on a CPU")
    parser.add_argument("--note", default="", help="what else the record should say")
    parser.add_argument("--write", type=Path, nargs="?", const=OUT, help="keep the record")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    if device.type not in ("cpu", "cuda"):
        device = torch.device("cpu")  # the record has no other half
    settings = QUICK if args.quick else FULL
    if args.train_batch:
        settings = dataclasses.replace(settings, train_batch=args.train_batch)
    # Half precision and the compiler are for GPUs.
    on_gpu = device.type == "cuda"
    modes = args.modes or (list(MODES) if on_gpu else ["fp32", "channels_last"])
    empty: dict[str, Any] = {"cpu": None, "cuda": None}
    record = read_record(args.write) if args.write and args.write.exists() else empty
    run: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/throughput.py", *arguments]),
        "versions": versions(),
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.machine(),
        "threads": args.threads,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "note": args.note,
        "settings": dataclasses.asdict(settings),
        "rows": [],
    }
    record[device.type] = run
    for name in args.models:
        for mode in modes:
            print(f"{name}, {mode}", file=sys.stderr, flush=True)
            run["rows"].append(measure_row(name, mode, settings, device))
            if args.write:  # after each: what stops here keeps what there is
                write_atomically(args.write, (json.dumps(record, indent=1) + "\n").encode())
    print(table(record))
    print(", ".join(f"{name} {value}" for name, value in versions().items()))


if __name__ == "__main__":
    main()
