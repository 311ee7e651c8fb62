"""The fence round a student's program: it may compute, and write into one folder of its own.

Linux has all that is needed for an ordinary user: Landlock (files, since Linux 5.13), namespaces
(network, processes) and limits of resources. Where a part is missing, that is said, and nothing
runs unless somebody asks for it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "PROCESSES", "close_fence", "crowd", "missing_parts", "readable_folders", "unshare_all",
]  # fmt: skip

# numbers of Linux's system calls, the same on every 64-bit machine since 5.13
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
NO_NEW_PRIVILEGES = 38
NEW_USER, NEW_NETWORK, NEW_PROCESSES = 0x10000000, 0x40000000, 0x20000000
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE, REFER = 1 << 14, 1 << 13
READING = EXECUTE | READ_FILE | READ_DIR
MEMORY = 6 << 30  # bytes of addresses; PyTorch alone takes two
FILE_SIZE = 64 << 20
PROCESSES = 64


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def _call(*arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(*arguments))


def landlock_version() -> int:
    """Which version of Landlock the kernel has; 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(_call(CREATE_RULESET, None, 0, 1), 0)


def missing_parts() -> list[str]:
    """What a fence lacks on this machine; empty where it is whole."""
    missing = [] if landlock_version() else ["Landlock (Linux 5.13 or newer), which guards files"]
    if not hasattr(os, "fork") or not _namespaces():
        missing.append("namespaces for ordinary users, which shut off the network")
    return missing


def _namespaces() -> bool:
    """Whether a process of ours may have a network of its own, tried in a child."""
    child = os.fork()
    if child == 0:
        os._exit(0 if unshare_all() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def unshare_all() -> bool:
    """Give this process a network, and its children a world of processes, of their own."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.unshare(NEW_USER | NEW_NETWORK | NEW_PROCESSES) == 0)
    except (OSError, AttributeError):
        return False


def readable_folders() -> list[Path]:
    """What a program needs to read: Python, packages, this package, the system's libraries."""
    package = Path(__file__).resolve().parents[2]
    found = [package, Path(sys.prefix), Path(sys.base_prefix)]
    found += [Path(entry) for entry in sys.path if entry]
    found += [package.parent / "data"]  # of a clone
    found += [Path(name) for name in ("/usr", "/lib", "/lib64", "/etc", "/proc", "/dev", "/sys")]
    clone = package.parent
    return [path for path in dict.fromkeys(found) if path.exists() and path != clone]


def close_fence(folder: Path, seconds: float, readable: Sequence[Path]) -> None:
    """Fence this process in, and all that it starts; there is no way back.

    Processes are a matter of the next fork: see `detlearn.teach.grading.worker`.

    Args:
        folder: the one place where it may write.
        seconds: of processor time.
        readable: see `readable_folders`.
    """
    import resource

    def limit(what: int, value: int) -> None:
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))

    limit(resource.RLIMIT_CPU, int(seconds) + 2)
    limit(resource.RLIMIT_FSIZE, FILE_SIZE)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, MEMORY + _address_space())
    limit(resource.RLIMIT_NPROC, PROCESSES + _processes())
    ctypes.CDLL(None, use_errno=True).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    version = landlock_version()
    if version:
        _guard_files(folder, readable, version)


def _guard_files(folder: Path, readable: Sequence[Path], version: int) -> None:
    everything = (1 << 13) - 1
    everything |= (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    attributes = _Ruleset(everything)
    ruleset = _call(CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "Landlock made no ruleset")
    rules = [(path, READING) for path in readable]
    rules += [(folder, everything), (Path("/dev/null"), READ_FILE | WRITE_FILE)]
    for path, access in rules:
        if not path.is_dir():
            access &= EXECUTE | WRITE_FILE | READ_FILE | (TRUNCATE if version >= 3 else 0)
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = _PathBeneath(access, place)
            if _call(ADD_RULE, ruleset, 1, ctypes.byref(rule), 0) < 0:
                raise OSError(ctypes.get_errno(), f"Landlock refused a rule for {path}")
        finally:
            os.close(place)
    if _call(RESTRICT_SELF, ruleset, 0) < 0:
        raise OSError(ctypes.get_errno(), "Landlock did not close")
    os.close(ruleset)


def crowd(first: int) -> int:
    """How many processes live in the world of a process; 0 where nobody may look."""
    number = 0
    try:
        world = os.readlink(f"/proc/{first}/ns/pid")
    except OSError:
        return 0
    for name in os.listdir("/proc"):
        try:
            number += name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == world
        except OSError:
            continue
    return number


def _address_space() -> int:
    """Bytes of addresses that this process has already."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 4 << 30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _processes() -> int:
    """Processes and threads of this user now; the limit counts them all."""
    number = 0
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                number += len(list((entry / "task").iterdir()))
        except OSError:
            continue
    return number
