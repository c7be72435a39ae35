"""The transparency log as C2SP tlog-tiles serves it: checkpoint, tiles, bundles of entries; public.

Everything but the checkpoint stays as it is for ever, and may be kept by every cache on the way.
"""

import struct
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from fastapi import Path as PathParameter

from api.documents import problems
from api.problems import Problem
from api.services import Services, services_of
from projections.tiles import Place, parse_path

router = APIRouter(prefix="/tlog", tags=["transparency log"])

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_FRESH: Final = {"Cache-Control": "no-cache"}
_LENGTH: Final = struct.Struct(">H")


@router.get(
    "/checkpoint",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **problems("not-found")},
)
async def read_checkpoint(services: Services = Depends(services_of)) -> Response:
    """The log's size and Merkle root, signed: at most a second behind while bookings come in.

    With the cosignatures of witnesses, where there are any; then it may be a few seconds behind.
    """
    checkpoint = (await services.tree.published()).served
    if checkpoint is None:
        raise Problem("not-found", "Nothing has been signed yet. Try again in a second.")
    return Response(checkpoint, headers=_FRESH, media_type=_TEXT)


@router.get("/keys", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def read_log_keys(services: Services = Depends(services_of)) -> Response:
    """Every public key the log ever had, a line each, the newest last.

    What is fetched from here proves nothing by itself: compare it with the key you were given.
    """
    keys = services.log_keys.verifying()
    return Response("".join(f"{key}\n" for key in keys), headers=_FRESH, media_type=_TEXT)


@router.get(
    "/tile/{path:path}",
    response_class=Response,
    responses={200: {"content": {_BYTES: {}}}, **problems("not-found")},
)
async def read_tile(
    path: Annotated[str, PathParameter(examples=["0/000", "1/x001/234.p/7", "entries/000"])],
    services: Services = Depends(services_of),
) -> Response:
    """Up to 256 hashes of a level of the tree, or as many entries, as `.p/` says or whole.

    In the place of an entry above 65,535 bytes stands a stub that names it by its hash.
    """
    asked = parse_path(path)
    if asked is None:
        raise Problem("not-found", "No tile has such a path.")
    if asked.level is None:
        entries = await services.tree.bundle(asked.position, asked.width)
        body = None if entries is None else _bundle(entries)
    else:
        body = await services.tree.tile(Place(asked.level, asked.position), asked.width)
    if body is None:
        raise Problem("not-found", "The log is not long enough to have that tile.")
    return Response(body, headers=_IMMUTABLE, media_type=_BYTES)


def _bundle(entries: list[bytes]) -> bytes:
    return b"".join(part for entry in entries for part in (_LENGTH.pack(len(entry)), entry))
