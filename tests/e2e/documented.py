"""Holds answers against the OpenAPI page: status, media type and body."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_OUTSIDE: Final = {"/docs", "/openapi.json"}


@dataclass(frozen=True)
class Documented:
    """An OpenAPI page, ready to be asked about an answer."""

    page: dict[str, Any]
    registry: Registry[Any]

    @classmethod
    def of(cls, url: str) -> Self:
        page = httpx.get(f"{url}/openapi.json", trust_env=False).json()
        return cls(page, Registry().with_resource("page", DRAFT202012.create_resource(page)))

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The description of a call; None for a path or method that the page does not have."""
        for template, operations in self.page["paths"].items():
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None

    def check(self, answer: httpx.Response) -> None:
        """AssertionError for an answer that a client could not expect from the page."""
        request = answer.request
        operation = self.operation(request.method, request.url.path)
        if operation is None:
            assert answer.status_code in {307, 404, 405} or request.url.path in _OUTSIDE
            return
        where = f"{request.method} {request.url.path} answered {answer.status_code}"
        described = operation["responses"].get(str(answer.status_code))
        assert described is not None, f"{where}, which its page does not mention"
        answer.read()
        content = described.get("content", {})
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if not content:
            assert answer.content == b"", f"{where} with a body"
            return
        assert media_type in content, f"{where} as {media_type!r}"
        schema = content[media_type].get("schema")
        if schema and media_type.endswith("json"):
            self.validate_with(schema, answer.json())

    def validate(self, reference: str, value: object) -> None:
        """jsonschema.ValidationError if ``value`` is not as the page's ``reference`` says."""
        self.validate_with({"$ref": reference}, value)

    def validate_with(self, schema: dict[str, Any], value: object) -> None:
        """As `validate`, for a schema that stands somewhere on the page."""
        self._validator(schema).validate(value)

    def has_field(self, response: dict[str, Any], pointer: str) -> bool:
        """Whether a JSON answer has a field, by the page; ``pointer`` as in ``items/0/code``."""
        schema = response["content"]["application/json"]["schema"]
        for part in pointer.split("/"):
            if "$ref" in schema:
                schema = self.page["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            schema = schema["items"] if part == "0" else schema["properties"].get(part)
            if schema is None:
                return False
        return True

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        pointed = json.loads(json.dumps(schema).replace('"$ref": "#', '"$ref": "page#'))
        return Draft202012Validator(
            pointed, registry=self.registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
