"""What a training says of its time: measured before the first epoch ends, then a line a minute."""

import pytest

from detlearn.__main__ import main
from detlearn.report import write_report
from detlearn.training import pace as pace_file
from detlearn.training.pace import Pace


def told(seconds, *, epochs=60, steps=1000, batches=20, lines=True, first_epoch=1):
    """What a Pace says of steps that take so many seconds each, the first ones ten times as long."""
    said, moments = [], [0.0]
    for batch in range(batches):
        moments.append(moments[-1] + seconds * (10 if batch < 2 else 1))
    clock = iter(moments)
    pace = Pace(epochs, steps, lines=lines, say=said.append, clock=lambda: next(clock))
    for batch in range(1, batches + 1):
        pace.step(first_epoch, batch, {"loss": 2.0})
    return said


def test_the_first_steps_do_not_count():
    # 0.78 s a step, 1000 steps: 13 minutes an epoch, whatever the first two took
    assert told(0.78, epochs=1) == [
        "about 13 minutes an epoch on this machine (5 batches were timed)"
    ]


@pytest.mark.parametrize(
    ("seconds", "epochs", "first", "expected"),
    [
        (0.78, 60, 1, "about 13 minutes an epoch on this machine, about 13.0 hours for 60 epochs"),
        (
            0.78,
            60,
            60,
            "about 13 minutes an epoch on this machine, about 13 minutes for the 1 left",
        ),
        (0.5, 3, 2, "about 8 minutes an epoch on this machine, about 17 minutes for the 2 left"),
    ],
)
def test_the_whole_is_what_is_left(seconds, epochs, first, expected):
    (line,) = told(seconds, epochs=epochs, first_epoch=first)
    assert line.startswith(expected)


def test_fast_steps_are_timed_for_two_seconds():
    (line,) = told(0.1, batches=30)
    assert line.endswith(("(20 batches were timed)", "(21 batches were timed)"))
    assert told(0.1, batches=20) == []


def test_a_line_a_minute_and_none_beside_a_bar():
    said = told(7.0, batches=40)  # 140 s for the first two, then 7 s each
    lines = [line for line in said if line.startswith("epoch 1/60, batch ")]
    batches = [int(line.split("batch ")[1].split()[0]) for line in lines]
    assert batches == [1, 2, 11, 20, 29, 38]  # every 63 s
    assert lines[2] == "epoch 1/60, batch 11 of 1000: loss 2.000"
    assert len(told(7.0, batches=40, lines=False)) == 1


def test_a_training_without_a_terminal_says_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pace_file, "LINE_EVERY", 0.0)
    monkeypatch.setattr(pace_file, "AT_LEAST", 0.0)
    seen = []

    class Stop(Exception):
        pass

    whole = Pace.step

    def step(self, epoch, batch, losses):
        whole(self, epoch, batch, losses)
        if batch == 7:  # in the middle of the first epoch: somebody asks for a report
            page = write_report(tmp_path, out=tmp_path / "page.html", device="cpu")
            seen.append(page.read_text(encoding="utf-8"))
            raise Stop

    monkeypatch.setattr(Pace, "step", step)
    arguments = ["train", "ssd_tiny", "--scenes", "16", "--epochs", "2", "--batch-size", "2",
                 "--no-eval", "--samples", "0", "--device", "cpu", "--out", str(tmp_path)]  # fmt: skip
    with pytest.raises(Stop):
        main(arguments)
    said = capsys.readouterr().out
    assert "an epoch on this machine" in said and "epoch 1/2, batch 7 of 8: " in said
    (page,) = seen
    assert "<h1>ssd_tiny" in page or ">ssd_tiny<" in page
    assert "shapes" in page and "No epoch is finished yet" in page
    for contradiction in ("there are curves", "what follows is the state", "is missing", "unknown"):
        assert contradiction not in page
    assert "python -m detlearn train ssd_tiny" in page  # the command, to do it again


def test_a_refused_start_leaves_the_record_of_the_run_alone(tmp_path, capsys):
    (tmp_path / "last.pt").write_bytes(b"somebody's")
    (tmp_path / "run.json").write_text("{}")
    assert main(["train", "ssd_tiny", "--scenes", "4", "--quiet", "--no-eval", "--device", "cpu",
                 "--out", str(tmp_path)]) == 2  # fmt: skip
    assert "holds a run already" in capsys.readouterr().err
    assert (tmp_path / "run.json").read_text() == "{}"


def test_a_start_that_is_refused_later_leaves_no_record(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "ssd_tiny", "--scenes", "4", "--quiet", "--no-eval", "--device", "cpu",
                 "--checkpoint-every", "0", "--out", str(out)]) == 2  # fmt: skip
    assert "checkpoint_every: expected" in capsys.readouterr().err
    assert not (out / "run.json").exists()
