"""How the pages are served."""

import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import httpx
import pytest
from served import PLAIN, Served

WEB: Final = Path(__file__).parents[2] / "api" / "web"
PAGES: Final = ["/", "/organizer", "/auditor"]
SERVED: Final = {".css", ".html", ".js", ".mjs", ".svg", ".wasm"}
FILES: Final = sorted(
    path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.suffix in SERVED
)
VENDORED: Final = WEB / "vendor"


@pytest.fixture
def visitor(shop: Served) -> Iterator[httpx.Client]:
    """Without the check against the OpenAPI page, which is not about pages for people."""
    with httpx.Client(base_url=shop.url, trust_env=False, verify=PLAIN) as client:
        yield client


class Links(HTMLParser):
    """What a page loads, and whether it has script or style in itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in {"script", "link"}:
            self.loads.append(given.get("src") or given.get("href") or "")
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_only_what_is_served_here_under_a_strict_policy(
    visitor: httpx.Client, path: str
) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    links = Links()
    links.feed(answer.text)
    assert links.inline == []
    assert len(links.loads) >= 3
    for link in links.loads:
        assert link.startswith("/web/")
        assert visitor.get(link).status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_kept_by_browsers_until_it_changes(visitor: httpx.Client, name: str) -> None:
    first = visitor.get(f"/web/{name}")
    assert first.status_code == 200
    again = visitor.get(f"/web/{name}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fsettings.py", "%2e%2e/cli.py"])
def test_nothing_else_is_served(visitor: httpx.Client, name: str) -> None:
    answer = visitor.get(f"/web/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_no_file_names_another_server() -> None:
    """But for what is vendored, which is told where its parts are and may ask nobody else."""
    for name in FILES:
        path = WEB / name
        if name.startswith("vendor/"):
            continue
        text = path.read_text().replace("http://www.w3.org/", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


def test_only_the_page_with_a_door_may_ask_for_the_camera(visitor: httpx.Client) -> None:
    policies = {path: visitor.get(path).headers["permissions-policy"] for path in PAGES}
    assert "camera=(self)" in policies["/organizer"]
    assert all("camera=()" in policies[path] for path in ("/", "/auditor"))


@pytest.mark.parametrize("package", sorted(path.name for path in VENDORED.iterdir()))
def test_what_is_vendored_has_its_licence_and_is_what_its_readme_says(package: str) -> None:
    folder = VENDORED / package
    assert (folder / "LICENSE").stat().st_size > 500
    readme = (folder / "README.md").read_text()
    listed = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", readme, re.MULTILINE))
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.suffix in SERVED
    }
    assert listed == found
