"""Examples of the OpenAPI page: of every call what is sent and answered, and of every problem.

The calls' are files, one a call, recorded at a running server by `tests/examples/record.py`.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from api.examples.problems import PROBLEMS
from api.problems import KINDS


def with_examples(page: dict[str, Any]) -> dict[str, Any]:
    """``page`` with the examples of its calls in their places."""
    of_calls = _of_calls()
    for operations in (*page["paths"].values(), *page["webhooks"].values()):
        for operation in operations.values():
            example = of_calls.get(operation["operationId"], {})
            for media_type, value in example.get("request", {}).items():
                operation["requestBody"]["content"][media_type]["example"] = value
            for status, answers in example.get("answers", {}).items():
                for media_type, value in answers.items():
                    operation["responses"][status]["content"][media_type]["example"] = value
    page["components"]["examples"] = {code: problem_example(code) for code in PROBLEMS}
    return page


@cache  # each is in some dozen calls
def problem_example(code: str) -> dict[str, Any]:
    """The problem of this code as an Example Object."""
    return {"summary": KINDS[code].remedy, "value": json.loads(PROBLEMS[code].body())}


def _of_calls() -> dict[str, dict[str, Any]]:
    """By operation id; read when the page is made, which few processes ever do."""
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text("utf-8"))
        for file in files("api.examples").iterdir()
        if file.name.endswith(".json")
    }
