"""Who is measured: Recoup's own timers and its peers, each with its versions, settings and statements.

Promise: every peer is started from its own published package, at its defaults or as its documentation advises;
what a setting changes is named, and all run on the same Postgres with the same durability.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recoup_chassis.queries import Queries

HERE = Path(__file__).parent
_sql = Queries((HERE / "timers.sql").read_text())


@dataclass(frozen=True)
class Setting:
    """One way to run a contestant.

    Args:
        name: `default` or `tuned`.
        options: for its worker.
        why: what they are and where they come from.
        lasting: the options for the scene of a worker killed; none when it is not run there.
        warm_up: timers it drains before it is measured; none where that would take minutes.
    """

    name: str
    options: Sequence[str]
    why: str
    lasting: Sequence[str] | None = None
    lasting_why: str = ""
    warm_up: int = 2000


@dataclass(frozen=True)
class Contestant:
    """A scheduler of timers on Postgres.

    Args:
        key: of its statements in timers.sql.
        table: where its timers are.
        work: the command of its worker, before the file of fires and its name.
        migrate: the command that makes its schema; none where the bench does.
    """

    key: str
    table: str
    name: str
    versions: Mapping[str, str]
    work: Sequence[str]
    settings: Sequence[Setting]
    migrate: Sequence[str] | None = None
    remarks: Sequence[str] = field(default_factory=tuple)

    @property
    def arm(self) -> str:
        """The statement that inserts timers."""
        return _sql.by_name[f"arm_{self.key}"]

    @property
    def open(self) -> str:
        """The statement that gives what is not durably done."""
        return _sql.by_name[f"open_{self.key}"]


HOLD_CUSTOMERS = _sql.hold_recoup


def recoup() -> Contestant:
    """Recoup: there is nothing to tune, so its two settings are what the handler does."""
    return Contestant(
        "recoup",
        "timers",
        "Recoup",
        {},
        [sys.executable, str(HERE / "recoup" / "worker.py")],
        [
            Setting(
                "no-op", ["mode=noop"], "the chassis as it is; the handler appends and no more, as the peers'",
                lasting=["mode=noop"],
            ),
            Setting(
                "command in the outbox", ["mode=announce"],
                "as retry-scheduler: a command for each timer is durable in the outbox before it counts as fired",
            ),
        ],
    )  # fmt: skip


def river(installed: Path) -> Contestant:
    """River, in Go."""
    required = dict(re.findall(r"^\s+(\S+) v(\S+)$", (HERE / "river" / "go.mod").read_text(), re.MULTILINE))
    return Contestant(
        "river",
        "river_job",
        "River",
        {"River": required["github.com/riverqueue/river"], "pgx": required["github.com/jackc/pgx/v5"]},
        [str(installed / "river"), "work"],
        [
            Setting(
                "default", [], "MaxWorkers 100, which must be given: the example of its documentation",
                lasting=[],
                lasting_why="jobs are rescued after 1 h, looked for every 30 s",
            ),
            Setting(
                "tuned", ["workers=2000", "cooldown=2", "poll=20"],
                "MaxWorkers 2000, FetchCooldown 2 ms, FetchPollInterval 20 ms: documented ranges, our choice",
                lasting=["timeout=5", "rescue=10"],
                lasting_why="JobTimeout 5 s, RescueStuckJobsAfter 10 s (must exceed it); looked for every 30 s, fixed",
            ),
        ],
        migrate=[str(installed / "river"), "migrate"],
    )  # fmt: skip


def db_scheduler(installed: Path) -> Contestant:
    """db-scheduler, in Java."""
    pom = (HERE / "db_scheduler" / "pom.xml").read_text()
    required = dict(re.findall(r"<artifactId>([^<]+)</artifactId><version>([^<]+)</version>", pom))
    path = f"{installed / 'db_scheduler' / 'classes'}:{(installed / 'db_scheduler' / 'classpath').read_text().strip()}"
    return Contestant(
        "db_scheduler",
        "scheduled_tasks",
        "db-scheduler",
        {"db-scheduler": required["db-scheduler"], "pgjdbc": required["postgresql"]},
        ["java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", path, "Worker"],
        [
            Setting(
                "default", [], "10 threads, polling every 10 s by fetch",
                warm_up=500,
                lasting=[],
                lasting_why="dead after 6 heartbeats of 5 min missed",
            ),
            Setting(
                "tuned", ["threads=20", "lower=4.0", "upper=20.0", "poll=20"],
                "20 threads, lock-and-fetch 4.0/20.0 (of its own benchmarks), polling every 20 ms (our choice)",
                lasting=["threads=20", "poll=20", "lower=0.5", "upper=1.0", "heartbeat=1000", "missed=4"],
                lasting_why="heartbeat every 1 s, dead after 4 missed, fewer are refused",
            ),
        ],
    )  # fmt: skip


def pg_boss(installed: Path) -> Contestant:
    """pg-boss, in JavaScript."""
    required = json.loads((HERE / "pg_boss" / "package.json").read_text())["dependencies"]
    worker = [
        (installed / "pg_boss" / "node").read_text().strip(),
        str(installed / "pg_boss" / "worker.mjs"),
    ]
    return Contestant(
        "pg_boss",
        "pgboss.job",
        "pg-boss",
        required,
        [*worker, "work"],
        [
            Setting(
                "default", [], "one job every 2 s",
                warm_up=0,
                lasting=[],
                lasting_why="jobs expire after 15 min, looked for every 60 s",
            ),
            Setting(
                "tuned", ["pollingIntervalSeconds=0.5", "batchSize=1000", "burstWhenBatchFull=1"],
                "pollingIntervalSeconds 0.5, the lowest it takes, batchSize 1000, burstWhenBatchFull",
                lasting=[
                    "pollingIntervalSeconds=0.5", "batchSize=100", "burstWhenBatchFull=1", "expireInSeconds=5",
                    "monitorIntervalSeconds=1", "superviseIntervalSeconds=1",
                ],
                lasting_why="expireInSeconds 5 (which bounds how long any job may run), looked for every second",
            ),
        ],
        migrate=[*worker, "migrate"],
    )  # fmt: skip


def procrastinate(installed: Path) -> Contestant:
    """Procrastinate, in Python."""
    lines = (HERE / "procrastinate" / "requirements.txt").read_text().split()
    required = dict(line.split("==") for line in lines)
    worker = [
        str(installed / "venv" / "bin" / "python"),
        str(HERE / "procrastinate" / "worker.py"),
    ]
    return Contestant(
        "procrastinate",
        "procrastinate_jobs",
        "Procrastinate",
        {name.partition("[")[0]: version for name, version in required.items()},
        [*worker, "work"],
        [
            Setting(
                "default", [], "one job at a time, polling every 5 s",
                warm_up=0,
                lasting=[],
                lasting_why="jobs of dead workers stay until a task of one's own retries them",
            ),
            Setting(
                "tuned", ["concurrency=30", "poll=0.02", "delete=1"],
                "concurrency 30, fetch_job_polling_interval 20 ms, delete_jobs successful",
                warm_up=0,
                lasting=["concurrency=30", "poll=0.02", "heartbeat=1", "stalled=4"],
                lasting_why="heartbeat every 1 s; those stalled for 4 s are retried every second, as its guide shows",
            ),
        ],
        migrate=[*worker, "migrate"],
        remarks=["Nothing indexes when Procrastinate's jobs are due: each fetch passes over all that are pending."],
    )  # fmt: skip
