"""What a loader's worker could not read reaches the user as the sentence that it was."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch

from detlearn.training import TrainConfig, load_batches


class Broken(torch.utils.data.Dataset):
    """Its third picture cannot be read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int):
        if index == 2:
            raise self.error
        return torch.zeros(3, 8, 8, dtype=torch.uint8), {"image_id": index}


class OfTwoWords(OSError):
    """Cannot be made of one text: it would not survive the way to another process."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("a.json: image 2: the box is none"), ValueError),
        (FileNotFoundError("a.png: no such picture"), FileNotFoundError),
        (OfTwoWords("a.png:", "unreadable"), (OSError, ValueError)),
    ],
)
def test_the_sentence_arrives_as_it_was(error, kind, workers):
    config = TrainConfig(batch_size=2, epochs=1)
    batches = load_batches(Broken(error), config, 0, 0, workers, torch.device("cpu"))
    with pytest.raises(kind) as caught:
        list(batches)
    assert str(caught.value) == str(error)


def test_a_mistake_in_code_keeps_its_traceback():
    config = TrainConfig(batch_size=2, epochs=1)
    broken = Broken(KeyError("label"))
    with pytest.raises(KeyError, match="in __getitem__"):
        list(load_batches(broken, config, 0, 0, 1, torch.device("cpu")))


def test_nothing_is_printed_at_exit():
    code = """
        import sys
        sys.path[:0] = ["tests/training"]
        import torch
        from detlearn.training import TrainConfig, load_batches
        from test_worker_errors import Broken

        if __name__ == "__main__":
            batches = load_batches(Broken(ValueError("a.json: none")), TrainConfig(batch_size=2),
                                   0, 0, 2, torch.device("cpu"))
            try:
                list(batches)
            except ValueError as error:
                kept = error  # with its traceback, until the end
                sys.exit(f"detlearn: {error}")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr.strip() == "detlearn: a.json: none"
