"""The style sheet and the script, under an address that changes with them."""

import hashlib
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

router = APIRouter()

_TYPES = {"portal.css": "text/css; charset=utf-8", "portal.js": "text/javascript; charset=utf-8"}
_FILES = {name: files("recoup_portal_api.customer").joinpath("static", name).read_bytes() for name in _TYPES}
_DIGEST = hashlib.sha256(b"".join(_FILES[name] for name in sorted(_FILES))).hexdigest()[:16]


def address(name: str) -> str:
    """Give the address of an asset."""
    return f"/static/{_DIGEST}/{name}"


@router.get("/static/{digest}/{name}")
async def asset(digest: str, name: str) -> Response:
    """Serve an asset; another release's page gets today's, but may not keep it."""
    if name not in _FILES:
        raise HTTPException(404)
    keep = "public, max-age=31536000, immutable" if digest == _DIGEST else "no-store"
    return Response(_FILES[name], media_type=_TYPES[name], headers={"Cache-Control": keep})


@router.get("/favicon.ico", status_code=204)
async def favicon() -> None:
    """Say that there is none, quietly."""
