"""This service's environment. Secrets and addresses have no default."""

from typing import Annotated

from pydantic import AfterValidator, Field

from recoup_chassis.config import Port, ServiceConfig
from recoup_chassis.http import callers_from
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.work.domain import AT_ONCE, BURST, RATE, Pace


def _callers(text: str) -> str:
    callers_from(text)
    return text


def _keys(text: str) -> str:
    Vault.parse(text)
    return text


class Config(ServiceConfig):
    """Frozen; see `ServiceConfig`."""

    ingest_port: Port = Field(description="where gateways post their webhooks")
    internal_port: Port = Field(description="where our own services ask")
    internal_callers: Annotated[str, AfterValidator(_callers)] = Field(
        min_length=1, repr=False, description="name=secret,… of those who may ask on the internal port"
    )
    sealing_keys: Annotated[str, AfterValidator(_keys)] = Field(
        min_length=1,
        repr=False,
        description="kid=base64(32 bytes),… the newest first; seals gateway secrets at rest",
    )
    join_patience_seconds: int = Field(
        default=86_400,
        ge=0,
        le=14 * 86_400,
        description="how long a gateway's silence is borne before a fact is told with what is known",
    )
    account_rate: float = Field(
        default=RATE,
        gt=0,
        le=1000,
        description="works a second on one gateway account, each up to five requests; stay below the gateway's limit",
    )

    @property
    def pace(self) -> Pace:
        """How fast one account may be asked; a second's worth may be under way, at least the standard."""
        return Pace(self.account_rate, max(self.account_rate, BURST), max(int(self.account_rate), AT_ONCE))
