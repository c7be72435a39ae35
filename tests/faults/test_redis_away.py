"""Redis gone or frozen: bookings do not notice, and availability is as true as before."""

import time

import pytest
from sale import Sale, is_booked
from served import Api, new_keys, served, violations

from api.embedded import EmbeddedValkey

UNAFFECTED_SECONDS_MAX = 1.0


@pytest.mark.parametrize("fault", ["pause", pytest.param("kill", marks=pytest.mark.slow)])
def test_bookings_go_on_and_availability_stays_true(
    own_database: str, valkey: EmbeddedValkey, fault: str
) -> None:
    with (
        served(own_database, valkey.url()) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        sale = Sale(api, api.add_event(1_000_000), api.add_user())
        with sale.going_on(4):
            sale.await_count(20, is_booked)
            getattr(valkey, fault)()
            for _ in range(5):
                before = sum(map(is_booked, sale.told))
                began = time.monotonic()
                assert api.availability(sale.event_id)["booked"] >= before
                assert time.monotonic() - began < UNAFFECTED_SECONDS_MAX
            sale.await_count(50, is_booked)
        assert api.availability(sale.event_id)["booked"] == sum(map(is_booked, sale.told))
        if fault == "kill":
            valkey.start()
        else:
            valkey.resume()
        running.await_path("/readyz", containing='"redis":"up"')
        assert api.availability(sale.event_id)["booked"] == sum(map(is_booked, sale.told))
        assert violations(own_database, valkey.url()) == []
    assert {told.status for told in sale.told} == {201}
    sale.audit(own_database, seconds_max=UNAFFECTED_SECONDS_MAX)
