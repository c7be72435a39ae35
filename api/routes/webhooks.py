"""Webhooks: register, look at what was delivered, send again."""

from base64 import b64encode
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Query, Response
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed
from api.documents import problems
from api.keys import Principal
from api.problems import Problem
from api.services import Services, services_of
from api.times import time_of
from api.webhooks.cloud_events import STRUCTURED
from api.webhooks.entry_types import ENTRY_OF_TYPE, type_of
from ledger.values import EventId
from projections.outbox import SEQ_MAX, WEBHOOKS_MAX, Delivery, Webhook

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

outgoing = APIRouter(tags=["webhooks"])
"""What is sent and not answered: the `webhooks` of the OpenAPI page."""

_DELIVERIES_MAX: Final = 1_000


@outgoing.post(
    "entry",
    operation_id="take_entry",
    status_code=204,
    responses={
        "4XX": {"description": "It comes again later; 410 ends the webhook"},
        "5XX": {"description": "It comes again later"},
    },
)
async def take_entry(
    body: Annotated[bodies.CloudEvent, Body(media_type=STRUCTURED)],
    webhook_id: Annotated[str, Header(description="The `id` of the body.")],
    webhook_timestamp: Annotated[int, Header(description="Seconds since 1970.")],
    webhook_signature: Annotated[
        str, Header(description="`v1,` and the base64 of an HMAC-SHA256; see docs/webhooks.md.")
    ],
) -> None:
    """What your endpoint gets for each entry. Answer 2xx, or it comes again."""


@router.post(
    "",
    status_code=201,
    responses=problems("event-not-found", "too-many-webhooks", call="register_webhook"),
)
async def register_webhook(
    body: bodies.WebhookIn,
    principal: Principal = Depends(allowed("register_webhook")),
    services: Services = Depends(services_of),
) -> bodies.WebhookWithSecret:
    """Have entries sent to a URL as they are written. The secret is shown here and never again."""
    refusal = services.targets.refusal(body.url)
    if refusal is not None:
        raise Problem(
            "validation", f"body.url: {refusal}", errors=[{"at": ["body", "url"], "why": refusal}]
        )
    event_id = None if body.event_id is None else EventId(body.event_id)
    if event_id is not None and await services.queries.event(event_id) is None:
        raise Problem("event-not-found", f"There is no event {event_id}.")
    webhook_id = uuid7()
    entry_types = [ENTRY_OF_TYPE[each] for each in dict.fromkeys(body.types)]
    secret = await services.outbox.register(
        webhook_id, body.url, entry_types, event_id, principal.key_id, body.from_seq
    )
    if secret is None:
        raise Problem("too-many-webhooks", f"There are {WEBHOOKS_MAX} webhooks already.")
    webhook = webhook_body(await _webhook(services, webhook_id))
    return bodies.WebhookWithSecret(
        **webhook.model_dump(), secret=f"whsec_{b64encode(secret).decode()}"
    )


@router.get("", responses=problems(call="list_webhooks"))
async def list_webhooks(
    _: Principal = Depends(allowed("list_webhooks")),
    services: Services = Depends(services_of),
) -> bodies.Webhooks:
    """All webhooks in order of registration."""
    return bodies.Webhooks(items=[webhook_body(each) for each in await services.outbox.webhooks()])


@router.get("/{webhook_id}", responses=problems("webhook-not-found", call="read_webhook"))
async def read_webhook(
    webhook_id: UUID,
    _: Principal = Depends(allowed("read_webhook")),
    services: Services = Depends(services_of),
) -> bodies.Webhook:
    """One webhook, and how much it still has to be sent."""
    return webhook_body(await _webhook(services, webhook_id))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    responses=problems("webhook-not-found", call="delete_webhook"),
)
async def delete_webhook(
    webhook_id: UUID,
    _: Principal = Depends(allowed("delete_webhook")),
    services: Services = Depends(services_of),
) -> Response:
    """Send nothing there any more, and forget what was sent."""
    _require(await services.outbox.delete(webhook_id), webhook_id)
    return Response(status_code=204)


@router.post("/{webhook_id}/enable", responses=problems("webhook-not-found", call="enable_webhook"))
async def enable_webhook(
    webhook_id: UUID,
    _: Principal = Depends(allowed("enable_webhook")),
    services: Services = Depends(services_of),
) -> bodies.Webhook:
    """Go on where a webhook stopped, or try at once what waits for its next attempt."""
    _require(await services.outbox.enable(webhook_id), webhook_id)
    return webhook_body(await _webhook(services, webhook_id))


@router.get(
    "/{webhook_id}/deliveries",
    responses=problems("webhook-not-found", call="list_deliveries"),
)
async def list_deliveries(
    webhook_id: UUID,
    limit: Annotated[int, Query(ge=1, le=_DELIVERIES_MAX, description="Items on a page.")] = 100,
    before: Annotated[
        int, Query(ge=0, le=SEQ_MAX, description="`next_before` of the page before.")
    ] = SEQ_MAX,
    only_pending: Annotated[bool, Query(description="Leave out what was delivered.")] = False,
    _: Principal = Depends(allowed("list_deliveries")),
    services: Services = Depends(services_of),
) -> bodies.Deliveries:
    """The latest deliveries, newest first: what waits, and the last thousand that were taken."""
    await _webhook(services, webhook_id)
    found = await services.outbox.deliveries(
        webhook_id, before=before, only_pending=only_pending, limit=limit
    )
    return bodies.Deliveries(
        items=[_delivery_body(each) for each in found],
        next_before=found[-1].seq if len(found) == limit else None,
    )


@router.post(
    "/{webhook_id}/replay",
    status_code=202,
    responses=problems("webhook-not-found", "entry-not-found", call="replay_webhook"),
)
async def replay_webhook(
    webhook_id: UUID,
    body: bodies.ReplayIn,
    _: Principal = Depends(allowed("replay_webhook")),
    services: Services = Depends(services_of),
) -> bodies.Webhook:
    """Send entries again: all from a number on, or one."""
    await _webhook(services, webhook_id)
    if body.from_seq is not None:
        _require(await services.outbox.replay_from(webhook_id, body.from_seq), webhook_id)
    elif body.seq is not None and not await services.outbox.replay_one(webhook_id, body.seq):
        raise Problem("entry-not-found", f"The webhook has not come to an entry {body.seq}.")
    return webhook_body(await _webhook(services, webhook_id))


async def _webhook(services: Services, webhook_id: UUID) -> Webhook:
    webhook = await services.outbox.webhook(webhook_id)
    if webhook is None:
        raise _not_found(webhook_id)
    return webhook


def _require(found: bool, webhook_id: UUID) -> None:
    if not found:
        raise _not_found(webhook_id)


def _not_found(webhook_id: UUID) -> Problem:
    return Problem("webhook-not-found", f"There is no webhook {webhook_id}.")


def webhook_body(webhook: Webhook) -> bodies.Webhook:
    oldest, disabled_at = webhook.oldest_pending_at, webhook.disabled_at
    return bodies.Webhook(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        types=[type_of(each) for each in webhook.types],
        event_id=webhook.event_id,
        status="active" if disabled_at is None else "disabled",
        disabled_at=None if disabled_at is None else time_of(disabled_at),
        disabled_because=webhook.disabled_because,
        registered_at=time_of(webhook.registered_at),
        next_seq=webhook.next_seq,
        pending=webhook.pending,
        oldest_pending_at=None if oldest is None else time_of(oldest),
    )


def _delivery_body(delivery: Delivery) -> bodies.Delivery:
    last_at, delivered_at = delivery.last_attempt_at, delivery.delivered_at
    is_retried = delivered_at is None and delivery.attempts > 0
    return bodies.Delivery(
        seq=delivery.seq,
        event_id=delivery.event_id,
        version=delivery.version,
        type=type_of(delivery.type_name),
        recorded_at=time_of(delivery.recorded_at),
        status="delivered" if delivered_at is not None else "retrying" if is_retried else "pending",
        attempts=delivery.attempts,
        last_attempt_at=None if last_at is None else time_of(last_at),
        next_attempt_at=time_of(delivery.next_attempt_at) if is_retried else None,
        delivered_at=None if delivered_at is None else time_of(delivered_at),
        answer_status=delivery.answer_status,
        last_error=delivery.last_error,
    )
