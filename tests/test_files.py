"""Whole files or none, and their sums."""

import ast
import hashlib
import os
import re
from pathlib import Path

import pytest

import detlearn
from detlearn import files
from detlearn.files import checksum, replace_file, write_atomically

PACKAGE = Path(detlearn.__file__).parent


def test_write_atomically_replaces(tmp_path):
    path = tmp_path / "a" / "b.bin"
    write_atomically(path, b"1")
    write_atomically(str(path), b"22")
    assert path.read_bytes() == b"22" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError, match="expected a file, got a folder"):
        write_atomically(tmp_path, b"")


def test_a_file_that_somebody_reads_is_asked_for_again(tmp_path, monkeypatch):
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_bytes(b"new")
    real, refused, waited = os.replace, [], []

    def busy(*arguments):
        if len(refused) < 2:
            refused.append(arguments)
            raise PermissionError("in use")
        real(*arguments)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(files.time, "sleep", waited.append)
    replace_file(source, target)
    assert target.read_bytes() == b"new" and waited == [0.1, 0.4]


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_file_has_the_sum_of_its_bytes(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(files, "CHUNK", 4)
    path, parts = tmp_path / "a.bin", []
    path.write_bytes(b"123456789")
    expected = hashlib.new(kind, b"123456789").hexdigest()
    assert checksum(path, kind, watch=parts.append) == checksum(b"123456789", kind) == expected
    assert parts == [4, 4, 1]


def writes(path):
    """What a module does that `detlearn.files` is for."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            said = ast.unparse(node)
            if re.fullmatch(r"os\.(replace|rename|fsync)|hashlib\..*|.*\.write_(text|bytes)", said):
                yield said


def test_nobody_else_replaces_or_sums():
    found = {
        path.relative_to(PACKAGE).as_posix(): sorted(set(writes(path)))
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: what for name, what in found.items() if what} == {
        "files.py": ["hashlib.new", "os.fsync", "os.replace"]
    }
