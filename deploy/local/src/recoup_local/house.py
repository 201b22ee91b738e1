"""The whole house on one machine: broker, databases, mail and the four services, each with its environment.

`make up`, the demo and the end-to-end tests open the same house. Every secret is made for the run and lives in
the environment of those who need it.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recoup_events.topics import PARTITIONS_ON_ONE_MACHINE, SETTINGS_CHANGED, TOPICS
from recoup_local import sources
from recoup_local.databases import Database
from recoup_local.kafka import Kafka
from recoup_local.mail.process import MailSink, start_mail
from recoup_local.ports import LOOPBACK, free_port
from recoup_local.postgres import Postgres
from recoup_local.practice import PracticeGateway, start_practice_gateway
from recoup_local.run import Run
from recoup_local.services import Service, run_command
from recoup_local.topics import behind, create_topics

ADAPTER, SCHEDULER, NOTIFIER, PORTAL = SERVICES = (
    "gateway-adapter",
    "retry-scheduler",
    "notifier",
    "portal-api",
)
KEY_ID = "local1"


def _thirty_two_bytes() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Ports:
    """Where everybody listens, chosen before anybody starts, for they are told of each other."""

    ops: Mapping[str, int]
    ingest: int
    adapter: int
    notifier: int
    portal: int
    practice: int

    @classmethod
    def choose(cls, services: Iterable[str] = SERVICES) -> "Ports":
        """Take free ones, none twice."""
        names = list(services)
        chosen: set[int] = set()
        while len(chosen) < len(names) + 5:
            chosen.add(free_port())
        ingest, adapter, notifier, portal, practice, *ops = chosen
        return cls(dict(zip(names, ops, strict=True)), ingest, adapter, notifier, portal, practice)


@dataclass(frozen=True)
class Secrets:
    """Made anew for each run."""

    internal: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    sealing: str = field(default_factory=_thirty_two_bytes, repr=False)
    portal: str = field(default_factory=_thirty_two_bytes, repr=False)
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)


@dataclass
class House:
    """What runs. Services are started by `start`, which a test may do for some of them only."""

    run: Run
    kafka: Kafka | sources.ExternalKafka
    postgres: Postgres | sources.ExternalPostgres
    databases: Mapping[str, Database]
    mail: MailSink
    ports: Ports
    environments: Mapping[str, Mapping[str, str]] = field(repr=False)
    services: dict[str, Service] = field(default_factory=dict)
    practice: PracticeGateway | None = None

    @property
    def portal_url(self) -> str:
        """The merchant API, its documentation below /docs, and the customer's pages."""
        return _url(self.ports.portal)

    @property
    def ingest_url(self) -> str:
        """Where gateways post webhooks."""
        return _url(self.ports.ingest)

    @property
    def gateway_url(self) -> str:
        """Where the portal lets a sandbox account's gateway be asked: at the practice gateway, or a proxy before it."""
        return self.environments[PORTAL]["GATEWAY_BASE_URLS"]

    async def start(self, *names: str) -> None:
        """Start services, all four unless named, and wait until each is ready."""
        for name in names or SERVICES:
            self.services[name] = Service(self.run, name, self.environments[name])
            self.services[name].launch()
        await asyncio.gather(*(self.services[name].ready() for name in names or SERVICES))

    async def start_practice(
        self, clock_url: str | None = None, clock_token: str | None = None
    ) -> PracticeGateway:
        """Start the practice gateway on the port that the portal lets a sandbox account name.

        Args:
            clock_url: where it reads its accounts' clock, usually the portal's `/v1/sandbox/clock`.
            clock_token: the API key of the sandbox merchant, for that.
        """
        self.practice = await start_practice_gateway(
            self.run, port=self.ports.practice, clock_url=clock_url, clock_token=clock_token
        )
        return self.practice

    async def settings_heard(self) -> bool:
        """Tell whether every service that runs has heard of every setting that was saved.

        Raises:
            AssertionError: not yet; it says who has not, and what is wrong with the services that aren't ready.
        """
        connection = await asyncpg.connect(self.databases[PORTAL].owner_dsn)
        try:
            waiting = await connection.fetchval(
                "SELECT count(*) FROM outbox WHERE topic = $1", SETTINGS_CHANGED.name
            )
        finally:
            await connection.close()
        prefix = self.environments[PORTAL]["KAFKA_TOPIC_PREFIX"]
        topic = SETTINGS_CHANGED.name
        deaf = await behind(
            self.kafka.bootstrap_servers,
            prefix + topic,
            [f"{prefix}{name}.{topic}" for name in {service.name for service in self.services.values()}],
            partitions=PARTITIONS_ON_ONE_MACHINE,
        )
        if waiting or deaf:
            wrong = {service.process_name: await service.problem() for service in self.services.values()}
            said = "; ".join(f"{name}: {problem}" for name, problem in wrong.items() if problem)
            msg = f"settings not heard by {deaf}, {waiting} not yet told; {said or 'all services are ready'}"
            raise AssertionError(msg)
        return True

    async def command(self, service: str, *arguments: str) -> str:
        """Run a command of a service in its environment, for instance `create-merchant`."""
        return await run_command(self.run, service, arguments, self.environments[service])


async def open_house(
    run: Run,
    *,
    services: Iterable[str] = SERVICES,
    brokers: int = 1,
    broker: Kafka | None = None,
    server: Postgres | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> House:
    """Bring up broker, databases, topics and mail, and migrate; services don't run yet. It ends with the run.

    Args:
        run: what everything belongs to.
        services: whose databases and environments are wanted.
        brokers: 1 or 3.
        broker: one that runs already, instead.
        server: a Postgres that runs already.
        say: is told each step.

    Raises:
        LocalError: a part doesn't start; the message says which and why.
    """
    names = list(services)
    say("starting Kafka, Postgres and mail")
    try:
        async with asyncio.TaskGroup() as together:
            kafka = together.create_task(_kafka(run, broker or brokers))
            postgres = together.create_task(_postgres(run, names, server))
            mail = together.create_task(start_mail(run))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    cluster, topic_prefix = kafka.result()
    database, made = postgres.result()
    ports = Ports.choose(names)
    shared = {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "KAFKA_PARTITIONS": str(PARTITIONS_ON_ONE_MACHINE),
    }
    own = environments(ports, Secrets(), mail.result(), made)
    complete = {name: shared | own[name] for name in names}
    return House(run, cluster, database, made, mail.result(), ports, complete)


async def _kafka(run: Run, wanted: Kafka | int) -> tuple[Kafka | sources.ExternalKafka, str]:
    """Give a broker with Recoup's topics, and their prefix: on a broker that others use, the run's own."""
    broker = wanted if isinstance(wanted, Kafka) else await sources.kafka(run, wanted)
    prefix = f"{run.id}." if isinstance(broker, sources.ExternalKafka) else ""
    topics = {prefix + name: topic.config() for name, topic in TOPICS.items()}
    await create_topics(broker.bootstrap_servers, topics, partitions=PARTITIONS_ON_ONE_MACHINE)
    return broker, prefix


async def _postgres(
    run: Run, services: Iterable[str], running: Postgres | None
) -> tuple[Postgres | sources.ExternalPostgres, dict[str, Database]]:
    """Give a server with a migrated database for each service."""
    server = running or await sources.postgres(run)
    databases = sources.databases(run, server)
    made = {name: await databases.create(name) for name in services}
    for name, database in made.items():  # one after the other: Kafka starts beside them
        await _migrate(run, name, database)
    return server, made


def environments(
    ports: Ports, own: Secrets, mail: MailSink, databases: Mapping[str, Database]
) -> dict[str, dict[str, str]]:
    """What each service is told, by service."""
    callers = f"{PORTAL}={own.internal}"
    public = b64encode(own.signing.public_key().public_bytes_raw()).decode()
    told = {
        ADAPTER: {
            "INGEST_PORT": str(ports.ingest),
            "INTERNAL_PORT": str(ports.adapter),
            "INTERNAL_CALLERS": callers,
            "SEALING_KEYS": f"{KEY_ID}={own.sealing}",
            "ACCOUNT_RATE": "100",  # the practice gateway sets no limit, and its merchants' days are short
        },
        SCHEDULER: {},
        NOTIFIER: {
            "INTERNAL_PORT": str(ports.notifier),
            "INTERNAL_CALLERS": callers,
            "SMTP_URL": mail.smtp_url,
            "MAIL_FROM": "billing@recoup.example",
            "PAY_LINK_SIGNING_KEY": f"{KEY_ID}={b64encode(own.signing.private_bytes_raw()).decode()}",
            "PORTAL_BASE_URL": _url(ports.portal),
        },
        PORTAL: {
            "HTTP_PORT": str(ports.portal),
            "PORTAL_BASE_URL": _url(ports.portal),
            "PORTAL_SECRET": own.portal,
            "PAY_LINK_PUBLIC_KEYS": f"{KEY_ID}={public}",
            "GATEWAY_ADAPTER_URL": _url(ports.adapter),
            "NOTIFIER_URL": _url(ports.notifier),
            "INTERNAL_SECRET": own.internal,
            "INGEST_BASE_URL": _url(ports.ingest),
            "GATEWAY_BASE_URLS": _url(ports.practice),
        },
    }
    for name, database in databases.items():
        told[name] |= {"DATABASE_URL": database.app_dsn, "OPS_PORT": str(ports.ops[name])}
    if PORTAL in databases:
        told[PORTAL]["HTTP_DATABASE_URL"] = databases[PORTAL].http_dsn
    return told


async def _migrate(run: Run, service: str, database: Database) -> None:
    environment = {
        "MIGRATION_DATABASE_URL": database.owner_dsn,
        "APP_ROLE": database.app_role,
        "HTTP_ROLE": database.http_role,
    }
    await run_command(run, service, ["migrate"], environment)


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
