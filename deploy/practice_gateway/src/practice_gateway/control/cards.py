"""Cards with a script, the network's account updater, and disputes."""

from practice_gateway.account import Account
from practice_gateway.billing import disputes
from practice_gateway.cards import saving
from practice_gateway.cards.catalogue import BY_NUMBER
from practice_gateway.cards.script import parse_script
from practice_gateway.control.request import Answer, Control, ControlError, ControlRoute
from practice_gateway.model import PaymentMethod
from practice_gateway.wire import View, render


async def create(control: Control) -> Answer:
    """POST /practice/cards: a card that is saved without a check, so that it may fail later."""
    account = control.account()
    control.only(
        "customer", "number", "script", "brand", "country", "funding", "exp_month", "exp_year", "default"
    )
    number = control.text("number") or "4242424242424242"
    behaviour = BY_NUMBER.get(number)
    if behaviour is None:
        message = f"{number} is not one of the test cards: {', '.join(BY_NUMBER)}"
        raise ControlError(message)
    script = parse_script(control.body["script"]) if "script" in control.body else None
    owner = account.customers.get(control.text("customer"))
    if control.text("customer") and owner is None:
        raise ControlError("no such customer", 404)
    month = int(control.number("exp_month", 12, 1, 12))
    year = int(control.number("exp_year", 2_038, 1_970, 9_999))
    act = control.gateway.itself(account)
    method = saving.new_card(act, behaviour, exp_month=month, exp_year=year, script=script)
    method.brand = control.text("brand") or method.brand
    method.country = control.text("country") or method.country
    method.funding = control.text("funding") or method.funding
    if owner is not None:
        saving.attach_unchecked(act, method, owner)
        if control.body.get("default"):
            before = act.look(owner)
            owner.default_payment_method = method.id
            act.emit_change("customer.updated", owner, before)
    return _show(control, account, method)


async def put_script(control: Control) -> Answer:
    """PUT /practice/cards/{id}/script {account, script}: how the card behaves from now on."""
    account, method = _card(control)
    control.only("script")
    method.script = parse_script(control.body.get("script"))
    return _show(control, account, method)


async def automatic_update(control: Control) -> Answer:
    """POST /practice/cards/{id}/automatic_update: the network sends a new expiry, or a new number."""
    account, method = _card(control)
    control.only("exp_month", "exp_year", "last4", "fingerprint", "script")
    script = parse_script(control.body["script"]) if "script" in control.body else method.script
    month = int(control.number("exp_month", method.exp_month, 1, 12))
    year = int(control.number("exp_year", method.exp_year, 1_970, 9_999))
    act = control.gateway.itself(account)
    before = act.look(method)
    method.exp_month, method.exp_year, method.script = month, year, script
    method.last4 = control.text("last4") or method.last4
    method.fingerprint = control.text("fingerprint") or method.fingerprint
    act.emit_change("payment_method.automatically_updated", method, before)
    return _show(control, account, method)


def _card(control: Control) -> tuple[Account, PaymentMethod]:
    account = control.account()
    method = account.payment_methods.get(control.path["id"])
    if method is None:
        raise ControlError("no such card", 404)
    return account, method


def _show(control: Control, account: Account, item: object) -> Answer:
    return render(item, View(account, account.version, control.gateway.origin))


async def dispute(control: Control) -> Answer:
    """POST /practice/disputes {account, charge, reason}."""
    account = control.account()
    control.only("charge", "reason")
    charge = account.charges.get(control.required("charge"))
    if charge is None:
        raise ControlError("no such charge", 404)
    if not charge.succeeded or charge.dispute is not None:
        raise ControlError("only a succeeded charge can be disputed, once", 409)
    act = control.gateway.itself(account)
    return _show(control, account, disputes.open_dispute(act, charge, control.text("reason") or "general"))


async def close_dispute(control: Control) -> Answer:
    """POST /practice/disputes/{id}/close {account, status: won|lost}."""
    account = control.account()
    control.only("status")
    found = account.disputes.get(control.path["id"])
    status = control.required("status")
    if found is None:
        raise ControlError("no such dispute", 404)
    if status not in ("won", "lost"):
        raise ControlError("status is won or lost")
    disputes.close_dispute(control.gateway.itself(account), found, status)
    return _show(control, account, found)


ROUTES: list[ControlRoute] = [
    ("POST", "/practice/cards", create),
    ("PUT", "/practice/cards/{id}/script", put_script),
    ("POST", "/practice/cards/{id}/automatic_update", automatic_update),
    ("POST", "/practice/disputes", dispute),
    ("POST", "/practice/disputes/{id}/close", close_dispute),
]
