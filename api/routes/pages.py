"""The pages for people: files of `api/web`, read once and served as they are."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from api.browser_headers import of_page
from api.problems import Problem

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[1] / "web"
_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
_HEADERS: Final = {
    # blob: for QR codes, which need the key and so cannot be fetched by an <img>.
    **of_page("img-src 'self' blob:"),
    "Cache-Control": "no-cache",  # kept, and asked for again with the ETag
}


_HEADERS_OF: Final = {
    # The door reads tickets with the camera.
    "organizer.html": {"Permissions-Policy": "camera=(self), geolocation=(), microphone=()"},
    # A worker has a policy of its own: WebAssembly runs in this one and in no page.
    "decoder.js": of_page("script-src 'self' 'wasm-unsafe-eval'"),
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    etag: str


def _read() -> dict[str, _File]:
    files = {}
    for path in _FOLDER.rglob("*"):
        if path.suffix in _MEDIA_TYPES:
            body = path.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            name = path.relative_to(_FOLDER).as_posix()
            files[name] = _File(body, _MEDIA_TYPES[path.suffix], etag)
    return files


_FILES: Final = _read()


@router.get("/")
async def show_buyer(request: Request) -> Response:
    return _answer(request, "index.html")


@router.get("/organizer")
async def show_organizer(request: Request) -> Response:
    return _answer(request, "organizer.html")


@router.get("/auditor")
async def show_auditor(request: Request) -> Response:
    return _answer(request, "auditor.html")


@router.get("/web/{name:path}")
async def show_file(request: Request, name: str) -> Response:
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    file = _FILES.get(name)
    if file is None:
        raise Problem("not-found", "There is no such file.")
    headers = {**_HEADERS, **_HEADERS_OF.get(name, {}), "ETag": file.etag}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers=headers, media_type=file.media_type)
