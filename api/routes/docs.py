"""The page of all calls: Swagger UI from a package, so that nothing comes from elsewhere."""

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from api.browser_headers import of_page

_ASSETS: Final = "/docs-assets"

router = APIRouter(include_in_schema=False)


_PAGE: Final = bytes(
    get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="FlashTicket: all calls",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
    ).body
)


def _hashes_of_scripts(page: bytes) -> str:
    """The scripts within a page, as a content security policy names them."""
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts]
    return " ".join(f"'sha256-{each}'" for each in hashes)


_HEADERS: Final = of_page(
    f"script-src 'self' {_hashes_of_scripts(_PAGE)}",
    "style-src 'self' 'unsafe-inline'",  # Swagger UI writes styles into its elements
    "img-src 'self' data:",
)


@router.get("/docs")
async def read_docs() -> HTMLResponse:
    """Swagger UI on the OpenAPI page."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


def assets() -> Mount:
    """What the page loads."""
    folder = Path(str(files("fastapi_offline"))) / "static"
    return Mount(_ASSETS, StaticFiles(directory=folder), name="docs_assets")
