"""A service's environment, read once, frozen; what is missing or bad is told in one sentence a variable."""

import os
import sys
from collections.abc import Mapping
from typing import Annotated, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Port = Annotated[int, Field(ge=0, le=65_535)]
"""A TCP port; 0 takes a free one."""


class ServiceConfig(BaseModel):
    """What every service needs. Each field is the environment variable of its name in upper case."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: str = Field(
        pattern=r"^postgres(ql)?://", description="the service's own database, as its app role"
    )
    kafka_bootstrap_servers: str = Field(min_length=1, description="host:port, several with commas")
    kafka_topic_prefix: str = Field(default="", description="put before every topic's name")
    kafka_partitions: int = Field(default=12, ge=1, le=1024, description="permanent for a cluster")
    refusals_a_minute: int = Field(
        default=20,
        ge=0,
        le=1_000_000,
        description="refusals by handlers that a topic bears; one more stops it",
    )
    bind_address: str = Field(
        default="127.0.0.1", description="where the ports listen; 0.0.0.0 in a container"
    )
    ops_port: Port = Field(description="/livez, /readyz and /metrics")
    replica: str = Field(
        default="0", min_length=1, description="this replica's name, stable over its restarts"
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="how much is logged"
    )


Config = TypeVar("Config", bound=BaseModel)


def read(model: type[Config], environ: Mapping[str, str] = os.environ) -> Config:
    """Read a config, or stop the program (exit 2) with one sentence for each variable that is missing or bad."""
    given = {name: environ[name.upper()] for name in model.model_fields if environ.get(name.upper())}
    try:
        return model.model_validate(given)
    except ValidationError as wrong:
        _refuse(model, wrong)


def _refuse(model: type[BaseModel], wrong: ValidationError) -> NoReturn:
    for error in wrong.errors(include_url=False, include_input=False):
        name = str(error["loc"][0]) if error["loc"] else ""
        about = model.model_fields[name].description if name in model.model_fields else ""
        what = "is missing" if error["type"] == "missing" else f"is not valid ({error['msg']})"
        sys.stderr.write(f"{name.upper()} {what}: {about}.\n")
    raise SystemExit(2)
