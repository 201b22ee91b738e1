"""A database for each service on any server, with its roles: an owner that migrates, and the service's own.

The service's role owns nothing and can't bypass row security; a third one is for what answers HTTP. Roles and
databases carry a prefix where a server is shared, so that two runs don't meet.
"""

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg


@dataclass(frozen=True)
class Database:
    """One service's database. The DSNs hold passwords; the representation doesn't show them."""

    name: str
    app_role: str
    http_role: str
    owner_dsn: str = field(repr=False)
    app_dsn: str = field(repr=False)
    http_dsn: str = field(repr=False)


@dataclass
class Databases:
    """What one run has on one server: roles by service, and the databases made so far.

    Args:
        admin_dsn: of a superuser.
        prefix: of every name made here: empty on a server of one's own.
    """

    admin_dsn: str = field(repr=False)
    prefix: str = ""
    _passwords: dict[str, str] = field(default_factory=dict, repr=False)
    _made: list[str] = field(default_factory=list)

    async def create(self, service: str, name: str | None = None, template: str | None = None) -> Database:
        """Make an empty database of the service, or a copy of the template, and its roles if they are new.

        Args:
            service: its name as in `gateway-adapter`.
            name: of the database; the service's unless told.
            template: name of a database that nobody is connected to.
        """
        base = self.prefix + _identifier(service)
        owner, app, http = roles = (f"{base}_owner", f"{base}_app", f"{base}_http")
        name = name or base
        admin = await asyncpg.connect(self.admin_dsn)
        try:
            for role in roles:
                await self._role(admin, role)
            copy = f" TEMPLATE {template}" if template else ""
            await admin.execute(f"CREATE DATABASE {name} OWNER {owner}{copy}")
            self._made.append(name)
            await admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            await admin.execute(f"GRANT CONNECT ON DATABASE {name} TO {app}, {http}")
        finally:
            await admin.close()
        return Database(
            name,
            app,
            http,
            owner_dsn=self._dsn(owner, name),
            app_dsn=self._dsn(app, name),
            http_dsn=self._dsn(http, name),
        )

    async def drop(self, name: str) -> None:
        """Remove a database, cutting whoever is connected."""
        admin = await asyncpg.connect(self.admin_dsn)
        try:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            await admin.close()
        if name in self._made:
            self._made.remove(name)

    async def close(self) -> None:
        """Remove every database and role made here."""
        for name in reversed(self._made.copy()):
            await self.drop(name)
        admin = await asyncpg.connect(self.admin_dsn)
        try:
            for role in self._passwords:
                await admin.execute(f"DROP ROLE IF EXISTS {role}")
        finally:
            await admin.close()

    async def _role(self, admin: asyncpg.Connection, role: str) -> None:
        if role in self._passwords:
            return
        password = secrets.token_urlsafe(24)
        await admin.execute(
            f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS "
            f"PASSWORD '{password}'"
        )
        self._passwords[role] = password

    def _dsn(self, role: str, database: str) -> str:
        server = urlsplit(self.admin_dsn)
        place = server.netloc.rpartition("@")[2]
        login = f"{role}:{quote(self._passwords[role], safe='')}@{place}"
        return urlunsplit(server._replace(netloc=login, path=f"/{database}"))


def _identifier(service: str) -> str:
    """The service's name as SQL writes it, e.g. gateway_adapter."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", service):
        raise ValueError(f"{service!r} is no service: small letters, digits and hyphens, at most 31")
    return service.replace("-", "_")
