"""What keeping places first costs: a hold and its confirmation against a booking, in one run.

The same number of each, one kind after the other on one event and over the same connections.
"""

from dataclasses import replace
from typing import Final

from loadtest.contenders import CAPACITY, Contender
from loadtest.generator import Outcome
from loadtest.measure import (
    bodies_file,
    faults_of,
    generate_and_watch,
    only_right_answers,
    plan_of,
    settle,
)
from loadtest.measurement import Measurement
from loadtest.replies import Reply, read_accepted
from loadtest.serving import Served
from loadtest.workloads import WORKLOADS

HOLDING: Final = "hold-and-confirm"
TITLE: Final = "a hold and its confirmation, against a booking"


def measure_holding(contender: Contender, served: Served, requests: int) -> Measurement:
    """Book, hold and confirm so many times each, and audit what is booked then."""
    workload = replace(WORKLOADS["hot"], requests=requests)
    event_ids = contender.open_events(served.port, 1, CAPACITY)
    settle(contender.servers.postgres_url)
    checks = []

    def run(path: str, ids: list[str], *, has_body: bool) -> tuple[Outcome, list[Reply]]:
        with bodies_file() as bodies:
            plan = plan_of(contender, served, workload, 0, ids, bodies)
            if not has_body:
                plan = replace(plan, body="", key_prefix=None)
            outcome, _ = generate_and_watch(contender, served, replace(plan, path=path))
            told = list(read_accepted(bodies))
        checks.append(only_right_answers(workload, outcome))
        return outcome, told

    booking, booked = run("/v1/bookings", event_ids, has_body=True)
    holding, held = run("/v1/holds", event_ids, has_body=True)
    hold_ids = [str(reply.body["hold_id"]) for reply in held]
    confirming, confirmed = run("/v1/holds/{event}/confirm", hold_ids, has_body=False)
    checks += contender.audit(served.port, event_ids, booked + confirmed)
    seconds = {
        "booking": booking.measured_seconds,
        "hold": holding.measured_seconds,
        "confirmation": confirming.measured_seconds,
    }
    return Measurement(
        contender.name,
        HOLDING,
        {
            "us_per_booking": seconds["booking"] / requests * 1e6,
            "us_per_hold": seconds["hold"] / requests * 1e6,
            "us_per_confirmation": seconds["confirmation"] / requests * 1e6,
            "over_booking": (seconds["hold"] + seconds["confirmation"]) / seconds["booking"],
        },
        faults_of(checks),
    )
