"""The composition root: the only module that knows all rooms."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from fastapi import APIRouter

from recoup_chassis import service
from recoup_chassis.http import HttpServer, callers_from
from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop, Part
from recoup_gateway_adapter.accounts import routes as accounts
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.card_sessions import routes as card_sessions
from recoup_gateway_adapter.card_sessions.loop import CardSessions
from recoup_gateway_adapter.charging import metrics as charging, routes as payments
from recoup_gateway_adapter.charging.loop import Charging
from recoup_gateway_adapter.charging.loop.collection import TakingOver
from recoup_gateway_adapter.config import Config
from recoup_gateway_adapter.facts import routes as facts
from recoup_gateway_adapter.facts.cursor import EventCursor
from recoup_gateway_adapter.facts.join import Joining
from recoup_gateway_adapter.facts.loop import Translation
from recoup_gateway_adapter.final_actions.loop import FinalActions
from recoup_gateway_adapter.gateways.stripe.client import Http, outgoing
from recoup_gateway_adapter.ingest.batches import Batches
from recoup_gateway_adapter.ingest.loop import IngestPort, prune
from recoup_gateway_adapter.ingest.routes import Ingest
from recoup_gateway_adapter.internal import internal_app
from recoup_gateway_adapter.subscriptions import SUBSCRIPTIONS
from recoup_gateway_adapter.work import metrics as work
from recoup_gateway_adapter.work.domain import Kind
from recoup_gateway_adapter.work.loop import Executor, Runner

NAME = "gateway-adapter"
CONNECTIONS = 24

LOOK_FOR_WEBHOOKS = timedelta(milliseconds=50)
WEBHOOKS_GATHER = timedelta(milliseconds=25)
"""Between two translations; our own ingest port wakes the next, so that the look is for what others let in."""
LOOK_FOR_JOINS = timedelta(milliseconds=200)


async def serve(config: Config) -> None:
    """Run the service until SIGTERM."""
    database = await service.connect(NAME, config, connections=CONNECTIONS)
    async with outgoing() as session:
        parts = parts_of(config, database, session)
        await service.serve(NAME, config, database, subscriptions=SUBSCRIPTIONS, parts=parts)


def parts_of(config: Config, database: Database, session: Http) -> Sequence[Part]:
    """Give what runs beside consumers and relay."""
    vault = Vault.parse(config.sealing_keys)
    doors = Doors(database, vault)
    translation = Translation(database)
    translating = Loop("translation", translation.once, every=LOOK_FOR_WEBHOOKS, apart=WEBHOOKS_GATHER)
    return [
        *_ingest(config, database, doors, translating.wake),
        translating,
        Loop("translation-measures", translation.measure, every=timedelta(seconds=5)),
        *_facts(config, database, vault, session),
        *_charging(config, database, vault, session),
        *_internal(config, database, vault, doors, session),
    ]


def _ingest(config: Config, database: Database, doors: Doors, stored: Callable[[], None]) -> list[Part]:
    batches = Batches(database, stored)
    server = HttpServer(Ingest(doors, batches), config.bind_address, config.ingest_port, "ingest")
    return [
        IngestPort(server, batches),
        Loop("webhooks-prune", lambda: prune(database), every=timedelta(minutes=5)),
    ]


def _facts(config: Config, database: Database, vault: Vault, session: Http) -> list[Part]:
    patience = timedelta(seconds=config.join_patience_seconds)
    joining = Joining(database, vault, session, patience)
    cursor = EventCursor(database, vault, session)
    return [
        Loop("joining", joining.once, every=LOOK_FOR_JOINS),
        Loop("event-cursor", cursor.once, every=timedelta(seconds=1)),
    ]


def _charging(config: Config, database: Database, vault: Vault, session: Http) -> list[Part]:
    executor = Executor(database, runners(database, vault, session), pace=config.pace)
    return [executor, work.watch(database), charging.watch(database)]


def runners(database: Database, vault: Vault, session: Http) -> dict[Kind, Runner]:
    """Give who does which kind of work on gateways."""
    return {
        Kind.ATTEMPT: Charging(database, vault, session).run,
        Kind.COLLECTION: TakingOver(database, vault, session).run,
        Kind.CARD_SESSION: CardSessions(database, vault, session).run,
        Kind.FINAL_ACTION: FinalActions(database, vault, session).run,
    }


def internal_routes(database: Database, vault: Vault, doors: Doors, session: Http) -> list[APIRouter]:
    """Give what our own services may ask."""
    sessions = CardSessions(database, vault, session)
    return [
        accounts.routes(database, vault, doors),
        facts.routes(database),
        payments.routes(database, vault, session),
        card_sessions.routes(database, vault, session, sessions.complete),
    ]


def _internal(config: Config, database: Database, vault: Vault, doors: Doors, session: Http) -> list[Part]:
    app = internal_app(
        callers_from(config.internal_callers), internal_routes(database, vault, doors, session)
    )
    return [HttpServer(app, config.bind_address, config.internal_port, "internal")]
