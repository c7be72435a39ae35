"""Progress of work whose size is known: a bar on a terminal, plain lines elsewhere."""

import sys
from time import monotonic
from typing import Final

import click

_WIDTH: Final = 30
_REDRAW_SECONDS: Final = 0.1
_LINE_SECONDS: Final = 5.0


class Bar:
    """Shows how much is done, how much there is and how fast it goes. On standard error."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._is_terminal = sys.stderr.isatty()
        self._began_at = self._shown_at = monotonic()
        self._expected = 0
        self._done = 0

    def expect(self, total: int) -> None:
        """So much there is to do; it may turn out to be a little more."""
        self._expected = total
        self._began_at = monotonic()

    def advance(self, more: int) -> None:
        self._done += more
        every = _REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS
        if monotonic() - self._shown_at >= every:
            self._show()

    def end(self) -> None:
        """Show it a last time, if anything was done."""
        if self._done:
            self._show()
            if self._is_terminal:
                click.echo("", err=True)

    def _show(self) -> None:
        self._shown_at = monotonic()
        expected = max(self._expected, self._done, 1)
        share = self._done / expected
        rate = self._done / max(self._shown_at - self._began_at, 1e-3)
        told = f"{share:4.0%} {self._done:,} of {expected:,} {self._label}, {rate:,.0f}/s"
        if self._is_terminal:
            filled = round(_WIDTH * share)
            click.echo(f"\r[{'#' * filled}{' ' * (_WIDTH - filled)}] {told}", nl=False, err=True)
        else:
            click.echo(told, err=True)
