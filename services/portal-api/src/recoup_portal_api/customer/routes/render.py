"""Pages in the customer's language: templates, catalogue, amounts."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import parse_pattern
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from recoup_portal_api.customer import domain
from recoup_portal_api.customer.handlers import Face
from recoup_portal_api.customer.routes import assets
from recoup_portal_api.read_models.domain import amount

WORDS: dict[str, dict[str, str]] = {
    language: json.loads(
        files("recoup_portal_api.customer").joinpath("words", f"{language}.json").read_text()
    )
    for language in domain.LANGUAGES
}

_templates = Environment(
    loader=PackageLoader("recoup_portal_api.customer"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_BRANDS = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}


@dataclass(frozen=True)
class Link:
    """Where a page leads. `away`: to another house, in a window of its own."""

    href: str
    words: str
    away: bool = False


@dataclass(frozen=True)
class Page:
    """One answer's language, merchant and manner."""

    request: Request
    tag: str
    face: Face | None = None

    @property
    def language(self) -> str:
        """The catalogue's language."""
        return domain.language(self.tag) or domain.LANGUAGES[0]

    def say(self, key: str, **values: Any) -> str:
        """Give a sentence of the catalogue."""
        merchant = self.face.name if self.face else "Recoup"
        return WORDS[self.language][key].format(merchant=merchant, **values)

    def money(self, minor: int, currency: str) -> str:
        """Write an amount; no digit is dropped or invented (CLDR rounds some currencies, ISO 4217 does not)."""
        locale = self._locale()
        owed = amount(minor, currency)
        exponent = owed.as_tuple().exponent
        digits = -exponent if isinstance(exponent, int) else 0
        pattern = parse_pattern(locale.currency_formats["standard"].pattern)
        pattern.frac_prec = (digits, digits)
        written: str = pattern.apply(Decimal(owed), locale, currency=currency, currency_digits=False)
        return written

    def brand(self, name: str | None) -> str:
        """Write a card brand as it is written."""
        return _BRANDS.get((name or "").lower(), (name or "").replace("_", " ").title())

    def mails(self, contact: str) -> bool:
        """Tell whether the merchant's contact is a mail address and nothing else; then it can be pressed."""
        return re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", contact) is not None

    def _locale(self) -> Locale:
        for wanted in (self.tag, self.language):
            try:
                return Locale.parse(wanted, sep="-")
            except (UnknownLocaleError, ValueError):
                continue
        return Locale("en")

    def show(
        self, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any
    ) -> HTMLResponse:
        """Render a template."""
        html = _templates.get_template(template).render(
            page=self,
            t=self.say,
            money=self.money,
            face=self.face,
            nonce=self.request.state.nonce,
            css=assets.address("portal.css"),
            js=assets.address("portal.js"),
            **{"poll": 0, "links": (), **values},
        )
        return HTMLResponse(
            html, status, {"Content-Language": self.tag, "Vary": "Accept-Language", **(headers or {})}
        )

    def message(
        self,
        key: str,
        *,
        status: int = 200,
        mood: str = "calm",
        link: tuple[str, str] | None = None,
        poll: int = 0,
        **values: Any,
    ) -> HTMLResponse:
        """Show one heading and one sentence.

        Args:
            mood: `calm`, `good` or `bad`.
            link: where the reader may go, and the key of its words.
            poll: seconds after which the page looks again by itself; 0 for never.
        """
        headers = {"Retry-After": str(poll)} if poll and status >= 400 else None
        links = () if link is None else (Link(link[0], self.say(link[1])),)
        heading, text = (self.say(f"{key}.{part}", **values) for part in ("heading", "text"))
        return self.show(
            "message.html", status=status, headers=headers, heading=heading, text=text, mood=mood, links=links,
            poll=poll, notes=(), state=key,
        )  # fmt: skip
