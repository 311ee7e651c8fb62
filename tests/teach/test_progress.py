"""What has been solved is kept, on this machine only, and forgotten on request."""

import multiprocessing

import pytest

from detlearn.teach import progress
from detlearn.teach.exercises import all_exercises, nb00, nb02
from detlearn.teach.solved import note_solved, read_solved, solved_path


@pytest.fixture
def kept(tmp_path, monkeypatch):
    path = tmp_path / "with a space" / "solved.txt"
    monkeypatch.setenv("DETLEARN_PROGRESS", str(path))
    return path


def test_nothing_is_solved_without_a_file(kept):
    assert read_solved() == {}
    shown = progress()
    assert sum(row[1] for row in shown.rows()) == 0
    assert repr(shown).splitlines()[-1].startswith(f"0 of {len(all_exercises())} solved; kept in ")
    assert not kept.exists()  # looking writes nothing


def test_only_right_answers_count_and_once(kept):
    assert not nb02.prior_count.check(lambda map_sizes, aspect_ratios: 8732)
    assert not kept.exists()
    for _ in range(3):
        assert nb02.prior_count.check(nb02.prior_count.reference())
    assert list(read_solved()) == ["nb02.prior_count"]
    assert len(kept.read_text().splitlines()) == 1
    (row,) = [row for row in progress().rows() if row[0] == "02"]
    assert row[1] == 1 and "prior_count" not in row[3] and row[3]


def test_forgotten_on_request(kept):
    nb00.count_detections.check(nb00.count_detections.reference())
    assert len(progress().days) == 1
    assert progress(forget=True).days == {}
    assert not kept.exists()
    assert progress(forget=True).days == {}  # a second time


@pytest.mark.parametrize(
    "text", ["", "\0\xff\n", "nb02.prior_count\n", "nb02 2026-01-01\n", "x" * 9999]
)
def test_a_damaged_file_counts_for_nothing_and_goes_on(kept, text):
    kept.parent.mkdir()
    kept.write_text(text, encoding="latin-1")
    assert read_solved() == {}
    with kept.open("a") as file:
        file.write("\n")
    note_solved("nb02.prior_count")
    assert list(read_solved()) == ["nb02.prior_count"]


def test_where_nothing_can_be_written_the_answer_is_right_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DETLEARN_PROGRESS", str(tmp_path / "file" / "solved.txt"))
    assert nb02.prior_count.check(nb02.prior_count.reference())
    assert progress().days == {}


def test_off(monkeypatch):
    monkeypatch.setenv("DETLEARN_PROGRESS", "off")
    assert solved_path() is None
    assert nb02.prior_count.check(nb02.prior_count.reference())
    assert "nothing is kept" in repr(progress())


def _solve(path, first):
    import os

    os.environ["DETLEARN_PROGRESS"] = path
    for number in range(first, first + 50):
        note_solved(f"nb02.exercise_{number}")


def test_two_notebooks_at_once_lose_nothing(kept):
    context = multiprocessing.get_context("spawn")
    kept.parent.mkdir()
    both = [context.Process(target=_solve, args=(str(kept), first)) for first in (0, 50)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert len(read_solved()) == 100


def test_as_a_page_it_names_what_is_missing_only_where_somebody_began(kept):
    nb00.count_detections.check(nb00.count_detections.reference())
    page = progress()._repr_html_()
    assert page.count("<tr>") == len(progress().chapters) + 1
    assert "to_fractions" in page and "prior_count" not in page
    assert "aria-label='notebook 00'" in page
