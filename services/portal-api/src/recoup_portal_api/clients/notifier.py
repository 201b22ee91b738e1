"""What we ask the notifier: a sign-in mail, a preview."""

from typing import Any

from recoup_portal_api.clients.internal import Internal, Part, Refused, segment


class Preview(Part):
    """A message as it would be sent."""

    subject: str
    text: str
    html: str | None = None


class Notifier:
    """A client of the notifier's internal port. Every call may raise `CounterpartDown`."""

    def __init__(self, internal: Internal) -> None:
        self._internal = internal

    async def send_sign_in(
        self, merchant_id: str, *, customer_id: str, url: str, expires_in_minutes: int
    ) -> Refused | None:
        """Have a sign-in link mailed to a customer's address; nothing tells whether there is one."""
        body = {"customer_id": customer_id, "url": url, "expires_in_minutes": expires_in_minutes}
        path = f"/internal/merchants/{segment(merchant_id)}/sign-in-mails"
        answer = await self._internal.ask("POST", path, body)
        return answer if isinstance(answer, Refused) else None

    async def preview(self, merchant_id: str, wanted: dict[str, Any]) -> Preview | Refused:
        """Render a message with the merchant's wording and made-up data."""
        answer = await self._internal.ask(
            "POST", f"/internal/merchants/{segment(merchant_id)}/previews", wanted
        )
        return answer if isinstance(answer, Refused) else self._internal.read(Preview, answer)
