"""Keys of the log: made once, private, and public for ever."""

import threading
from pathlib import Path

import pytest

from projections.log_keys import KeysUnusable, LogKeys
from projections.notes import VerifierKey

ORIGIN = "tickets.example/log"


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return LogKeys(tmp_path / "keys", ORIGIN)


def test_the_first_key_is_made_when_it_is_needed_and_found_again(
    keys: LogKeys, tmp_path: Path
) -> None:
    (made,) = keys.signing()

    assert made.name == ORIGIN
    assert LogKeys(tmp_path / "keys", ORIGIN).signing() == [made]
    assert keys.verifying() == [made.verifier]


def test_private_keys_can_be_read_by_their_owner_alone(keys: LogKeys, tmp_path: Path) -> None:
    keys.signing()
    (private,) = (tmp_path / "keys").glob("*.key")

    assert private.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_public_files_hold_the_key_as_verifiers_take_it(keys: LogKeys, tmp_path: Path) -> None:
    (made,) = keys.signing()
    (public,) = (tmp_path / "keys").glob("*.pub")

    assert VerifierKey.parse(public.read_text().strip()) == made.verifier
    assert public.stem == made.verifier.key_id.hex()


def test_processes_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    made = []

    def make() -> None:
        own = LogKeys(tmp_path / "keys", ORIGIN)
        start.wait()
        made.append(own.signing())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 8
    assert all(each == made[0] and len(each) == 1 for each in made)


def test_a_key_is_changed_by_adding_one_and_retiring_the_other(keys: LogKeys) -> None:
    (old,) = keys.signing()
    new = keys.add()
    assert [key.verifier for key in keys.signing()] == [old.verifier, new]

    keys.retire(old.verifier.key_id)

    assert [key.verifier for key in keys.signing()] == [new]
    assert keys.verifying() == [old.verifier, new]


def test_the_last_key_cannot_be_retired(keys: LogKeys) -> None:
    (only,) = keys.signing()
    with pytest.raises(KeysUnusable, match="last"):
        keys.retire(only.verifier.key_id)
    assert keys.signing() == [only]


def test_a_key_that_is_not_there_cannot_be_retired(keys: LogKeys) -> None:
    keys.signing()
    with pytest.raises(KeysUnusable, match="no private key"):
        keys.retire(b"\0\1\2\3")


def test_another_origin_has_keys_of_its_own(keys: LogKeys, tmp_path: Path) -> None:
    (made,) = keys.signing()
    other = LogKeys(tmp_path / "keys", "elsewhere.example/log")

    (others,) = other.signing()

    assert others != made
    assert other.verifying() == [others.verifier]
    assert keys.signing() == [made]


def test_a_damaged_file_is_named_and_its_contents_are_not(keys: LogKeys, tmp_path: Path) -> None:
    keys.signing()
    (private,) = (tmp_path / "keys").glob("*.key")
    text = private.read_text()
    private.write_text(text.replace("+", "-"))

    with pytest.raises(KeysUnusable) as raised:
        keys.signing()

    assert private.name in str(raised.value)
    assert text[-20:-1] not in str(raised.value)


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KeysUnusable):
        LogKeys(tmp_path / "file" / "keys", ORIGIN).signing()
