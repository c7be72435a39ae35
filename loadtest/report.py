"""The outcome of a run for people (text), for programs (JSON) and for CI (JUnit XML)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent, tostring

from loadtest.audit import Check

Figure = int | float | str

# What XML 1.0 can't carry, escaped or not.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found: checks that hold or fail, and figures whose names end in their unit."""

    title: str
    checks: Sequence[Check]
    figures: Mapping[str, Figure]

    @property
    def ok(self) -> bool:
        """Every check holds. A run that checked nothing proves nothing."""
        return bool(self.checks) and all(check.ok for check in self.checks)


def as_text(report: Report) -> str:
    """One line a figure and a check, and the verdict last."""
    lines = [report.title, ""]
    width = max((len(name) for name in report.figures), default=0)
    for name, figure in report.figures.items():
        lines.append(f"  {name.replace('_', ' '):{width}}  {_readable(figure)}")
    lines.append("")
    for check in report.checks:
        mark = "ok    " if check.ok else "FAILED"
        lines.append(f"  {mark}  {check.name}" + (f": {check.detail}" if check.detail else ""))
    failed = sum(not check.ok for check in report.checks)
    lines += ["", f"{len(report.checks) - failed} passed, {failed} failed"]
    return "\n".join(lines)


def _readable(figure: Figure) -> str:
    if isinstance(figure, float):
        return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.4g}"
    return f"{figure:,}" if isinstance(figure, int) else figure


def as_json(report: Report) -> str:
    """The report as one JSON object."""
    content = {
        "title": report.title,
        "ok": report.ok,
        "figures": dict(report.figures),
        "checks": [asdict(check) for check in report.checks],
    }
    return json.dumps(content, indent=2) + "\n"


def as_junit(report: Report) -> str:
    """The report as JUnit XML: a test case a check, the figures as properties."""
    failed = sum(not check.ok for check in report.checks)
    suites = Element("testsuites")
    suite = SubElement(
        suites,
        "testsuite",
        name=_xml_text(report.title),
        tests=str(len(report.checks)),
        failures=str(failed),
        errors="0",
        skipped="0",
    )
    properties = SubElement(suite, "properties")
    for name, figure in report.figures.items():
        SubElement(properties, "property", name=_xml_text(name), value=_xml_text(str(figure)))
    for check in report.checks:
        case = SubElement(
            suite, "testcase", classname=_xml_text(report.title), name=_xml_text(check.name)
        )
        if check.ok:
            SubElement(case, "system-out").text = _xml_text(check.detail)
        else:
            SubElement(case, "failure", message=_xml_text(check.detail))
    indent(ElementTree(suites))
    return tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _xml_text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
