"""The hosted pages. A GET never has an effect; whoever has the address may use the page."""

import time
import uuid
from urllib.parse import quote

from aiohttp import web

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.billing import collection, invoices, tries
from practice_gateway.cards import saving
from practice_gateway.gateway import Gateway
from practice_gateway.ids import new_id
from practice_gateway.model import CheckoutSession, Invoice, PaymentIntent, SetupIntent
from practice_gateway.pages import typed_card
from practice_gateway.pages.show import STYLE, money, notice, page


def install(app: web.Application, gateway: Gateway) -> None:
    """Put the pages under the application."""
    pages = Pages(gateway)
    app.router.add_get("/practice-style.css", _style)
    app.router.add_get("/c/pay/{id}", pages.checkout)
    app.router.add_post("/c/pay/{id}", pages.save_card)
    app.router.add_get("/i/{page}", pages.invoice)
    app.router.add_post("/i/{page}", pages.pay_invoice)
    app.router.add_get("/3ds/{intent}", pages.challenge)
    app.router.add_post("/3ds/{intent}", pages.answer_challenge)


async def _style(_: web.Request) -> web.Response:
    return web.Response(text=STYLE, content_type="text/css", headers={"Cache-Control": "max-age=3600"})


def _gone() -> web.Response:
    return notice("Nothing here", "This page has expired, or its address is wrong.", status=404)


class Pages:
    """Checkout, invoice and 3-D Secure pages of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def _act(self, account: Account) -> Act:
        """Return an act of a customer: its own request, with the key that the page's script would send."""
        return Act(self._gateway, account, "customer", new_id("req", 14), str(uuid.uuid4()))

    async def checkout(self, request: web.Request) -> web.Response:
        """Show the form for a new card."""
        account, session = self._gateway.sessions.get(request.match_info["id"], (None, None))
        if account is None or session is None or not _live(session):
            return _gone()
        return self._form(account, session)

    def _form(
        self, account: Account, session: CheckoutSession, error: str = "", typed: dict[str, str] | None = None
    ) -> web.Response:
        customer = account.customers.get(session.customer)
        return page(
            "checkout.html",
            402 if error else 200,
            action=f"/c/pay/{session.id}",  # this form is also shown in answer to the bank's page
            merchant=account.name,
            email=customer.email if customer else None,
            cancel_url=_safe_link(session.cancel_url),
            error=error,
            typed=typed or {},
        )

    async def save_card(self, request: web.Request) -> web.StreamResponse:
        """Check the card that was typed and keep it; then back to the merchant, or on to the bank."""
        form = await request.post()
        account, session = self._gateway.sessions.get(request.match_info["id"], (None, None))
        if account is None or session is None or not _live(session):
            return _gone()
        typed = {name: str(form.get(name, ""))[:100] for name in ("number", "expiry", "name")}
        match typed_card.read(form, account.clock.now()):
            case typed_card.Mistake(text):
                return self._form(account, session, text, typed)
            case typed_card.TypedCard(behaviour, month, year, name):
                act = self._act(account)
                method = saving.new_card(
                    act, behaviour, exp_month=month, exp_year=year, billing_details={"name": name}
                )
                setup = account.setup_intents[session.setup_intent]
                return self._after_setup(act, session, setup, saving.confirm(act, setup, method), typed)

    def _after_setup(
        self,
        act: Act,
        session: CheckoutSession,
        setup: SetupIntent,
        result: saving.Result,
        typed: dict[str, str] | None = None,
    ) -> web.StreamResponse:
        match result:
            case saving.Saved():
                saving.complete(act, session)
                return _redirect(session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id))
            case saving.ActionRequired():
                return _redirect(f"/3ds/{setup.id}")
            case saving.Refused(decline):
                return self._form(act.account, session, decline.message, typed)

    async def invoice(self, request: web.Request) -> web.Response:
        """Show an invoice and the ways to settle it."""
        account, invoice = self._gateway.pages.get(request.match_info["page"], (None, None))
        if account is None or invoice is None or invoice.finalized_at is None:
            return _gone()
        return self._invoice_page(account, invoice)

    def _invoice_page(self, account: Account, invoice: Invoice, error: str = "") -> web.Response:
        intent = invoices.intent_of(account, invoice)
        waiting = intent is not None and intent.status == "requires_action"
        return page(
            "invoice.html",
            402 if error else 200,
            action=f"/i/{invoice.page}",
            merchant=account.name,
            invoice=invoice,
            amount=money(invoice.amount_due, invoice.currency),
            payable=invoice.status in ("open", "uncollectible"),
            challenge=f"/3ds/{intent.id}" if intent is not None and waiting else None,
            card=invoices.method_of(account, invoice),
            error=error,
        )

    async def pay_invoice(self, request: web.Request) -> web.StreamResponse:
        """Charge the stored card with its holder present."""
        account, invoice = self._gateway.pages.get(request.match_info["page"], (None, None))
        if account is None or invoice is None or invoice.finalized_at is None:
            return _gone()
        outcome = await collection.collect(self._act(account), invoice, off_session=False)
        return self._after_payment(account, invoice, outcome)

    def _after_payment(
        self, account: Account, invoice: Invoice, outcome: collection.Outcome
    ) -> web.StreamResponse:
        match outcome:
            case tries.Captured() | collection.NotPayable():
                return _redirect(f"/i/{invoice.page}")
            case tries.ActionRequired():
                return _redirect(f"/3ds/{invoice.payment_intent}")
            case tries.Refused(decline, _):
                return self._invoice_page(account, invoice, decline.message)
            case collection.NoCard():
                return self._invoice_page(account, invoice, "There is no card to charge.")

    def _waiting(self, identifier: str) -> tuple[Account, PaymentIntent | SetupIntent] | None:
        for account in self._gateway.accounts.values():
            found = account.payment_intents.get(identifier) or account.setup_intents.get(identifier)
            if found is not None and found.status == "requires_action":
                return account, found
        return None

    async def challenge(self, request: web.Request) -> web.Response:
        """Show the bank's question."""
        found = self._waiting(request.match_info["intent"])
        if found is None:
            return _gone()
        account, intent = found
        purpose = "that your card is saved"
        if isinstance(intent, PaymentIntent):
            purpose = f"a payment of {money(intent.amount, intent.currency)}"
        return page("challenge.html", merchant=account.name, purpose=purpose, action=f"/3ds/{intent.id}")

    async def answer_challenge(self, request: web.Request) -> web.StreamResponse:
        """Take the cardholder's answer: anything but "pass" is a failure."""
        passed = (await request.post()).get("answer") == "pass"
        found = self._waiting(request.match_info["intent"])
        if found is None:
            return _gone()
        account, intent = found
        act = self._act(account)
        if isinstance(intent, SetupIntent):
            return self._after_setup_challenge(act, intent, passed=passed)
        invoice = account.invoices.get(intent.invoice)
        if invoice is not None:
            outcome = await collection.authenticate(act, invoice, passed=passed)
            return self._after_payment(account, invoice, outcome)
        return await self._after_plain_challenge(act, intent, passed=passed)

    def _after_setup_challenge(self, act: Act, setup: SetupIntent, *, passed: bool) -> web.StreamResponse:
        session = next(
            (item for item in act.account.sessions.newest_first() if item.setup_intent == setup.id), None
        )
        result = saving.authenticate(act, setup, passed=passed)
        if session is not None and session.status == "open":
            return self._after_setup(act, session, setup, result)
        words = "Your card is saved." if isinstance(result, saving.Saved) else "Your card was not saved."
        return notice("3-D Secure", words)

    async def _after_plain_challenge(
        self, act: Act, intent: PaymentIntent, *, passed: bool
    ) -> web.StreamResponse:
        async with intent.lock:
            method = act.account.payment_methods.get(intent.candidate)
            if method is None or intent.status != "requires_action":
                return _gone()
            if passed:
                await tries.take(act, intent, method, off_session=False, authenticated=True)
            else:
                tries.refuse_authentication(act, intent)
        words = "Your payment went through." if intent.status == "succeeded" else "Your payment was refused."
        return notice("3-D Secure", words)


def _live(session: CheckoutSession) -> bool:
    return session.status == "open" and time.time() < session.expires_real


def _redirect(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": quote(url, safe=":/?#[]@!$&'()*+,;=%-._~")})


def _safe_link(url: str | None) -> str | None:
    """Return a link only if a click on it can run no script."""
    return url if url is not None and url.startswith(("http://", "https://")) else None
