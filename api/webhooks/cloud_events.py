"""An entry as a CloudEvent: https://github.com/cloudevents/spec, 1.0, JSON, structured mode."""

from typing import Final

import orjson

from api.times import rfc3339
from api.webhooks.entry_types import type_of
from projections.ledger_pages import StoredEntry

STRUCTURED: Final = "application/cloudevents+json"
CONTENT_TYPE: Final = f"{STRUCTURED}; charset=utf-8"


def id_of(entry: StoredEntry) -> str:
    """The same however often the entry is sent; its version orders it within its event."""
    return f"{entry.stream_id}/{entry.version}"


def body_of(entry: StoredEntry, source: str) -> bytes:
    """The document that is sent: the entry as it is stored, and nobody's name or address."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": id_of(entry),
            "source": source,
            "type": type_of(entry.type_name),
            "subject": str(entry.stream_id),
            "time": rfc3339(entry.recorded_at),
            "datacontenttype": "application/json",
            "data": {
                "event_id": entry.stream_id,
                "version": entry.version,
                "seq": entry.seq,
                "type": entry.type_name,
                "schema_version": entry.schema_version,
                "hash": entry.hash.hex(),
                "payload": orjson.Fragment(entry.payload),
            },
        }
    )
