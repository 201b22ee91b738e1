"""What merchants chose for their mails, in Postgres."""

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from recoup_chassis.errors import Unprocessable
from recoup_chassis.postgres import Tx
from recoup_chassis.queries import load
from recoup_chassis.telemetry import log
from recoup_events.models import SettingsChanged
from recoup_events.settings import MailSetting, MerchantSetting, Setting
from recoup_notifier.compose.domain import Sender

sql = load(__package__)

_KEPT: dict[str, type[Setting]] = {"merchant": MerchantSetting, "mail": MailSetting}


@dataclass(frozen=True)
class Merchant:
    """A merchant as mails need it."""

    sender: Sender
    merchant: MerchantSetting
    mail: MailSetting


async def save(tx: Tx, event: SettingsChanged) -> None:
    """Keep a setting that mails need, none of the others; a lower version changes nothing.

    Raises:
        Unprocessable: its value is out of bounds.
    """
    model = _KEPT.get(event.setting)
    if model is None:
        return
    try:
        model.model_validate(event.value, extra="ignore")
    except ValidationError as wrong:
        raise Unprocessable(
            "setting", f"{event.setting}: {wrong.error_count()} fields out of bounds"
        ) from None
    await tx.execute(sql.save_setting, event.merchant_id, event.setting, event.version, event.value)


async def forget(tx: Tx, merchant_id: str, setting: str) -> None:
    """Delete a setting. Safe to repeat."""
    await tx.execute(sql.forget_setting, merchant_id, setting)


async def merchants(tx: Tx, merchant_ids: Iterable[str]) -> dict[str, Merchant]:
    """Give the merchants that are known; one without a mail setting has the defaults."""
    found: dict[str, dict[str, object]] = {}
    for row in await tx.fetch(sql.settings_of, sorted(set(merchant_ids))):
        found.setdefault(row["merchant_id"], {})[row["setting"]] = row["value"]
    return {
        merchant_id: _merchant(merchant_id, values["merchant"], values.get("mail", {}))
        for merchant_id, values in found.items()
        if "merchant" in values
    }


def _merchant(merchant_id: str, merchant: object, mail: object) -> Merchant:
    about = MerchantSetting.model_validate(merchant, extra="ignore")
    try:
        setting = MailSetting.model_validate(mail, extra="ignore")
    except (
        ValidationError
    ) as wrong:  # kept by a release with other bounds; one merchant must not stop the others
        log.error("mail_setting.unreadable", merchant=merchant_id, fields=wrong.error_count())
        setting = MailSetting()
    return Merchant(sender_of(merchant_id, about, setting), about, setting)


def sender_of(merchant_id: str, merchant: MerchantSetting, mail: MailSetting) -> Sender:
    """Give the merchant as a mail shows them; who names no contact is reached at the sender's address."""
    return Sender(
        merchant_id=merchant_id,
        name=mail.sender_name or merchant.name,
        zone=ZoneInfo(merchant.timezone),
        contact=" ".join((mail.contact or mail.sender_address or "").split()) or None,
        privacy_url=mail.privacy_url,
    )
