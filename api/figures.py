"""From figures to the bodies of answers."""

from collections.abc import Sequence
from typing import Any

from api.figure_bodies import (
    CategoryLine,
    CategoryTickets,
    History,
    HistoryStep,
    Line,
    Refusals,
    RefusedFor,
    Revenue,
    Sales,
    SalesMinute,
    SectionOccupancy,
    SectionPlaces,
)
from api.times import time_of
from ledger.values import EventId, UserId
from projections.figures import Figures, LineLength, Minute, Occupancy, Refused, Sold, Step


def sales_body(event_id: EventId, figures: Figures[Minute], minutes_max: int) -> Sales:
    items = [
        SalesMinute(
            minute=time_of(each.begins_at),
            **_total(each.sold),
            categories=[_category_tickets(sold) for sold in each.sold],
        )
        for each in figures.items
    ]
    return Sales(
        event_id=event_id,
        items=items,
        next_after=items[-1].minute if len(items) == minutes_max else None,
        **_counted(figures),
    )


def revenue_body(event_id: EventId, figures: Figures[Sold]) -> Revenue:
    total = _total(figures.items)
    return Revenue(
        event_id=event_id,
        revenue_cents=total["booked_cents"] - total["cancelled_cents"],
        items=[_category_tickets(sold) for sold in figures.items],
        **total,
        version=figures.version,
        as_of=time_of(figures.as_of),
    )


def occupancy_body(event_id: EventId, occupancy: Occupancy) -> SectionOccupancy:
    return SectionOccupancy(
        event_id=event_id,
        capacity=occupancy.capacity,
        booked=sum(each.booked for each in occupancy.items),
        held=sum(each.held for each in occupancy.items),
        items=[
            SectionPlaces(section=each.name, seats=each.seats, booked=each.booked, held=each.held)
            for each in occupancy.items
        ],
        **_counted(occupancy),
    )


def line_body(event_id: EventId, figures: Figures[LineLength]) -> Line:
    return Line(
        event_id=event_id,
        waiting=sum(each.waiting for each in figures.items),
        places=sum(each.places for each in figures.items),
        items=[
            CategoryLine(category=each.category, waiting=each.waiting, places=each.places)
            for each in figures.items
        ],
        **_counted(figures),
    )


def refusals_body(event_id: EventId, figures: Figures[Refused]) -> Refusals:
    return Refusals(
        event_id=event_id,
        items=[RefusedFor(reason=each.reason, count=each.count) for each in figures.items],
        **_counted(figures),
    )


def history_body(user_id: UserId, figures: Figures[Step], limit: int) -> History:
    return History(
        user_id=user_id,
        items=[
            HistoryStep(
                seq=each.seq,
                event_id=each.event_id,
                version=each.version,
                at=time_of(each.at),
                what=each.what,
                subject_id=each.subject_id,
                quantity=each.quantity,
            )
            for each in figures.items
        ],
        next_after=figures.items[-1].seq if len(figures.items) == limit else None,
        **_counted(figures),
    )


def _counted(figures: Figures[Any]) -> dict[str, Any]:
    return {"version": figures.version, "as_of": time_of(figures.as_of)}


def _category_tickets(sold: Sold) -> CategoryTickets:
    return CategoryTickets(category=sold.category, **_total([sold]))


def _total(sold: Sequence[Sold]) -> dict[str, int]:
    return {
        "booked": sum(each.booked for each in sold),
        "cancelled": sum(each.cancelled for each in sold),
        "booked_cents": sum(each.booked_cents for each in sold),
        "cancelled_cents": sum(each.cancelled_cents for each in sold),
    }
