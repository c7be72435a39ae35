"""Say what an answer of pip-audit means: judge_audit.py REQUIREMENTS ANSWER.

Exit status: 0 all were asked about and none has a known vulnerability, 1 some have one, 3 nobody
could be asked about some. No answer is not taken for a good one.
"""

import json
import re
import sys
from pathlib import Path

ALL_GOOD, VULNERABLE, NOT_ASKED = 0, 1, 3


def judge(requirements: str, answer: str | None) -> tuple[int, list[str]]:
    """The exit status, and a line about each package that is not plainly good."""
    wanted = {
        normal(name) for name in re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[.*])?==", requirements)
    }
    found = {
        normal(each["name"]): each for each in json.loads(answer or "{}").get("dependencies", [])
    }
    lines = []
    is_vulnerable = False
    not_asked = sorted(wanted - {name for name, each in found.items() if "skip_reason" not in each})
    for name, each in sorted(found.items()):
        for vulnerability in each.get("vulns", []):
            is_vulnerable = True
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            lines.append(f"{name} {each['version']}: {vulnerability['id']}, fixed in {fixed}")
    if not_asked:
        lines.append(f"nobody could be asked about {len(not_asked)}: {', '.join(not_asked)}")
    if is_vulnerable:
        return VULNERABLE, lines
    if not_asked or not wanted:
        return NOT_ASKED, lines
    return ALL_GOOD, [f"{len(wanted)} packages, none with a known vulnerability"]


def normal(name: str) -> str:
    """A package's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    requirements, answer = map(Path, sys.argv[1:])
    answered = answer.read_text() if answer.exists() else None
    status, lines = judge(requirements.read_text(), answered)
    sys.stdout.write("\n".join([*lines, ""]))
    return status


if __name__ == "__main__":
    sys.exit(main())
