"""Settings and their table in the README: the same names, defaults and words."""

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from api.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ROW = re.compile(r"^\| `(FLASHTICKET_\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
ROWS = {name: (default, words) for name, default, words in ROW.findall(README)}
FIELDS = {f"FLASHTICKET_{name.upper()}": field for name, field in Settings.model_fields.items()}
OF_TESTS = {
    "FLASHTICKET_TEST_EXAMPLES",
    "FLASHTICKET_TEST_DATABASE_URL",
    "FLASHTICKET_TEST_REDIS_URL",
}
"""Where tests find servers; the application does not know these."""

OTHERS_THAT_NAME_SETTINGS = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "Dockerfile",
    ROOT / "docker-compose.yml",
    ROOT / "run.sh",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def default_of(field: FieldInfo) -> str:
    return "not set" if field.default is None else f"`{field.default}`"


@pytest.mark.parametrize("name", FIELDS)
def test_the_readme_has_every_setting_with_its_default_and_in_its_words(name: str) -> None:
    assert ROWS[name] == (default_of(FIELDS[name]), FIELDS[name].description)


def test_the_table_names_each_setting_once_and_in_the_order_of_the_code() -> None:
    assert [name for name, _, _ in ROW.findall(README)] == list(FIELDS)


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *OTHERS_THAT_NAME_SETTINGS], ids=lambda path: path.name
)
def test_no_setting_is_named_that_there_is_not(path: Path) -> None:
    named = set(re.findall(r"FLASHTICKET_[A-Z][A-Z_]*[A-Z]", path.read_text()))
    assert named <= FIELDS.keys() | OF_TESTS
