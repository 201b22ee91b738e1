"""This service's environment. Secrets and addresses have no default."""

from typing import Annotated

from pydantic import AfterValidator, Field

from recoup_chassis.config import Port, ServiceConfig
from recoup_chassis.http import callers_from
from recoup_gateway_adapter.accounts.sealing import Vault


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
