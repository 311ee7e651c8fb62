"""Two processes over gloo do what one process does with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from detlearn import create_model, load_model, save_model
from detlearn.data import data_path
from detlearn.training import TrainConfig, distributed, evaluate, evaluate_pose
from detlearn.training.batches import batch_indices
from detlearn.training.cli import open_dataset
from tests.patience import HANG

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="gloo is not part of PyTorch's Windows builds")
TRAIN = ["train", "ssd_tiny", "--scenes", "40", "--epochs", "2", "--batch-size", "8", "--device", "cpu",
         "--checkpoint-every", "2", "--no-eval", "--quiet"]  # fmt: skip


def torchrun(*arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    return subprocess.run([*command, *arguments], env=environment, text=True, timeout=HANG,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


@posix
@pytest.mark.slow
def test_a_dead_process_ends_the_run_and_the_run_continues(tmp_path):
    # Process 1 dies in its seventh step; the run resumes, and ends like one that was left alone.
    script = tmp_path / "dying.py"
    script.write_text(
        "import os, signal, sys\n"
        "from detlearn.training import loop\n"
        "from detlearn.__main__ import main\n"
        "steps, step = [], loop.train_step\n"
        "def dying(*arguments):\n"
        "    steps.append(1)\n"
        "    if len(steps) == 7 and os.environ['RANK'] == '1':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return step(*arguments)\n"
        "loop.train_step = dying\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    two = [*TRAIN, "--out", str(tmp_path / "two")]
    ended = torchrun(str(script), *two)
    assert ended.returncode != 0 and "SIGKILL" in ended.stdout
    assert "another process of this run has ended" in ended.stdout, ended.stdout
    assert not (tmp_path / "two" / "model.safetensors").exists()

    refused = torchrun("-m", "detlearn", *two)
    assert refused.returncode != 0 and "holds a run already; resume it (--resume)" in refused.stdout
    resumed = torchrun("-m", "detlearn", *two, "--resume")
    assert resumed.returncode == 0, resumed.stdout
    assert "cpu x 2 processes" in resumed.stdout and resumed.stdout.count("trained in") == 1

    assert torchrun("-m", "detlearn", *TRAIN, "--out", str(tmp_path / "unbroken")).returncode == 0
    ours, theirs = (load_file(tmp_path / run / "model.safetensors") for run in ("two", "unbroken"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2


# In float64: mining chooses among thousands of nearly equal losses, and the last digit of float32
# decides; from there two runs go apart.
CURVE = """
import torch
def loss_curve():
    from detlearn import create_model
    from detlearn.data import TRAIN_OBJECTS, Cached, Shapes, shapes_train_transform
    from detlearn.training import TrainConfig, train
    torch.manual_seed(0)
    model = create_model("ssd_tiny").double()
    normalize = model.normalize
    model.normalize = lambda images: normalize(images).double()
    scenes = Cached(Shapes(length=40, objects=TRAIN_OBJECTS), shapes_train_transform(128))
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2, warmup_steps=3)
    history = train(model, scenes, config, device="cpu", progress=False)
    return [[row["bbox_regression"], row["classification"]] for row in history]
"""

JOB = (
    CURVE
    + """
import json, sys
import torch
from torch import nn
from detlearn import load_model
from detlearn.data import data_path
from detlearn.losses import count_positives
from detlearn.training import distributed, evaluate, evaluate_pose
from detlearn.training.cli import open_dataset
from torch.utils.data import Subset

with distributed.process_group("cpu"):
    rank = distributed.process_rank()
    validation = Subset(open_dataset("shapes", "val"), range(31))
    names = validation.dataset.class_names
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    people = Subset(open_dataset("shapes", "val", keypoints=True), range(31))
    pose = load_model(data_path("weights", "pose_hrnet_tiny.safetensors"))

    # BatchNorm and the loss's normaliser, against one process with the whole batch.
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))
    whole = torch.randn(6, 3, 9, 9)
    positives = torch.tensor([0, 5, 1, 0, 0, 2])
    net = distributed.replicate(net, torch.device("cpu"))
    share = slice(rank, None, 2)
    for _ in range(2):
        loss = net(whole[share]).square().sum() / count_positives(positives[share])
        loss.backward()
    state = {name: value.tolist() for name, value in net.module.state_dict().items()}
    slopes = [p.grad.tolist() for p in net.parameters()]
    answer = {
        "scores": evaluate(model, validation, class_names=names, batch_size=4),
        "pose": evaluate_pose(pose, people, batch_size=4),
        "gathered": distributed.all_gather([rank, rank + 2][: 2 - rank]),
        "broadcast": distributed.broadcast(f"by {rank}"),
        "mean": distributed.all_reduce_mean([float(rank), 5.0], torch.device("cpu")),
        "state": state, "slopes": slopes, "curve": loss_curve(),
    }
    open(f"{sys.argv[1]}/{rank}.json", "w").write(json.dumps(answer))
"""
)


@posix
@pytest.mark.slow
def test_two_processes_learn_and_score_as_one(tmp_path):
    from torch.utils.data import Subset

    script = tmp_path / "job.py"
    script.write_text(JOB)
    ended = torchrun(str(script), str(tmp_path))
    assert ended.returncode == 0, ended.stdout
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second, "every process gets everything"
    assert (
        first["gathered"] == [0, 1, 2]
        and first["broadcast"] == "by 0"
        and first["mean"] == [0.5, 5.0]
    )

    validation = open_dataset("shapes", "val")
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    alone = evaluate(model, Subset(validation, range(31)), class_names=validation.class_names, batch_size=4)  # fmt: skip
    assert first["scores"]["mAP"] > 0.5
    assert first["scores"] == pytest.approx(alone, abs=1e-6, nan_ok=True)
    people = Subset(open_dataset("shapes", "val", keypoints=True), range(31))
    pose = load_model(data_path("weights", "pose_hrnet_tiny.safetensors"))
    assert first["pose"] == pytest.approx(
        evaluate_pose(pose, people, batch_size=4), abs=1e-6, nan_ok=True
    )

    namespace = {}
    exec(CURVE, namespace)
    for ours, theirs in zip(first["curve"], namespace["loss_curve"](), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)  # the processes' losses are added in float32

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))
    whole = torch.randn(6, 3, 9, 9)
    for _ in range(2):
        (net(whole).square().sum() / 8).backward()
    for (name, value), slope in zip(net.named_parameters(), first["slopes"], strict=True):
        torch.testing.assert_close(torch.tensor(slope), value.grad, msg=name)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(torch.tensor(first["state"][name]), value, check_dtype=False)


def test_alone_everything_means_the_obvious():
    with distributed.process_group("cpu") as device:
        assert device.type == "cpu"
        assert (distributed.num_processes(), distributed.process_rank()) == (1, 0)
        model = nn.Linear(2, 2)
        assert distributed.replicate(model, device) is model


def test_synced_batch_norm_alone_is_batch_norm():
    torch.manual_seed(0)
    images = torch.randn(4, 3, 5, 5)
    ours, theirs = distributed.SyncedBatchNorm(3), nn.BatchNorm2d(3)
    torch.testing.assert_close(ours(images), theirs(images))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_shares_must_be_equal(monkeypatch):
    monkeypatch.setattr(distributed, "num_processes", lambda: 3)
    with pytest.raises(
        ValueError, match="batch_size: expected a multiple of the 3 processes, got 8"
    ):
        batch_indices(range(20), TrainConfig(batch_size=8), 0)
    assert len(batch_indices(range(20), TrainConfig(batch_size=9), 0)) == 2


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        ValueError, match="at most as many processes as GPUs, 1, got a process number 2"
    ):
        distributed.process_group(None).__enter__()


def test_a_device_without_a_way_between_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "pick_device", lambda name: torch.device("mps"))
    with pytest.raises(ValueError, match="expected cpu or cuda for several processes, got mps"):
        distributed.process_group("mps").__enter__()


@pytest.mark.parametrize("name", ["ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny"])
def test_every_weight_learns(name):
    # DistributedDataParallel waits for the gradient of each.
    from detlearn.data import Shapes, collate

    model = create_model(name).train()
    images, targets = collate([Shapes(length=4)[i] for i in range(4)])
    torch.stack(list(model.loss(model(model.normalize(images)), targets).values())).sum().backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_a_saved_model_knows_nothing_of_it(tmp_path):
    model = create_model("ssd_tiny")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    distributed.synchronise_batch_norm(model)
    assert any(isinstance(module, distributed.SyncedBatchNorm) for module in model.modules())
    save_model(model, tmp_path / "model.safetensors")
    after = load_model(tmp_path / "model.safetensors").state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
