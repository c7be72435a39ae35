"""The log's keys: files in a directory that only the operator reads, never in the database.

Each key is a pair of files named by its id: the private one, ``.key`` of mode 0600, and ``.pub``.
Every private key that is there signs, so keys change in two steps: `add` another, so that both
sign, and once verifiers know the new one `retire` the old, whose public file stays for ever.

Beside them is the last checkpoint that they signed, so that a database restored from before it is
found out: it would go on in another way than was promised.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from projections.notes import Checkpoint, Note, NoteInvalid, SigningKey, VerifierKey

Key = TypeVar("Key", SigningKey, VerifierKey)

_PRIVATE: Final = ".key"
_PUBLIC: Final = ".pub"


class KeysUnusable(Exception):
    """The directory of keys cannot be read or written, or a file in it is no key."""


class LogKeys:
    """The keys of the log ``origin`` in ``directory``, read anew each time they are asked for."""

    def __init__(self, directory: Path, origin: str) -> None:
        self._directory = directory
        self.origin = origin

    def signing(self) -> list[SigningKey]:
        """Every private key of the log, the oldest first; the first one is made when there is none.

        Raises `KeysUnusable`.
        """
        with _usable():
            keys = self._private()
            if not keys:
                with self._alone():
                    keys = self._private() or [self._make()]
            return keys

    def verifying(self) -> list[VerifierKey]:
        """Every public key that the log ever had, the oldest first; raises `KeysUnusable`."""
        with _usable():
            keys = _parsed(self._files(_PUBLIC), VerifierKey.parse)
            return [key for key in keys if key.name == self.origin]

    def add(self) -> VerifierKey:
        """A new key, which signs from now on beside those there are; raises `KeysUnusable`."""
        with _usable(), self._alone():
            return self._make().verifier

    def retire(self, key_id: bytes) -> None:
        """Destroy a private key; its public key stays.

        Raises `KeysUnusable` when there is none with that id, or none would be left.
        """
        with _usable(), self._alone():
            remaining = [key for key in self._private() if key.verifier.key_id != key_id]
            path = self._path(key_id, _PRIVATE)
            if not path.exists():
                raise KeysUnusable(f"there is no private key {key_id.hex()} in {self._directory}")
            if not remaining:
                raise KeysUnusable("the last key cannot be retired: add another first")
            path.unlink()

    def last_signed(self) -> Checkpoint | None:
        """The largest checkpoint of this log that is remembered here; raises `KeysUnusable`."""
        note = self.last_note()
        try:
            return None if note is None else Checkpoint.parse(Note.parse(note).text)
        except NoteInvalid as error:
            raise KeysUnusable(f"{self._checkpoint_path()} is no checkpoint: {error}") from error

    def last_note(self) -> bytes | None:
        """`last_signed` as it was signed."""
        with _usable():
            path = self._checkpoint_path()
            return path.read_bytes() if path.exists() else None

    def remember(self, note: str) -> None:
        """Keep a checkpoint that was signed, unless one as large is kept already.

        It is on disk when this returns. Raises `KeysUnusable`.
        """
        size = Checkpoint.parse(Note.parse(note.encode()).text).size
        last = self.last_signed()
        if last is not None and last.size >= size:
            return
        # No lock, which a process that is frozen would keep from all others. So of two at once the
        # smaller may stay, until the next look at the tree.
        path = self._checkpoint_path()
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with _usable():
            with unfinished.open("w") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)

    def _checkpoint_path(self) -> Path:
        # A log that goes on under another origin begins its own memory.
        log = hashlib.sha256(self.origin.encode()).hexdigest()[:8]
        return self._directory / f"{log}.checkpoint"

    def _private(self) -> list[SigningKey]:
        keys = _parsed(self._files(_PRIVATE), SigningKey.parse)
        return [key for key in keys if key.name == self.origin]

    def _make(self) -> SigningKey:
        key = SigningKey.generate(self.origin)
        key_id = key.verifier.key_id
        # The public file first: a private key that signs always has one beside it.
        _write(self._path(key_id, _PUBLIC), f"{key.verifier}\n", mode=0o644)
        _write(self._path(key_id, _PRIVATE), f"{key.serialized()}\n", mode=0o600)
        return key

    def _path(self, key_id: bytes, suffix: str) -> Path:
        return self._directory / f"{key_id.hex()}{suffix}"

    def _files(self, suffix: str) -> list[Path]:
        files = self._directory.glob(f"*{suffix}")
        return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from making or retiring keys meanwhile."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeysUnusable(f"the log's keys cannot be used: {error}") from error


def _parsed(paths: Iterable[Path], parse: Callable[[str], Key]) -> list[Key]:
    keys = []
    for path in paths:
        try:
            keys.append(parse(path.read_text().strip()))
        except NoteInvalid as error:
            raise KeysUnusable(f"{path} is no key: {error}") from error
    return keys


def _write(path: Path, text: str, *, mode: int) -> None:
    """Write a file that is there whole or not at all, and stays there after a power cut."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(file, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
