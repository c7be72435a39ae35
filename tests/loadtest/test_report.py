import json
from xml.etree import ElementTree

import pytest

from loadtest.audit import Check
from loadtest.report import Report, as_json, as_junit, as_text

HOLDS = Check("the ledger says so many", True, "1000 tickets")
FAILS = Check("Redis says so many", False, "event <e>: 999, not 1000 & more")
REPORT = Report("flash sale", [HOLDS, FAILS], {"booked": 1000, "wait_p99_ms": 412.25})


def parsed(report: Report) -> ElementTree.Element:
    return ElementTree.fromstring(as_junit(report).encode())  # noqa: S314 - written just now


def test_a_report_is_as_good_as_its_worst_check() -> None:
    assert Report("sale", [HOLDS], {}).ok
    assert not REPORT.ok


def test_a_report_that_checked_nothing_is_not_ok() -> None:
    assert not Report("sale", [], {"booked": 1000}).ok


def test_the_text_names_every_check_and_figure_and_closes_with_the_count() -> None:
    lines = as_text(REPORT).splitlines()
    assert "  ok      the ledger says so many: 1000 tickets" in lines
    assert "  FAILED  Redis says so many: event <e>: 999, not 1000 & more" in lines
    assert "  booked       1,000" in lines
    assert "  wait p99 ms  412.2" in lines
    assert lines[-1] == "1 passed, 1 failed"


def test_the_json_holds_all_of_the_report() -> None:
    assert json.loads(as_json(REPORT)) == {
        "title": "flash sale",
        "ok": False,
        "figures": {"booked": 1000, "wait_p99_ms": 412.25},
        "checks": [
            {"name": "the ledger says so many", "ok": True, "detail": "1000 tickets"},
            {
                "name": "Redis says so many",
                "ok": False,
                "detail": "event <e>: 999, not 1000 & more",
            },
        ],
    }


def test_the_junit_file_counts_its_cases_and_failures() -> None:
    suites = parsed(REPORT)
    (suite,) = suites
    assert suites.tag == "testsuites"
    assert suite.tag == "testsuite"
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    holds, fails = suite.findall("testcase")
    assert (holds.get("classname"), holds.get("name")) == ("flash sale", HOLDS.name)
    assert holds.find("failure") is None
    failure = fails.find("failure")
    assert failure is not None
    assert failure.get("message") == FAILS.detail
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties == {"booked": "1000", "wait_p99_ms": "412.25"}


@pytest.mark.parametrize("detail", ["\x00\x1b[31m", "\ud800", "￾"])
def test_the_junit_file_is_xml_whatever_a_check_quotes(detail: str) -> None:
    suites = parsed(Report("sale", [Check("odd", False, detail)], {}))
    failure = next(suites.iter("failure"))
    assert "\N{REPLACEMENT CHARACTER}" in str(failure.get("message"))
