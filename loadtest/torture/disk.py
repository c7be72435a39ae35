"""A disk that can be full: a file system in memory, of whatever size is said."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

_ROOMY: Final = "size=2g"


class SmallDisk:
    """A file system mounted at ``path``; see `small_disk`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def full(self) -> Iterator[None]:
        """No room for another page while the block runs; what is there stays."""
        found = os.statvfs(self.path)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        _mount("-o", f"remount,size={used}", str(self.path))
        try:
            yield
        finally:
            _mount("-o", f"remount,{_ROOMY}", str(self.path))


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk | None]:
    """Mount one at a directory until the block ends; None where we may not mount."""
    owner = path.stat()
    who = f"uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    if not _mount("-t", "tmpfs", "-o", f"{_ROOMY},{who}", "none", str(path)):
        yield None
        return
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False)  # noqa: S603, S607


def forbid_writing_to(pid: int) -> None:
    """Let a process, its children and all they start from now on write to no file.

    They get EFBIG and not a signal if they ignore that, as PostgreSQL does.
    """
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                _forbid_writing(process)


def _forbid_writing(process: psutil.Process) -> None:
    command = ["prlimit", f"--pid={process.pid}", "--fsize=0:"]
    # As who it runs as: root in a container may not limit the processes of others.
    user, group = process.uids().real, process.gids().real
    switch = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
    with suppress(FileNotFoundError):  # it is Linux's
        subprocess.run(command, check=False, capture_output=True, **switch)  # type: ignore[call-overload]  # noqa: S603


def _mount(*arguments: str) -> bool:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return False
    return done.returncode == 0
