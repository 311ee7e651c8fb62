"""The grader's side of a student's program: start it, ask it, end it."""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .wire import MAX_BYTES, decode, encode, from_line, to_line

__all__ = ["Program", "ProgramEnded", "Server"]


class ProgramEnded(BaseException):
    """A student's program took too long, or ended; no answer will come.

    It is no `Exception`, so that a check, which turns those of a student's code into sentences,
    does not.
    """


class Server:
    """A process that starts programs; one at a time.

    Args:
        fenced: see `detlearn.teach.grading.fence`.
    """

    def __init__(self, fenced: bool = True) -> None:
        self.fenced = fenced
        self.control, theirs = socket.socketpair()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "DETLEARN_PROGRESS": "off"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "detlearn.teach.grading.worker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),), env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self.replies = self.control.makefile("rb")

    def close(self) -> None:
        """End the process."""
        self.replies.close()
        self.control.close()
        self.process.wait()

    @contextmanager
    def program(self, seconds: float) -> Iterator[Program]:
        """A new program, in a folder of its own that is deleted afterwards.

        Args:
            seconds: until it is ended, whatever it does.
        """
        folder = Path(tempfile.mkdtemp(prefix="detlearn-grade-"))
        ours, theirs = socket.socketpair()
        job = {"folder": str(folder), "fenced": self.fenced, "seconds": seconds}
        try:
            socket.send_fds(self.control, [json.dumps(job).encode()], [theirs.fileno()])
            theirs.close()
            pid = int(self._hear()["pid"])
            try:
                yield Program(ours, time.monotonic() + seconds)
            finally:
                ours.close()
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    if self.fenced:  # the process outside ends the one inside, then itself
                        os.kill(pid, signal.SIGTERM)
                    else:
                        os.killpg(pid, signal.SIGKILL)
                self._hear()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _hear(self) -> dict[str, Any]:
        line = self.replies.readline()
        if not line:
            raise RuntimeError("the process that starts students' programs has ended")
        return from_line(line)


class Program:
    """What a student's notebook has defined.

    Args:
        channel: to the process that holds it.
        end: moment of `time.monotonic` at which it is given up.
    """

    def __init__(self, channel: socket.socket, end: float) -> None:
        self.channel, self.end = channel, end
        self.rest = b""

    def run(self, sources: Sequence[str]) -> list[str]:
        """Run statements in an empty namespace; what went wrong, at most five sentences.

        Raises:
            ProgramEnded: it took too long, or the program ended.
        """
        problems = self._ask({"run": list(sources)}).get("problems", [])
        return [str(one)[:300] for one in problems if isinstance(one, str)][:5]

    def get(self, name: str) -> Any:
        """A value, a function that runs over there, or None if there is no such name.

        Raises:
            ProgramEnded: it took too long, or the program ended.
        """
        reply = self._ask({"name": name})
        if "value" not in reply:
            return None
        if reply["value"] == "callable":
            return RemoteFunction(self, name)
        try:
            return decode(reply["value"])
        except (ValueError, TypeError):
            raise ProgramEnded("its answer is no value") from None

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Call a function over there; what it does to its arguments happens to ours."""
        reply = self._ask({"name": name, "args": encode(arguments)})
        if "error" in reply:
            raise _exception(str(reply["error"]), str(reply.get("message", ""))[:300])
        try:
            changed, value = decode(reply.get("args")), decode(reply.get("value"))
        except (ValueError, TypeError):
            raise ProgramEnded("its answer is no value") from None
        if isinstance(changed, tuple) and len(changed) == len(arguments):
            for ours, theirs in zip(arguments, changed, strict=True):
                _take_over(ours, theirs)
        return value

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self.channel.settimeout(max(self.end - time.monotonic(), 0.01))
            self.channel.sendall(to_line(message))
            while b"\n" not in self.rest:
                self.channel.settimeout(max(self.end - time.monotonic(), 0.01))
                data = self.channel.recv(1 << 20)
                if not data:
                    raise ProgramEnded("its program ended by itself, or ran out of memory")
                self.rest += data
                if len(self.rest) > MAX_BYTES:
                    raise ProgramEnded("its answer has no end")
        except TimeoutError:
            raise ProgramEnded("it took too long, and was ended") from None
        except OSError:
            raise ProgramEnded("its program ended by itself, or ran out of memory") from None
        line, self.rest = self.rest.split(b"\n", 1)
        try:
            return from_line(line)
        except ValueError:
            raise ProgramEnded("its program wrote where only answers belong") from None


class RemoteFunction:
    """A function of a student's, called where it lives.

    Args:
        program: where that is.
        name: of the function.
    """

    def __init__(self, program: Program, name: str) -> None:
        self.program, self.name = program, name

    def __call__(self, *arguments: Any) -> Any:
        return self.program.call(self.name, arguments)

    def __repr__(self) -> str:
        return f"the function {self.name}"


def _exception(kind: str, message: str) -> Exception:
    """An exception of the same class, where it is one of Python's own."""
    known = getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(message)
        except Exception:  # UnicodeDecodeError wants five arguments
            pass
    return RuntimeError(f"{kind}: {message}")


def _take_over(ours: Any, theirs: Any) -> None:
    """Let happen to an argument what happened to its copy."""
    if isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        if ours.shape == theirs.shape and ours.dtype == theirs.dtype:
            ours.copy_(theirs)
        else:
            ours.data = theirs
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) == len(theirs):
            for one, other in zip(ours, theirs, strict=True):
                _take_over(one, other)
        if not any(isinstance(item, torch.Tensor | list | dict) for item in theirs):
            ours[:] = theirs
        elif len(ours) != len(theirs):
            ours[:] = theirs
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        if ours.keys() == theirs.keys():
            for key in ours:
                _take_over(ours[key], theirs[key])
        else:
            ours.clear()
            ours.update(theirs)
