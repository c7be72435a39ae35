"""Which checkpoint is given out: the newest, or one a moment older that witnesses have cosigned."""

from dataclasses import dataclass
from typing import Final

from projections.notes import Checkpoint, Note, VerifierKey

_FRESH_US: Final = 5_000_000
"""So long a checkpoint that is cosigned stands for newer ones that are not."""


@dataclass(frozen=True, slots=True)
class Published:
    """The checkpoints there are; ``cosigned`` may be of an earlier size, or missing."""

    newest: str | None
    cosigned: str | None
    cosigned_ago_us: int
    do_answer: bool
    """Whether witnesses answered the last time that they were asked, or were asked just now."""

    @property
    def served(self) -> str | None:
        """What `/tlog/checkpoint` answers: cosigned if that is not old by now."""
        if self.newest is None or self.cosigned is None:
            return self.newest
        if self.is_newest_cosigned:
            return with_cosignatures(self.newest, self.cosigned)
        is_fresh = self.cosigned_ago_us < _FRESH_US and self._is_of_the_same_keys
        return self.cosigned if is_fresh else self.newest

    def covering(self, seq: int) -> str | None:
        """What a receipt of entry ``seq`` has: cosigned where that covers it; None for nothing."""
        for note in (
            self.cosigned if self._is_of_the_same_keys else None,
            self.served,
            self.newest,
        ):
            if note is not None and checkpoint_in(note).size > seq:
                return note
        return None

    @property
    def is_newest_cosigned(self) -> bool:
        """Whether the newest checkpoint is the one that was cosigned."""
        if self.newest is None or self.cosigned is None:
            return False
        return _note(self.newest).text == _note(self.cosigned).text

    def is_cosigned_by(self, key: VerifierKey) -> bool:
        """Whether the cosigned one has a signature by ``key``, which was verified when it came."""
        return self.cosigned is not None and any(
            each.is_by(key) for each in _note(self.cosigned).signatures
        )

    def awaits_cosignature(self, seq: int) -> bool:
        """Whether a checkpoint that is cosigned can be expected to cover entry ``seq`` soon."""
        is_covered = self.cosigned is not None and checkpoint_in(self.cosigned).size > seq
        return self.do_answer and not is_covered

    @property
    def _is_of_the_same_keys(self) -> bool:
        """Whether all who sign now have signed the cosigned one: keys and origin may change."""
        if self.newest is None or self.cosigned is None:
            return False
        signed = {(each.name, each.key_id) for each in _note(self.cosigned).signatures}
        return all((each.name, each.key_id) in signed for each in _note(self.newest).signatures)


def with_cosignatures(note: str, cosigned: str) -> str:
    """``note`` with those signatures of ``cosigned``, a note of the same text, that it lacks."""
    there = {(each.name, each.key_id) for each in _note(note).signatures}
    return note + "".join(
        each.line for each in _note(cosigned).signatures if (each.name, each.key_id) not in there
    )


def checkpoint_in(note: str) -> Checkpoint:
    """What a note of ours states; its signatures are not verified."""
    return Checkpoint.parse(_note(note).text)


def _note(note: str) -> Note:
    return Note.parse(note.encode())
