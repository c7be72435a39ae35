"""The tables beside the ledger, held against what the entries add up to (L6)."""

from collections.abc import Iterator, Mapping

from loadtest.torture.evidence import Evidence
from loadtest.torture.rules import State


def differences(states: Mapping[str, State], evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Rule and words for each row that is not as the states have it."""
    pairs = (
        ("stream row", set(_streams(states)), set(evidence.streams)),
        ("booking", set(_bookings(states)), {_hashable(row) for row in evidence.bookings}),
        ("hold", set(_holds(states)), set(evidence.holds)),
        ("place in line", set(_line(states)), set(evidence.line)),
        ("claim", set(_claims(states)), set(evidence.claims)),
        ("category", set(_taken(states)), set(evidence.taken)),
    )
    for what, expected, found in pairs:
        for row in sorted(expected ^ found, key=str):
            where = "the entries have" if row in expected else "the table has"
            yield "L6", f"only {where} this {what}: {row}"


def _hashable(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


def _streams(states: Mapping[str, State]) -> Iterator[tuple[object, ...]]:
    for event_id, state in states.items():
        if state.version:
            counts = (state.capacity, state.booked, state.held, state.status)
            yield (event_id, state.version, state.head_hash, *counts)


def _bookings(states: Mapping[str, State]) -> Iterator[tuple[object, ...]]:
    for event_id, state in states.items():
        for booking_id, booking in state.bookings.items():
            order = booking.order
            status = "booked" if booking.live else "cancelled"
            yield (
                event_id,
                booking_id,
                order.user_id,
                order.quantity,
                status,
                order.category,
                order.seats,
                tuple(sorted(booking.cancelled)),
                booking.generation,
            )


def _holds(states: Mapping[str, State]) -> Iterator[tuple[object, ...]]:
    for event_id, state in states.items():
        for hold_id, hold in state.holds.items():
            order = hold.order
            yield event_id, hold_id, order.user_id, order.quantity, hold.status, hold.booking_id


def _line(states: Mapping[str, State]) -> Iterator[tuple[object, ...]]:
    for event_id, state in states.items():
        for waiting_id, place in state.line.items():
            order = place.order
            yield event_id, waiting_id, order.user_id, order.quantity, place.status


def _claims(states: Mapping[str, State]) -> Iterator[tuple[object, ...]]:
    for event_id, state in states.items():
        for seat, claimed_by in state.claims.items():
            yield event_id, seat, claimed_by


def _taken(states: Mapping[str, State]) -> Iterator[tuple[object, ...]]:
    for event_id, state in states.items():
        if state.version:
            for category in state.terms["categories"]:
                yield event_id, category["name"], state.taken.get(category["name"], 0)
