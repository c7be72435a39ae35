"""The exports that the bench verifies, and what it says of them."""

from pathlib import Path

import pytest

from loadtest.contenders import Servers
from loadtest.exports.measuring import EVENTSOURCING, HASH_LOOP, measure_exports
from loadtest.exports.writing import write_export
from projections.verify_export import verify_export


@pytest.mark.parametrize(("entries", "of_event"), [(1, 10), (299, 10), (1_000, 41), (700, 700)])
def test_what_was_written_from_the_formats_alone_is_an_export(
    tmp_path: Path, entries: int, of_event: int
) -> None:
    path = tmp_path / "export"
    write_export(path, entries, of_event)

    report = verify_export(path)

    assert report.findings == []
    assert (report.entries, report.size) == (entries, entries)
    assert report.streams == -(-entries // of_event)


def test_memory_does_not_grow_with_the_number_of_entries(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 100,000 on; the command that measures more is `flashticket bench --workload exports`."""
    monkeypatch.setattr("loadtest.exports.measuring.REPLAYED_EVENTS", 1_000)
    servers = Servers(empty_database, empty_database, "redis://unused", Path("unused"))

    measured = list(measure_exports(servers, "exports", [100_000, 200_000], 1))

    each_round = ["flashticket:1", "flashticket:2", HASH_LOOP, EVENTSOURCING]
    assert [each.contender for each in measured] == each_round * 2
    assert [fault for each in measured for fault in each.faults] == []
    few, many = (
        each.figures["memory_mb"] for each in measured if each.contender == "flashticket:1"
    )
    assert many < 250
    assert many < few * 1.25
