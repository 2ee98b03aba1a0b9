"""Answers held against the OpenAPI document: as much of JSON Schema as the document uses."""

import datetime as dt
import re
from typing import Any

import httpx

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_KNOWN = {
    *("$ref", "type", "properties", "required", "items", "anyOf", "oneOf", "enum", "const"),
    *("additionalProperties", "format", "minimum", "maximum", "title", "description", "default"),
    *("examples", "maxLength"),
}


_EXAMPLES = {
    "room": "general",
    "token": "never-made",
    "emoji": "👍",
    "rendition": "aac64",
    "segment": "0.m4s",
}
_NAMES = {"/uploads/waveforms/{name}": "1.png"}


def filled(path: str) -> str:
    """A path of the document with a value for each parameter, of things that need not exist."""
    for name in re.findall(r"\{(.*?)\}", path):
        value = "1" if name.endswith("_id") else _EXAMPLES.get(name)
        if name == "name":
            value = _NAMES.get(path, "1.jpg")
        assert value, f"{path}: say in tests/openapi.py what {name} may be"
        path = path.replace(f"{{{name}}}", value)
    return path


class Document:
    """``/openapi.json``, with what answers it allows."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.paths: dict[str, dict[str, Any]] = document["paths"]
        self._schemas: dict[str, Any] = document["components"]["schemas"]
        self._patterns = [
            (re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))), path)
            for path in sorted(self.paths, key=lambda path: path.count("{"))
        ]

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, template in self._patterns:
            if pattern.fullmatch(path):
                operation: dict[str, Any] | None = self.paths[template].get(method.lower())
                return operation
        return None

    def check(self, answer: httpx.Response) -> None:
        method, path = answer.request.method, answer.request.url.path
        assert answer.headers["x-request-id"], answer.headers
        assert answer.status_code != 500, answer.text
        body = _json_body(answer)
        if body is not None and path.startswith("/api/") and not path.endswith("/waveform"):
            assert body["success"] is (answer.status_code < 400), body
        if answer.status_code >= 400 and body is not None:
            assert {"success", "error", "code"} <= body.keys() <= {*body, "details"}, body
        operation = self.operation(method, path)
        if operation is None or answer.status_code == 405:
            return
        declared = operation["responses"].get(str(answer.status_code))
        assert declared, f"{method} {path} does not declare {answer.status_code}: {answer.text}"
        schema = declared.get("content", {}).get("application/json", {}).get("schema")
        if schema is not None and body is not None:
            self.validate(body, schema, "body")

    def validate(self, value: Any, schema: dict[str, Any], at: str) -> None:
        assert schema.keys() <= _KNOWN, f"{at}: cannot check {schema.keys() - _KNOWN}"
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        for options in (schema.get("anyOf"), schema.get("oneOf")):
            if options:
                assert any(self._fits(value, option, at) for option in options), (at, value)
        if "enum" in schema:
            assert value in schema["enum"], (at, value)
        self._validate_type(value, schema, at)
        if isinstance(value, dict) and "properties" in schema:
            self._validate_object(value, schema, at)
        if isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                self.validate(item, schema["items"], f"{at}[{index}]")

    def _validate_type(self, value: Any, schema: dict[str, Any], at: str) -> None:
        if "type" in schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            fits = any(
                isinstance(value, _TYPES[name])
                and not (isinstance(value, bool) and name in ("integer", "number"))
                for name in names
            )
            assert fits, f"{at}: {value!r} is no {names}"
        if schema.get("format") == "date-time" and value is not None:
            assert value.endswith("Z"), (at, value)
            dt.datetime.fromisoformat(value)

    def _validate_object(self, value: dict[str, Any], schema: dict[str, Any], at: str) -> None:
        """Stricter than JSON Schema: what is not described must not be there."""
        missing = set(schema.get("required", ())) - value.keys()
        assert not missing, f"{at}: {missing} missing"
        extra = value.keys() - schema["properties"].keys()
        assert not extra, f"{at}: {extra} not described"
        for name, part in value.items():
            self.validate(part, schema["properties"][name], f"{at}.{name}")

    def _fits(self, value: Any, schema: dict[str, Any], at: str) -> bool:
        try:
            self.validate(value, schema, at)
        except AssertionError:
            return False
        return True


def _json_body(answer: httpx.Response) -> Any:
    if answer.headers.get("content-type") != "application/json" or not answer.content:
        return None
    return answer.json()
