"""``kill -9`` at any moment, a full disk: the run goes on, and ends with the same weights.

Every run is a forked process that dies where it is told to: in the middle of writing a file,
between two renames, while it scores, between two batches, or when the parent's clock says so.
"""

import dataclasses
import itertools
import os
import random
import secrets
import signal
import time
import traceback
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from detlearn import create_model, files
from detlearn.data import TRAIN_OBJECTS, Cached, Shapes, shapes_train_transform
from detlearn.models import zoo
from detlearn.training import TrainConfig, checkpoint, load_checkpoint, loop, train
from tests.patience import wait_until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

CONFIG = TrainConfig(epochs=4, batch_size=2, learning_rate=3e-3, warmup_steps=0, ema=0.9, amp="off")
IMAGES = 24  # 12 steps an epoch
MOMENTS = ("in a write", "before a rename", "while scoring", "between batches", "by the clock")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(count: int, function):
    """The function, deadly when it is called for the ``count``-th time."""
    calls = itertools.count(1)

    def deadly(*arguments, **named):
        if next(calls) == count:
            die()
        return function(*arguments, **named)

    return deadly


def half_written(count: int):
    """`write_atomically`, dying with half of the content written."""
    calls, whole = itertools.count(1), files.write_atomically

    def write(path, content):
        if next(calls) == count:
            half = path.with_name(
                f".{path.name}.{secrets.token_hex(4)}.tmp"
            )  # as files.py names it
            half.write_bytes(content[: len(content) // 2])
            die()
        whole(path, content)

    return write


def run_in_child(folder: Path, moment: str = "", count: int = 0, full: int = 0) -> int:
    """Fork a process that trains in a folder; its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        torch.set_num_threads(1)
        started = time.process_time()
        checkpoint.RunFolder.too_early = lambda self: False  # each due checkpoint, on any drive
        torch.manual_seed(0)
        model = create_model("ssd_tiny")
        scenes = Cached(Shapes(length=IMAGES, objects=TRAIN_OBJECTS), shapes_train_transform(128))

        def score(model):
            images = [scenes.items[index][0] for index in range(2)]
            return {"mAP": float(sum(len(found["boxes"]) for found in model.detect(images)))}

        step = loop.train_step

        def first_step(*arguments):
            note = folder / "again"
            if not note.exists():
                note.write_text(str(time.process_time() - started))
            return step(*arguments)

        loop.train_step = first_step
        if moment == "in a write":
            checkpoint.write_atomically = zoo.write_atomically = half_written(count)
        elif moment == "before a rename":
            os.replace = die_at(count, os.replace)
        elif moment == "while scoring":
            score = die_at(count, score)
        elif moment == "between batches":
            loop.train_step = die_at(count, loop.train_step)
        if full:
            import resource

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))
        train(model, scenes, CONFIG, out=folder, resume=True, evaluate=score, evaluate_every=1,
              checkpoint_every=3, device="cpu", progress=False)  # fmt: skip
        status = 0
    except OSError as error:
        (folder / "error").write_text(str(error)[:1000])
        status = 28
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def wait_for(pid: int) -> int:
    """Exit status of a child; negative: the signal that it died of."""
    ended: list[int] = []

    def has_ended() -> bool:
        done, status = os.waitpid(pid, os.WNOHANG)
        ended.extend([status] if done else [])
        return bool(done)

    try:
        wait_until(has_ended, "the end of a run")
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return os.waitstatus_to_exitcode(ended[0])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    assert wait_for(run_in_child(folder)) == 0
    return folder


def assert_same_run(folder: Path, unbroken: Path) -> None:
    for name in ("model.safetensors", "best.safetensors"):
        ours, theirs = load_file(folder / name), load_file(unbroken / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name
    ours, theirs = (load_checkpoint(where / "last.pt") for where in (folder, unbroken))
    assert [row | {"seconds": 0} for row in ours["history"]] == [
        row | {"seconds": 0} for row in theirs["history"]
    ]
    assert not list(folder.glob("*.damaged"))


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(30, marks=pytest.mark.slow),
        pytest.param(300, marks=pytest.mark.long),
    ],
)
def test_kill_9_at_random_moments(tmp_path, unbroken, kills):
    # Every kind of moment in turn; within it, which of the next calls, from a seeded generator.
    dice, seed = random.Random(kills), time.monotonic()
    died, runs, again = 0, 1, []
    folder = tmp_path / "1"
    while died < kills:
        moment = MOMENTS[died % len(MOMENTS)]
        folder.mkdir(exist_ok=True)
        (folder / "again").unlink(missing_ok=True)
        pid = run_in_child(folder, moment, dice.randint(1, 2 if moment == "while scoring" else 7))
        if moment == "by the clock":
            time.sleep(dice.uniform(0.1, 0.8))
            os.kill(pid, signal.SIGKILL)
        status = wait_for(pid)
        assert status in (0, -signal.SIGKILL)
        if (folder / "again").exists():
            again.append(float((folder / "again").read_text()))
        if status == 0:  # it was done before it could die
            assert_same_run(folder, unbroken)
            runs += 1
            folder = tmp_path / str(runs)
        else:
            died += 1
            if checkpoint.RunFolder(folder).in_use:
                with checkpoint.RunFolder(folder) as checked:
                    assert checked.newest() is not None
    assert wait_for(run_in_child(folder)) == 0
    assert_same_run(folder, unbroken)
    assert not list(folder.glob(".*.tmp"))
    assert max(again) <= 10, "seconds of CPU from the start to the first step, without imports"
    print(f"{died} of {kills} kills survived in {time.monotonic() - seed:.0f} s, "
          f"at work again after at most {max(again):.1f} s of CPU")  # fmt: skip


def test_a_full_disk_ends_with_a_sentence_and_the_run_continues(tmp_path, unbroken):
    # No file may be larger than one byte less than a checkpoint: a write fails in its middle.
    assert wait_for(run_in_child(tmp_path, "between batches", 8)) == -signal.SIGKILL
    size = (tmp_path / "last.pt").stat().st_size
    assert wait_for(run_in_child(tmp_path, full=size - 1)) == 28
    message = (tmp_path / "error").read_text()
    assert "cannot be written (File too large); what was saved before is whole" in message
    assert load_checkpoint(tmp_path / "last.pt")["position"]["batch"] == 6
    assert not list(tmp_path.glob(".*.tmp"))
    assert wait_for(run_in_child(tmp_path)) == 0
    assert_same_run(tmp_path, unbroken)


def test_another_run_s_checkpoint_is_refused(tmp_path, unbroken):
    # Swapped: whole and sound, but of another run.
    from detlearn.training import save_checkpoint

    state = load_checkpoint(unbroken / "last.pt")
    save_checkpoint(tmp_path / "last.pt", state | {"images": IMAGES + 1})
    with pytest.raises(
        ValueError, match=r"last\.pt: the run was started differently \(images: 25 then, 24 now"
    ):
        train(create_model("ssd_tiny"), Shapes(length=IMAGES), CONFIG, out=tmp_path, resume=True)
    save_checkpoint(tmp_path / "last.pt", state)
    other = dataclasses.replace(CONFIG, ema=0.0)
    with pytest.raises(ValueError, match=r"ema: 0\.9 then, 0\.0 now"):
        train(create_model("ssd_tiny"), Shapes(length=IMAGES), other, out=tmp_path, resume=True)
