"""Structured logs: one JSON object a line on standard error."""

import logging

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter


def configure(level: str) -> None:
    """Send everything from ``level`` up to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        OrjsonFormatter(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # uvicorn's, for terminals
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The pool warns of every attempt while the database is away; the combiner says it once a batch.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
