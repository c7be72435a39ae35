"""Seconds that pass when a test says so, in the place of `time.monotonic`."""


class Stopwatch:
    def __init__(self) -> None:
        self._now = 1_000.0

    def __call__(self) -> float:
        return self._now

    def pass_seconds(self, seconds: float) -> None:
        self._now += seconds
