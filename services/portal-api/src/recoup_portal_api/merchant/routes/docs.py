"""The API's own documentation, from its OpenAPI description, without any script or foreign server."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

router = APIRouter(include_in_schema=False)

_templates = Environment(
    loader=PackageLoader("recoup_portal_api.merchant"), autoescape=True, undefined=StrictUndefined
)


@router.get("/docs", response_class=HTMLResponse)
async def page(request: Request) -> HTMLResponse:
    """Show every operation with its parameters, bodies and bounds."""
    described: dict[str, Any] = request.app.openapi()
    operations = [
        {"path": f"/v1{path}", "method": method.upper(), **operation}
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = described["components"]["schemas"]
    html = _templates.get_template("docs.html").render(
        info=described["info"],
        operations=operations,
        schemas=schemas,
        fields_of=lambda schema: fields(schema, schemas),
        in_words=in_words,
        stylesheet=request.app.state.stylesheet,
    )
    return HTMLResponse(html)


def fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    """List a schema's fields: name, type in words, whether it must be given, bounds, default."""
    target = schemas.get(name_of(schema), schema)
    needed = set(target.get("required", ()))
    return [
        {"name": name, "type": in_words(field), "needed": name in needed, **_bounds(field)}
        for name, field in target.get("properties", {}).items()
    ]


def name_of(schema: dict[str, Any]) -> str:
    """Give the name of the schema that this one refers to, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def in_words(schema: dict[str, Any]) -> str:
    """Say a schema's type in a few words."""
    if "$ref" in schema:
        return name_of(schema)
    if "anyOf" in schema:
        return " or ".join(in_words(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {in_words(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


_BOUNDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "maxItems", "pattern",
)  # fmt: skip


def _bounds(schema: dict[str, Any]) -> dict[str, Any]:
    found = {
        key: value
        for one in (schema, *schema.get("anyOf", ()), schema.get("items", {}))
        for key, value in one.items()
        if key in _BOUNDS
    }
    return {"bounds": found, "default": schema.get("default")}
