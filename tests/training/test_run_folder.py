"""A run's folder: rotated, locked, verified, and never without a whole state."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from detlearn.training import checkpoint, load_checkpoint, save_checkpoint
from detlearn.training.checkpoint import RunFolder

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_two_newest_are_kept(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        assert not run.in_use and run.newest() is None
        for step in range(5):
            run.save({"step": step, "weights": torch.arange(3.0)})
        assert names(run.path) == {"last.pt", "previous.pt"}
        assert run.in_use and run.newest()["step"] == 4
        assert load_checkpoint(run.path / "previous.pt")["step"] == 3


def test_a_folder_of_none_keeps_nothing():
    with RunFolder(None) as run:
        run.save({"step": 1})
        run.write("note", b"")
        assert run.newest() is None and not run.in_use


def test_a_flipped_bit_is_noticed(tmp_path):
    # torch.load itself reads such a file without a word.
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"weights": torch.full((1000,), 3.0)})
    content = bytearray(path.read_bytes())
    place = content.index(torch.full((9,), 3.0).numpy().tobytes()) + 6
    content[place] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["weights"][1] != 3.0
    with pytest.raises(
        ValueError, match=r"last\.pt: not a whole, safe checkpoint file \(its checksum differs"
    ):
        load_checkpoint(path)


def test_a_file_without_checksum_is_refused(tmp_path):
    path = tmp_path / "last.pt"
    torch.save({"format": "detlearn checkpoint 2", "step": 1}, path)
    with pytest.raises(ValueError, match="its checksum differs"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * len(b)]
)
def test_a_damaged_newest_gives_way_to_the_one_before(tmp_path, damage):
    with RunFolder(tmp_path) as run:
        run.save({"step": 1})
        run.save({"step": 2})
        last = tmp_path / "last.pt"
        last.write_bytes(damage(last.read_bytes()))
        with pytest.warns(UserWarning, match=r"last\.pt.*going back to the checkpoint before"):
            assert run.newest()["step"] == 1
        # The next save must not push the only whole one out with the damaged one.
        assert names(tmp_path) == {"last.damaged", "previous.pt"}
        run.save({"step": 3})
        assert run.newest()["step"] == 3
        assert load_checkpoint(tmp_path / "previous.pt")["step"] == 1


def test_all_damaged_is_an_error(tmp_path):
    with RunFolder(tmp_path) as run:
        run.save({"step": 1})
        (tmp_path / "last.pt").write_bytes(b"")
        with pytest.raises(ValueError, match=r"last\.pt: not a whole, safe checkpoint file"):
            run.newest()
        assert (tmp_path / "last.pt").exists()


@pytest.mark.parametrize("dies_before", [0, 1])
def test_death_between_the_renames(tmp_path, monkeypatch, dies_before):
    with RunFolder(tmp_path) as run:
        run.save({"step": 1})
        run.save({"step": 2})
        real, calls = os.replace, []

        def replace(source, target):
            if Path(source).suffix == ".pt":
                if len(calls) == dies_before:
                    raise KeyboardInterrupt
                calls.append(source)
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            run.save({"step": 3})
        monkeypatch.setattr(os, "replace", real)
        assert run.newest()["step"] == 3
        run.save({"step": 4})
        assert run.newest()["step"] == 4 and "new.pt" not in names(tmp_path)


def test_what_a_killed_write_left_is_removed(tmp_path):
    (tmp_path / ".last.pt.0123abcd.tmp").write_bytes(b"half")
    with RunFolder(tmp_path):
        assert names(tmp_path) == set()


def test_a_full_disk_keeps_what_was_there(tmp_path, monkeypatch):
    with RunFolder(tmp_path) as run:
        run.save({"step": 1})

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(
            OSError,
            match=r"new\.pt cannot be written \(No space left on device\); what was saved before is whole",
        ):
            run.save({"step": 2})
        monkeypatch.undo()
        assert run.newest()["step"] == 1 and names(tmp_path) == {"last.pt"}


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(OSError, match=r"run.* is no folder that can be written to"):
        RunFolder(tmp_path / "run").__enter__()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"is no folder that can be written to \(Permission denied\)"):
        RunFolder(tmp_path).__enter__()
    tmp_path.chmod(0o700)


def test_a_read_only_drive(tmp_path, monkeypatch):
    def refuse(path, content):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("detlearn.training.checkpoint.write_atomically", refuse)
    with pytest.raises(
        OSError, match=r"is no folder that can be written to \(Read-only file system\)"
    ):
        RunFolder(tmp_path / "run").__enter__()


def test_two_runs_in_one_folder(tmp_path):
    with (
        RunFolder(tmp_path),
        pytest.raises(ValueError, match="another process is training into this folder"),
    ):
        RunFolder(tmp_path).__enter__()
    with RunFolder(tmp_path):  # free again
        pass


@pytest.mark.slow
def test_two_processes_in_one_folder(tmp_path):
    code = (
        "import sys\nfrom detlearn.training.checkpoint import RunFolder\n"
        "with RunFolder(sys.argv[1]):\n    print('in', flush=True)\n    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert other.stdout.readline() == "in\n"
    with pytest.raises(ValueError, match="another process is training into this folder"):
        RunFolder(tmp_path).__enter__()
    other.kill()
    other.wait()
    with RunFolder(tmp_path):  # a killed process holds no lock
        pass


@pytest.mark.skipif(os.name == "nt", reason="flock is of Unix")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_drive_without_locks(tmp_path, monkeypatch, number):
    import fcntl

    def flock(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):  # the second time nothing of the first is in the way
        with pytest.warns(UserWarning, match="knows no locks"), RunFolder(tmp_path) as run:
            run.save({"step": 1})


def test_a_file_in_use_is_asked_for_again(tmp_path, monkeypatch):
    # As on Windows while somebody reads last.pt.
    real, refused = os.replace, []

    def replace(source, target):
        if Path(target).name == "previous.pt" and len(refused) < 2:
            refused.append(source)
            raise PermissionError(13, "The process cannot access the file")
        return real(source, target)

    with RunFolder(tmp_path) as run:
        run.save({"step": 1})
        monkeypatch.setattr(os, "replace", replace)
        run.save({"step": 2})
        assert run.newest()["step"] == 2 and len(refused) == 2


def test_too_little_memory_is_no_damage(tmp_path, monkeypatch):
    def load(*_, **__):
        raise MemoryError

    with RunFolder(tmp_path) as run:
        run.save({"step": 1})
        run.save({"step": 2})
        with monkeypatch.context() as little, pytest.raises(MemoryError):
            little.setattr(torch, "load", load)
            run.newest()
        assert run.newest()["step"] == 2


def test_weights_without_checkpoints_are_a_run(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"the work of a week")
    with RunFolder(tmp_path) as run:
        assert run.in_use and run.newest() is None


def test_a_slow_drive_is_written_to_less_often(tmp_path, monkeypatch):
    clock = iter([0.0, 0.0, 6.0, 10.0, 125.0, 127.0])
    monkeypatch.setattr("detlearn.training.checkpoint.time.monotonic", lambda: next(clock))
    with RunFolder(tmp_path) as run:
        run.save({})  # from 0 to 6 s
        assert run.too_early()  # at 10 s
        assert run.too_early()  # at 125 s: 119 of 120 s are over
        assert not run.too_early()


def test_a_fast_drive_is_not(tmp_path, monkeypatch):
    clock = iter([0.0, 0.0, 4.9, 4.9])
    monkeypatch.setattr("detlearn.training.checkpoint.time.monotonic", lambda: next(clock))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with RunFolder(tmp_path) as run:
            run.save({})
            assert not run.too_early()


def test_what_is_replaced_is_empty_and_two_others_are_whole(tmp_path, monkeypatch):
    """Google Drive keeps what is replaced in its bin, where it counts: so it must be nothing."""
    replaced = []
    really = checkpoint.replace_file

    def watched(source, target):
        if target.exists():
            whole = [n for n in ("new.pt", "last.pt") if (tmp_path / n).stat().st_size > 0]
            replaced.append((target.name, target.stat().st_size, whole))
        really(source, target)

    monkeypatch.setattr(checkpoint, "replace_file", watched)
    with RunFolder(tmp_path) as run:
        for step in range(4):
            run.save({"step": step, "weights": torch.zeros(1000)})
        assert run.newest()["step"] == 3
    assert replaced == [("previous.pt", 0, ["new.pt", "last.pt"])] * 2


def test_files_that_are_not_the_runs_own_stay(tmp_path):
    theirs = {name: tmp_path / name for name in ("probe", ".mine.tmp", ".a.1234.tmp")}
    for name, path in theirs.items():
        path.write_text(name)
    left_behind = tmp_path / ".last.pt.0123abcd.tmp"
    left_behind.write_text("half a checkpoint")
    with RunFolder(tmp_path):
        pass
    assert {name: path.read_text() for name, path in theirs.items()} == {n: n for n in theirs}
    assert not left_behind.exists()
