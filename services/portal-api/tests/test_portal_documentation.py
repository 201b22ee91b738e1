"""The API describes itself: a valid OpenAPI document, and a page of it that needs no other server."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.worlds.portal_house import House

pytestmark = pytest.mark.postgres

OPENAPI_31 = {
    "type": "object",
    "required": ["openapi", "info", "paths"],
    "properties": {
        "openapi": {"pattern": r"^3\.1\."},
        "info": {"type": "object", "required": ["title", "version"]},
        "paths": {
            "type": "object",
            "patternProperties": {
                "^/": {
                    "additionalProperties": {
                        "type": "object",
                        "required": ["responses", "operationId"],
                        "properties": {"responses": {"minProperties": 1}},
                    }
                }
            },
            "additionalProperties": False,
        },
    },
}


async def described(house: House) -> dict[str, Any]:
    status, answer = await house.ask("GET", "/v1/openapi.json")
    assert status == 200
    found: dict[str, Any] = answer
    return found


def references(part: Any) -> set[str]:
    """Every `$ref` in a document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(references(value) for value in part))
    return set()


async def test_the_description_is_valid_and_refers_to_what_it_has(house: House) -> None:
    document = await described(house)
    Draft202012Validator(OPENAPI_31).validate(document)
    schemas = document["components"]["schemas"]
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    ids = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert len(ids) == len(set(ids))


async def test_the_description_says_where_it_is_and_how_to_get_in(house: House) -> None:
    document = await described(house)
    assert document["servers"] == [{"url": "/v1"}]
    secured = [o.get("security") for methods in document["paths"].values() for o in methods.values()]
    assert all(secured)


async def test_bounds_of_settings_are_described(house: House) -> None:
    window = (await described(house))["components"]["schemas"]["RecoverySetting"]["properties"]["window_days"]
    assert (window["minimum"], window["maximum"]) == (1, 60)


async def test_the_page_shows_every_operation_without_a_foreign_server(house: House) -> None:
    document = await described(house)
    async with house.http.get(f"{house.url}/v1/docs") as answer:
        html = await answer.text()
    assert answer.status == 200
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} /v1{path}</code>" in html
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', html)
    assert "<script" not in html
