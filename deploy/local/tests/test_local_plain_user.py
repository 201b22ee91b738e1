"""Everything starts for a plain user too, below a directory that is only theirs."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest

from recoup_local import jars

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
NOBODY = "nobody"
START_AND_STOP = """
import asyncio, os
import asyncpg
from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.run import Run
from recoup_local.topics import create_topics

async def main():
    async with Run() as run:
        kafka, postgres = await asyncio.gather(Kafka.start(run), Postgres.start(run))
        await create_topics(kafka.bootstrap_servers, {"topic": {}})
        await postgres.crash()
        await postgres.restart()
        connection = await asyncpg.connect(postgres.admin_dsn)
        print(os.geteuid(), await connection.fetchval("SELECT 40 + 2"))
        await connection.close()

asyncio.run(main())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of nobody, with Kafka's jars in its cache."""
    place = Path(mkdtemp(prefix="recoup-home-"))  # tmp_path is below a directory that only root may enter
    cache = Path(jars.classpath().split(os.pathsep)[0]).parent
    shutil.copytree(cache, place / "recoup" / cache.name)
    nobody = pwd.getpwnam(NOBODY)
    for path in (place, *place.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    yield place
    shutil.rmtree(place)


def interpreter(home: Path) -> str | None:
    """A Python that nobody can run and that has our packages."""
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(minor, path="/usr/local/bin:/usr/bin")):
        with suppress(PermissionError):
            if candidate and as_nobody(candidate, "import recoup_local, asyncpg", home).returncode == 0:
                return candidate
    return None


def as_nobody(python: str, program: str, home: Path) -> "subprocess.CompletedProcess[str]":
    source = Path(jars.__file__).parents[1]
    return subprocess.run(
        [python, "-c", program],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home),
            "RECOUP_STATE": str(home / "state"),
            "PYTHONPATH": os.pathsep.join([str(source), *filter(None, sys.path)]),
        },
        cwd="/",
        user=NOBODY,
        group=pwd.getpwnam(NOBODY).pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="already a plain user: every other test shows it")
def test_kafka_and_postgres_start_for_a_plain_user(home: Path) -> None:
    python = interpreter(home)
    if python is None:
        pytest.skip("this Python and its packages are out of reach of `nobody`")
    told = as_nobody(python, START_AND_STOP, home)
    assert told.stdout.split() == [str(pwd.getpwnam(NOBODY).pw_uid), "42"], told.stderr
    left = [path.name for path in (home / "state").glob("*/*")]
    assert left == ["logs"]
