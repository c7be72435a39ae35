"""promtool checks the rules where it is installed; else `test_promtool.py` is left out."""

import shutil
from typing import Final

PROMTOOL: Final = shutil.which("promtool")

collect_ignore_glob = [] if PROMTOOL else ["test_promtool.py"]


def pytest_report_header() -> str:
    return f"promtool: {PROMTOOL or 'none (apt-get install prometheus), so it checks no rules'}"
