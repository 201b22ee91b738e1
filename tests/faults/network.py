"""A house whose every edge leads through a proxy."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from recoup_local.house import NOTIFIER, PORTAL, SERVICES, House, open_house
from recoup_local.kafka import Kafka
from recoup_local.ports import LOOPBACK, free_port
from recoup_local.run import Run

from .proxy import Proxy

BROKER, GATEWAY, INGEST, MAIL = "broker", "gateway", "ingest port", "mail server"
EDGES = (BROKER, GATEWAY, INGEST, MAIL, *SERVICES)
"""A service's name is the edge to its database."""


@dataclass
class Network:
    """The proxies, by edge."""

    proxies: Mapping[str, Proxy]

    def url(self, edge: str, original: str) -> str:
        """Lead a URL through the edge's proxy."""
        parts = urlsplit(original)
        login = parts.netloc.rpartition("@")[0]
        place = f"{LOOPBACK}:{self.proxies[edge].port}"
        return urlunsplit(parts._replace(netloc=f"{login}@{place}" if login else place))


@asynccontextmanager
async def network() -> AsyncIterator[Network]:
    """Start a proxy for each edge; where they lead is told them later."""
    proxies = {edge: await Proxy().start() for edge in EDGES}
    try:
        yield Network(proxies)
    finally:
        for proxy in proxies.values():
            await proxy.close()


async def broker_behind(run: Run, proxy: Proxy) -> Kafka:
    """Start a broker that sends its clients through the proxy."""

    chosen: list[int] = []

    def port() -> int:
        chosen.append(free_port())
        if len(chosen) % 2:  # the clients' port is chosen before the controller's
            proxy.upstream = chosen[-1]
        return chosen[-1]

    return await Kafka.start(
        run, port=port, overrides={"advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{proxy.port}"}
    )


def led_through(house: House, net: Network) -> House:
    """Tell every service the proxies' ports instead of the real ones."""
    real = {
        GATEWAY: house.ports.practice,
        INGEST: house.ports.ingest,
        MAIL: house.mail.smtp_port,
        **{name: urlsplit(house.databases[name].app_dsn).port or 0 for name in SERVICES},
    }
    for edge, port in real.items():
        net.proxies[edge].upstream = port
    told = {name: dict(environment) for name, environment in house.environments.items()}
    for name, environment in told.items():
        environment["KAFKA_BOOTSTRAP_SERVERS"] = f"{LOOPBACK}:{net.proxies[BROKER].port}"
        environment["DATABASE_URL"] = net.url(name, environment["DATABASE_URL"])
    told[PORTAL]["HTTP_DATABASE_URL"] = net.url(PORTAL, told[PORTAL]["HTTP_DATABASE_URL"])
    told[PORTAL]["GATEWAY_BASE_URLS"] = net.url(GATEWAY, told[PORTAL]["GATEWAY_BASE_URLS"])
    told[PORTAL]["INGEST_BASE_URL"] = net.url(INGEST, told[PORTAL]["INGEST_BASE_URL"])
    told[NOTIFIER]["SMTP_URL"] = net.url(MAIL, told[NOTIFIER]["SMTP_URL"])
    return replace(house, environments=told)


@asynccontextmanager
async def house_behind_proxies() -> AsyncIterator[tuple[House, Network]]:
    """Open a house of its own; its services do not run yet."""
    async with network() as net, Run() as run:
        broker = await broker_behind(run, net.proxies[BROKER])
        yield led_through(await open_house(run, broker=broker), net), net
