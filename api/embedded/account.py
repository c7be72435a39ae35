"""Whom PostgreSQL runs as when we are root, which it refuses to be, and programs it can then run.

Nobody's permissions are changed for it. The account has to reach two things only: its data, which
it owns and enters through its working directory whatever the folders above allow (see
`postgres.py`), and the programs, which are copied when the folders above them shut it out.
"""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

_PREFERRED: Final = ("postgres", "nobody")
_COPIES: Final = Path("/var/cache/flashticket")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine other than root."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give a file or directory to this account."""
        os.chown(path, self.uid, self.gid)


class Identity(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that say whom a program runs as."""

    user: int
    group: int
    extra_groups: list[int]


def identity(account: Account | None) -> Identity:
    """Run as this account, in no group but its own; for None, as we are."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def account_for(data: Path) -> Account | None:
    """Whom to run as on this data: None for the user we are, another when we are root.

    Data that exists keeps its owner. OSError when the machine knows no account but root's.
    """
    if os.geteuid() != 0:
        return None
    if data.exists():
        owner = data.stat()
        return Account(owner.st_uid, owner.st_gid)
    # One with an entry in the password database: initdb looks itself up there.
    known = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in (*_PREFERRED, *known):
        if name in known:
            return Account(known[name].pw_uid, known[name].pw_gid)
    raise OSError("PostgreSQL can't run as root, and this machine has no other account")


def reachable(package: Path, version: str, account: Account | None) -> Path:
    """The installed package `package`, or a copy of it, whichever `account` can run.

    A copy (34 MB, a tenth of a second) is made only when the account can't enter the package, and
    once for each version.
    """
    if account is None or _can_run(package / "pginstall/bin/postgres", account):
        return package
    copy = _COPIES / f"{package.name}-{version}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name


def _can_run(program: Path, account: Account) -> bool:
    try:
        subprocess.run(  # noqa: S603 - our own command, no shell
            [program, "--version"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=True,
            **identity(account),
        )
    except PermissionError:
        return False
    return True


def _copy(package: Path, target: Path) -> None:
    """Copy the package with its shared libraries beside it, which its programs find from there."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    unfinished = Path(tempfile.mkdtemp(prefix=target.name, dir=target.parent))
    for part in (package, package.with_name(package.name + ".libs")):
        if part.exists():
            ignored = shutil.ignore_patterns("include", "__pycache__")
            shutil.copytree(part, unfinished / part.name, symlinks=True, ignore=ignored)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            # As installed, but for everybody: pip leaves out others under a strict umask.
            mode = path.stat().st_mode
            path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
    try:
        unfinished.rename(target)
    except OSError:
        # Another start has just put its copy there.
        shutil.rmtree(unfinished)
        if not target.exists():
            raise
