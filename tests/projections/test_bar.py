"""Progress: one bar that fills on a terminal, and lines that can be read in a log elsewhere."""

import pytest

from api.bar import Bar


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tty: bool) -> str:
    monkeypatch.setattr("sys.stderr.isatty", lambda: tty)
    monkeypatch.setattr("api.bar._REDRAW_SECONDS", 0)
    monkeypatch.setattr("api.bar._LINE_SECONDS", 0)
    bar = Bar("entries folded")
    bar.expect(2_000)
    bar.advance(500)
    bar.advance(1_600)
    bar.end()
    return capsys.readouterr().err


def test_a_terminal_sees_one_bar_fill(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = shown(capsys, monkeypatch, tty=True)
    assert drawn.count("\n") == 1
    first, *_, last = drawn.strip().split("\r")
    assert first.startswith("[########                      ]  25% 500 of 2,000 entries folded, ")
    assert last.startswith("[##############################] 100% 2,100 of 2,100 entries folded, ")


def test_elsewhere_there_are_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, tty=False).splitlines()
    assert lines[0].startswith(" 25% 500 of 2,000 entries folded, ")
    assert all("\r" not in line and "[" not in line for line in lines)


def test_nothing_done_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Bar("entries folded").end()
    assert capsys.readouterr().err == ""
