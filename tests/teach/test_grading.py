"""Grading a class: what is right is found wherever it stands, and nobody is harmed."""

import csv
import json
import os
import random
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
import torch

from detlearn.__main__ import main
from detlearn.teach.exercises import exercises_of, nb00, nb02
from detlearn.teach.grading import Grade
from detlearn.teach.grading.fence import missing_parts
from detlearn.teach.grading.grade import find_submissions, grade_all, grade_submission
from detlearn.teach.grading.pool import ProgramEnded, Server
from detlearn.teach.grading.submission import needed_for, read_submission
from detlearn.teach.grading.table import as_csv, as_page, stumbles
from detlearn.teach.grading.wire import decode, encode, from_line

needs_fence = pytest.mark.skipif(
    bool(missing_parts()), reason=f"this machine lacks {', '.join(missing_parts())}"
)
IMPORTS = (
    "import math\nimport torch\nfrom detlearn import boxes\nfrom detlearn.teach.exercises import {}"
)


def notebook(*cells):
    return json.dumps({
        "cells": [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": [],
                   "execution_count": None} for cell in cells],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    })  # fmt: skip


def answered(chapter, sources):
    """A notebook as a student hands it in: the answers, each with its check."""
    module = f"nb{chapter}"
    cells = [IMPORTS.format(module)]
    cells += [
        f"{textwrap.dedent(source).strip()}\n\n{module}.{key}.check({key})"
        for key, source in sources.items()
    ]
    return cells


def solutions(chapter):
    return {one.key: one.solution_source for one in exercises_of(f"nb{chapter}")}


@pytest.fixture(scope="module")
def server():
    with_fence = Server(fenced=not missing_parts())
    yield with_fence
    with_fence.close()


def grades_of(server, tmp_path, cells, name="02_ada.ipynb", seconds=60.0):
    path = tmp_path / name
    path.write_text(notebook(*cells))
    return {g.exercise: g for g in grade_submission(path, "ada", server, seed=1, seconds=seconds)}


# ------------------------------------------------------------------ what goes over the wire
@pytest.mark.parametrize("value", [
    pytest.param(None, id="none"), pytest.param(..., id="ellipsis"), pytest.param(True, id="bool"),
    pytest.param(-3, id="int"), pytest.param(0.1, id="float"), pytest.param("ä\n", id="text"),
    pytest.param((), id="empty tuple"), pytest.param([[1], (2.0,)], id="nested"),
    pytest.param({"a": [1], 2: None}, id="dict"),
])  # fmt: skip
def test_values_come_back_as_they_were(value):
    again = decode(json.loads(json.dumps(encode(value))))
    assert again == value and type(again) is type(value)


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int64, torch.float32, torch.float64, torch.uint8]
)
@pytest.mark.parametrize("shape", [(), (0, 4), (2, 3)])
def test_tensors_come_back_to_the_bit(dtype, shape):
    tensor = (torch.rand(shape) * 3).to(dtype)
    again = decode(encode(tensor))
    assert again.dtype == dtype and again.shape == tensor.shape and torch.equal(again, tensor)
    if tensor.ndim == 2:
        assert torch.equal(decode(encode(tensor.T)), tensor.T)  # not contiguous


def test_what_runs_does_not_travel():
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    for value in (Evil(), print, torch.nn.Linear(1, 1), object):
        assert "object of the class" in repr(decode(encode(value)))
    loop = []
    loop.append(loop)
    decode(encode(loop))  # ends


@pytest.mark.parametrize("said", [
    {}, {"tuple": 3}, {"tensor": ["float32", [2], "AAAA"]}, {"tensor": ["object", [1], "AAAA"]},
    {"tensor": ["float32", [-1], ""]}, {"dict": [[{"list": []}, 1]]}, {"nothing": 1}, [1],
])  # fmt: skip
def test_what_nobody_encoded_is_refused(said):
    with pytest.raises(ValueError):
        decode(said)


@pytest.mark.parametrize("line", [b"", b"[]", b"\xff", b"[" * 100_000, b"NaN"])
def test_a_line_that_is_no_message_is_refused(line):
    with pytest.raises(ValueError):
        from_line(line)


# ------------------------------------------------------------------ reading a notebook
def read(tmp_path, *cells):
    path = tmp_path / "02.ipynb"
    path.write_text(notebook(*cells))
    return read_submission(path)


def test_only_what_an_answer_needs_is_run(tmp_path):
    found = read(
        tmp_path, "import math\nimport torch", "scale = 2\nunused = train_for_hours()",
        "def helper(x):\n    return scale * x", "def answer(x):\n    return helper(x)", "answer(1)",
    )  # fmt: skip
    assert needed_for(found, "answer") == [
        "import math", "import torch", "scale = 2", "def helper(x):\n    return scale * x",
        "def answer(x):\n    return helper(x)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        pytest.param("%matplotlib inline\n!pip install x\na = 1\na?", {"a"}, id="magics and shell"),
        pytest.param("%%html\n<b>", set(), id="a cell of another language"),
        pytest.param("def f(:\n    pass\n\nb = 2", {"b"}, id="a fault, and a good statement"),
        pytest.param("a = 1\n  b = 2", {"a"}, id="a wrong indentation"),
        pytest.param("for i in range(3):\n    c = i", {"i", "c"}, id="bound in a loop"),
        pytest.param("def f():\n    inner = 1", {"f"}, id="names of a function are its own"),
        pytest.param("", set(), id="empty"),
        pytest.param("x = '\0'", {"x"}, id="a zero byte"),
    ],
)
def test_names_of_a_cell(tmp_path, cell, expected):
    found = read(tmp_path, cell)
    assert {name for one in found.statements for name in one.defines} == expected


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"{}", b'{"cells": 3}', b'{"cells": [1, {"cell_type": "code", "source": 5}]}',
    b"\xff\xfe\x00", b"[" * 100_000,
])  # fmt: skip
def test_a_file_that_is_no_notebook_is_a_sentence(tmp_path, server, content):
    path = tmp_path / "somebody.ipynb"
    path.write_bytes(content)
    (grade,) = grade_submission(path, "somebody", server)
    assert grade.state == "did not run" and grade.message.startswith("somebody.ipynb: ")


# ------------------------------------------------------------------ grading
def test_solutions_are_right_and_stubs_are_not_yet(server, tmp_path):
    grades = grades_of(server, tmp_path, answered("02", solutions("02")))
    assert {g.state for g in grades.values()} == {"right"} and len(grades) == len(solutions("02"))
    stubs = {one.key: one.stub for one in exercises_of("nb02")}
    grades = grades_of(server, tmp_path, answered("02", stubs))
    assert {g.state for g in grades.values()} == {"not yet"}


def test_a_typical_mistake_is_named(server, tmp_path):
    wrong = nb02.cell_sizes.wrong_answers[0]
    grades = grades_of(server, tmp_path, answered("02", {"cell_sizes": wrong.source}))
    assert grades["cell_sizes"].state == "wrong"
    assert grades["cell_sizes"].message == wrong.message
    assert grades["prior_count"].state == "missing"


MANGLED = {
    "moved before its imports": lambda cells: [*cells[1:], cells[0]],
    "split into lines of cells": lambda cells: [
        part for cell in cells for part in cell.split("\n\n")
    ],
    "in one cell": lambda cells: ["\n\n".join(cells)],
    "a broken cell between": lambda cells: [cells[0], "def broken(:", *cells[1:], "1 +"],
    "a stub left below": lambda cells: [*cells, nb02.prior_count.stub],
    "a wrong try above": lambda cells: [
        cells[0], nb02.prior_count.wrong_answers[0].source, *cells[1:],
    ],
    "no imports": lambda cells: cells[1:],
    "cells that fail and train": lambda cells: [
        cells[0], "raise SystemExit", "while True: pass", *cells[1:], "undefined_name",
    ],
    "another name for a helper": lambda cells: [
        cells[0].replace("import math", "import math as m\nimport math"), *cells[1:],
    ],
    "without the checks": lambda cells: [cell.split("\n\nnb02.")[0] for cell in cells],
}  # fmt: skip


@pytest.mark.parametrize("how", MANGLED)
def test_mangled_notebooks_are_graded_all_the_same(server, tmp_path, how):
    keys = ("prior_count", "cell_sizes")
    sources = {key: f"import math\nimport torch\n{solutions('02')[key]}" for key in keys}
    grades = grades_of(server, tmp_path, MANGLED[how](answered("02", sources)), seconds=20)
    assert {key: grades[key].state for key in keys} == dict.fromkeys(keys, "right")


def test_an_answer_written_another_way_is_right(server, tmp_path):
    as_value = "prior_count = lambda map_sizes, aspect_ratios: sum(n * n * (2 + 2 * len(r)) " \
        "for n, r in zip(map_sizes, aspect_ratios))"  # fmt: skip
    as_object = (
        "class Count:\n    def __call__(self, map_sizes, aspect_ratios):\n        total = 0\n"
        "        for n, r in zip(map_sizes, aspect_ratios):\n            total += n ** 2 * 2 * "
        "(1 + len(r))\n        return total\n\nprior_count = Count()"
    )
    for source in (as_value, as_object):
        grades = grades_of(server, tmp_path, answered("02", {"prior_count": source}))
        assert grades["prior_count"].state == "right", source


def test_a_value_that_grows_over_several_statements(server, tmp_path):
    wanted = nb00.moves.reference()
    cells = ["moves = []", *(f"moves.append({one!r})" for one in wanted), "moves = tuple(moves)"]
    grades = grades_of(server, tmp_path, [IMPORTS.format("nb00"), *cells], "00_ada.ipynb")
    assert grades["moves"].state == "right"


def test_a_changed_argument_is_noticed_over_there(server, tmp_path):
    one = next(e for e in exercises_of("nb00") if e.key == "to_fractions")
    name = one.stub.split("(")[1].split(",")[0].split(":")[0].strip()
    source = one.solution_source.replace(":\n", f":\n    {name}.mul_(2).div_(3)\n", 1)
    grades = grades_of(server, tmp_path, answered("00", {"to_fractions": source}), "00_a.ipynb")
    assert "changes its arguments" in grades["to_fractions"].message


def test_a_solution_that_was_called_is_said(server, tmp_path):
    grades = grades_of(
        server,
        tmp_path,
        answered("02", {"prior_count": "prior_count = nb02.prior_count.reference()"}),
    )
    assert "calls the course's own answer" in grades["prior_count"].message


# ------------------------------------------------------------------ hostile
@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "precious.txt"
    path.write_text("a year's work")
    return path


HOSTILE = {
    "loops": "while True: pass",
    "sleeps": "import time; time.sleep(1000)",
    "prints without end": "while True: print('x' * 10_000_000)",
    "fills the disk": "f = open('x', 'wb')\nwhile True: f.write(b'x' * 1_000_000)",
    "eats memory": "x = []\nwhile True: x.append(bytearray(100_000_000))",
    "deletes files": "import os, shutil\nos.remove('{precious}')",
    "truncates files": "open('{precious}', 'w').close()",
    "reads others' work": "stolen = open('{precious}').read()\nraise RuntimeError('got ' + stolen)",
    "replaces the check": "nb02.prior_count.check = lambda *a, **k: True\nimport torch\n"
    "torch.equal = torch.allclose = lambda *a, **k: True\n"
    "import detlearn.teach.exercises.framework as f\nf._same = lambda *a: True",
    "ends the process": "import os; os._exit(0)",
    "kills everybody": "import os, signal\nos.kill(-1, signal.SIGKILL)",
    "forks": "import os\nwhile True: os.fork()",
    "writes where answers belong": "import os\n[os.write(d, b'{{}}\\n' * 9) for d in range(3, 99) "
    "if os.path.exists(f'/proc/self/fd/{{d}}')]",
    "reaches the network": "import socket\nsocket.create_connection(('{host}', {port}), 5)\n",
}


@needs_fence
@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_notebooks_harm_nobody_and_fool_nothing(server, tmp_path, precious, how):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.0)
    host, port = listener.getsockname()
    attack = HOSTILE[how].format(precious=precious, host=host, port=port)
    body = attack.replace("\n", "\n    ")
    # the attack stands in the answer itself, where it is certain to run, and the answer is wrong
    source = f"def prior_count(map_sizes, aspect_ratios):\n    {body}\n    return -1"
    begun = time.monotonic()
    grades = grades_of(server, tmp_path, answered("02", {"prior_count": source}), seconds=4)
    assert grades["prior_count"].state in ("wrong", "did not run")
    assert "a year" not in grades["prior_count"].message
    assert precious.read_text() == "a year's work"
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
    assert time.monotonic() - begun < 300  # it ended; nobody waits for ever
    # and the next student is graded as if nothing had been
    one = {"prior_count": solutions("02")["prior_count"]}
    assert grades_of(server, tmp_path, answered("02", one))["prior_count"].state == "right"


@needs_fence
def test_a_crowd_is_counted_and_sent_home(server, tmp_path, monkeypatch):
    """Root passes the kernel's limit; two hundred sleepers are ended all the same."""
    from detlearn.teach.grading import fence

    assert fence.crowd(os.getpid()) >= 1 and fence.crowd(2**22 + 1) == 0
    sleepers = (
        "import os, time\nfor k in range(200):\n    try: child = os.fork()\n"
        "    except OSError: os._exit(0)  # nobody but root gets so far\n"
        "    if child == 0: time.sleep(1000)\n"
    )
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with server.program(60) as program:
        begun = time.monotonic()
        with pytest.raises(ProgramEnded):
            program.run([sleepers, "time.sleep(1000)"])
        assert time.monotonic() - begun < 50, "ended for its number, before its time"


@needs_fence
def test_nothing_is_left_behind(server, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with server.program(10) as program:
        assert program.run(["open('left.txt', 'w').write('x')"]) == []
        assert len(list(tmp_path.glob("detlearn-grade-*/left.txt"))) == 1
        assert program.run(["import subprocess", "subprocess.Popen(['sleep', '1000'])"]) == []
    assert list(tmp_path.iterdir()) == []


@needs_fence
@pytest.mark.parametrize("leaves", ["os.setsid()", "os.fork() and os.setsid()", "os.setpgid(0, 0)",
                                    "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])  # fmt: skip
def test_a_program_that_leaves_its_group_ends_with_the_others(server, leaves):
    def left():
        found = []
        for entry in Path("/proc").glob("[0-9]*/cwd"):
            try:
                found.append(os.readlink(entry))
            except OSError:
                continue
        return [place for place in found if "detlearn-grade-" in place]

    with server.program(2) as program, pytest.raises(ProgramEnded, match="too long"):
        program.run(["import os, signal, time", leaves, "time.sleep(1000)"])
    for _ in range(100):
        if not left():
            return
        time.sleep(0.1)
    assert left() == []


def test_a_program_that_is_gone_is_a_sentence(server):
    with server.program(10) as program, pytest.raises(ProgramEnded, match="ended by itself"):
        program.run(["import os", "os._exit(3)"])
    with server.program(0.2) as program, pytest.raises(ProgramEnded, match="too long"):
        program.run(["import time", "time.sleep(5)"])


# ------------------------------------------------------------------ a whole class
def a_class(folder, number, seed):
    """Submissions of which we know what is right: (student, exercise) -> state."""
    chance, expected = random.Random(seed), {}
    for student in range(number):
        chapter = chance.choice(("00", "02", "03", "06", "08"))
        sources = {}
        for one in exercises_of(f"nb{chapter}"):
            kind = chance.choice(("right", "right", "wrong", "not yet", "missing"))
            expected[f"{student:03d}", one.key] = kind
            if kind == "right":
                sources[one.key] = one.solution_source
            elif kind == "wrong":
                sources[one.key] = chance.choice(one.wrong_answers).source
            elif kind == "not yet":
                sources[one.key] = one.stub
        cells = [f"import math\nimport torch\n{cell}" for cell in answered(chapter, sources)]
        if student % 10 == 0:  # mangled
            how = chance.choice(["moved before its imports", "in one cell", "a broken cell between",
                                 "without the checks"])  # fmt: skip
            cells = MANGLED[how](cells)
        path = folder / f"{student:03d}" / f"{chapter}_handed_in.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(notebook(*cells))
    return expected


def compare(grades, expected):
    got = {(g.student.split("/")[0], g.exercise): g.state for g in grades}
    return {key: (state, got.get(key)) for key, state in expected.items() if got.get(key) != state}


def test_a_class_of_thirty(tmp_path, capsys):
    expected = a_class(tmp_path / "class", 30, seed=0)
    arguments = ["grade", str(tmp_path / "class"), "--out", str(tmp_path / "g.csv")]
    if missing_parts():
        arguments.append("--no-fence")
    assert not main(arguments)
    assert f"30 submissions, {Counter(expected.values())['right']} of" in capsys.readouterr().out
    rows = (tmp_path / "g.csv").read_text("utf-8-sig").splitlines()
    assert rows[0] == "student,chapter,exercise,state,message"
    page = (tmp_path / "g.html").read_text()
    assert "a mistake that the course knows" in page and page.count("<h2>") > 10
    table = csv.DictReader(rows)
    grades = [Grade(**row) for row in table]
    assert compare(grades, expected) == {}


@pytest.mark.long
def test_a_class_of_three_hundred(tmp_path):
    expected = a_class(tmp_path / "class", 290, seed=1)
    for number, how in enumerate(list(HOSTILE)[:10]):
        folder = tmp_path / "class" / f"hostile-{number}"
        folder.mkdir()
        attack = HOSTILE[how].format(precious="/etc/hostname", host="127.0.0.1", port=9)
        cells = answered("02", {"prior_count": f"{attack}\nprior_count = lambda *a: 0"})
        (folder / "02.ipynb").write_text(notebook(*cells))
    grades = grade_all(tmp_path / "class", seed=3, seconds=5)
    assert compare(grades, expected) == {}
    hostile = [g for g in grades if g.student.startswith("hostile")]
    assert len({g.student for g in hostile}) == 10 and "right" not in {g.state for g in hostile}


def test_where_the_class_stumbled():
    named = nb02.prior_count.wrong_answers[1].message
    grades = [Grade(f"s{k}", "02", "prior_count", "wrong", named) for k in range(3)]
    grades += [Grade("t", "02", "prior_count", "right", ""), Grade("u", "", "", "did not run", "x")]
    first = stumbles(grades)[0]
    assert (first["right"], first["of"], first["said"]) == (1, 4, [(named, 3, True)])
    page = as_page([*grades, Grade("<script>", "02", "moves", "wrong", "<b>")], seed=1)
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert as_csv([Grade("=cmd()", "02", "moves", "wrong", "-1")]).splitlines()[1] == (
        "'=cmd(),02,moves,wrong,'-1"
    )


# ------------------------------------------------------------------ the shell
def test_faults_are_sentences(tmp_path, capsys):
    assert main(["grade", str(tmp_path / "none")]) == 2
    assert "expected a folder of submissions" in capsys.readouterr().err
    assert main(["grade", str(tmp_path)]) == 2
    assert "expected notebooks (*.ipynb)" in capsys.readouterr().err
    assert main(["grade", str(tmp_path), "--out", str(tmp_path / "g.xls")]) == 2
    assert "ends with .csv" in capsys.readouterr().err


def test_without_a_fence_nothing_runs_unless_asked(tmp_path, monkeypatch):
    (tmp_path / "02_x.ipynb").write_text(notebook("open('/tmp/never', 'w')"))
    monkeypatch.setattr("detlearn.teach.grading.grade.missing_parts", lambda: ["a fence"])
    with pytest.raises(ValueError, match="this machine lacks a fence"):
        grade_all(tmp_path)


def test_what_a_platform_adds_is_passed_over(tmp_path):
    for name in ("a/02.ipynb", "a/.ipynb_checkpoints/02-checkpoint.ipynb", "__MACOSX/a/._02.ipynb",
                 "b/notes.txt", "c/02.py"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook("x = 1"))
    found = [path.relative_to(tmp_path).as_posix() for path in find_submissions(tmp_path)]
    assert found == ["a/02.ipynb", "c/02.py"]


def test_the_worker_ends_with_its_grader():
    code = "from detlearn.teach.grading.pool import Server; s = Server(False); print(s.process.pid)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(said.stdout)
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        status = Path(f"/proc/{pid}/stat")
        if status.exists() and status.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("it still runs")
