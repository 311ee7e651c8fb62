"""Runs what students handed in, each in a fenced process of its own. Started by `pool.py` as

    python -m detlearn.teach.grading.worker CONTROL

where CONTROL is the descriptor of a socket. PyTorch is imported once, here; every job is a fork,
which takes milliseconds. A job comes as one line and the descriptor of a socket of its own.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from detlearn.teach.grading.fence import (
    PROCESSES,
    close_fence,
    crowd,
    readable_folders,
    unshare_all,
)
from detlearn.teach.grading.wire import MAX_BYTES, decode, encode, from_line, to_line

__all__ = ["main"]


def main() -> None:
    """Serve until the control socket closes."""
    import torch

    import detlearn.boxes
    import detlearn.show
    import detlearn.teach.exercises  # noqa: F401  (what nearly every notebook imports)

    torch.set_num_threads(1)
    os.environ["DETLEARN_PROGRESS"] = "off"
    control = socket.socket(fileno=int(sys.argv[1]))
    readable = readable_folders()
    while True:
        line, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not line:
            return
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            control.close()
            _become_a_job(job, descriptors[0], readable)
        os.close(descriptors[0])
        control.sendall(json.dumps({"pid": child}).encode() + b"\n")
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        control.sendall(b'{"ended": true}\n')


def _become_a_job(job: dict[str, Any], descriptor: int, readable: list[Path]) -> None:
    """In the child: shut the doors, then fork once more, for the first process inside."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.chdir(job["folder"])
        os.environ.update(
            {"HOME": job["folder"], "TMPDIR": job["folder"], "MPLCONFIGDIR": job["folder"]}
        )
        if job["fenced"] and unshare_all():
            _stay_outside(descriptor)
        if job["fenced"]:
            close_fence(Path(job["folder"]), job["seconds"], readable)
        answer(descriptor)
    finally:
        os._exit(0)


def _stay_outside(descriptor: int) -> None:
    """Fork the first process of the new namespaces, and return in it; wait for it outside.

    When that process ends, all in its namespace end with it. It may leave its group and session,
    so the grader does not signal it: it signals the process outside, which cannot be seen from
    within.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    inside = os.fork()
    if inside:
        os.close(descriptor)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(inside, signal.SIGKILL))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        while os.waitpid(inside, os.WNOHANG) == (0, 0):
            if crowd(inside) > PROCESSES:  # the kernel lets root pass its own limit
                os.kill(inside, signal.SIGKILL)
            time.sleep(0.05)
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def answer(descriptor: int) -> None:
    """Run statements, then do as the grader says, until it says no more."""
    channel = socket.socket(fileno=descriptor)
    stream = channel.makefile("rb", buffering=1 << 16)
    namespace: dict[str, Any] = {}
    while line := stream.readline(MAX_BYTES + 1):
        message = from_line(line)
        try:
            reply = _reply(message, namespace)
        except BaseException as error:  # whatever a student's program does becomes a sentence
            reply = _failure(error)
        try:
            data = to_line(reply)
        except (ValueError, RecursionError) as error:
            data = to_line(_failure(ValueError(f"the answer is too large: {error}")))
        channel.sendall(data)


def _reply(message: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    if "run" in message:
        namespace.clear()
        namespace["__name__"] = "__main__"
        problems = []
        for number, source in enumerate(message["run"]):
            name = f"<statement {number}>"
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            try:
                exec(compile(source, name, "exec"), namespace)
            except BaseException as error:
                problems.append(_sentence(error))
        return {"problems": problems[:5]}
    value = namespace.get(message["name"])
    if "args" not in message:
        kind = "missing" if message["name"] not in namespace else "value"
        return {kind: "callable" if callable(value) else encode(value)}
    arguments = decode(message["args"])
    result = value(*arguments)  # type: ignore[misc]
    return {"value": encode(result), "args": encode(arguments)}


def _failure(error: BaseException) -> dict[str, Any]:
    return {"error": type(error).__name__[:80], "message": _sentence(error)}


def _sentence(error: BaseException) -> str:
    try:
        lines = str(error).strip().splitlines()
    except BaseException:  # an exception of the student's own, whose text raises
        lines = []
    return (lines[0] if lines else type(error).__name__)[:300]


if __name__ == "__main__":
    main()
