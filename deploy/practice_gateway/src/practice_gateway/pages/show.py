"""Rendering of the hosted pages: escaped, without scripts, and nobody may frame them."""

from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, select_autoescape

HERE = Path(__file__).parent
STYLE = (HERE / "style.css").read_text()
HEADERS = {
    # form-action is left out: Chromium applies it to the redirect to the merchant's success_url too
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
ZERO_DECIMALS = ("jpy", "krw", "vnd", "clp")  # docs.stripe.com/currencies


def money(amount: int, currency: str) -> str:
    """Write minor units for a reader."""
    if currency in ZERO_DECIMALS:
        return f"{amount:,} {currency.upper()}"
    return f"{amount / 100:,.2f} {currency.upper()}"


_templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape())
_templates.filters["money"] = money


def page(template: str, status: int = 200, **values: Any) -> web.Response:
    """Answer with a page."""
    text = _templates.get_template(template).render(values)
    return web.Response(text=text, content_type="text/html", status=status, headers=HEADERS)


def notice(heading: str, text: str, *, status: int = 200) -> web.Response:
    """Answer with a page that only says something."""
    return page("notice.html", status, heading=heading, text=text)
