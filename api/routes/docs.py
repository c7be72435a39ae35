"""The page of all calls: Swagger UI from a package, so that nothing comes from elsewhere."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

_ASSETS: Final = "/docs-assets"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def read_docs() -> HTMLResponse:
    """Swagger UI on the OpenAPI page."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="FlashTicket: all calls",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
    )


def assets() -> Mount:
    """What the page loads."""
    folder = Path(str(files("fastapi_offline"))) / "static"
    return Mount(_ASSETS, StaticFiles(directory=folder), name="docs_assets")
