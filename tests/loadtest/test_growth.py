import pytest

from loadtest.growth import with_ratios
from loadtest.measurement import Measurement


def at(size: int, us_per_booking: float) -> Measurement:
    return Measurement("flashticket:1", "any", {"us_per_booking": us_per_booking}, size=size)


@pytest.mark.parametrize("turn", [[at(0, 100), at(10, 110)], [at(10, 110), at(0, 100)]])
def test_ratios_are_over_the_smallest_size_whichever_was_measured_first(
    turn: list[Measurement],
) -> None:
    ratios = {each.size: each.figures["over_smallest"] for each in with_ratios(turn)}
    assert ratios == {0: 1.0, 10: pytest.approx(1.1)}
