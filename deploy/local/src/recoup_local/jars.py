"""Kafka's jars: named and hashed in kafka-jars.json, fetched once, checked at every start.

The lock says which files make up the broker (coordinates and SHA-256, no address). jgo resolves and fetches
them in pure Python, so neither Maven nor a container is needed. A file whose hash differs is refused.
`make lock-kafka` resolves the lock anew.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jgo import resolve
from jgo.maven import MavenContext

from recoup_local.state import LocalError, state_directory

LOCK = Path(__file__).with_name("kafka-jars.json")
# slf4j-simple writes what Kafka warns of to stderr: a broker that won't start says why. 1.7 is Kafka's API.
ROOTS = ("org.apache.kafka:kafka_2.13:4.3.0", "org.slf4j:slf4j-simple:1.7.36")
FETCH_TIMEOUT = 60  # seconds without a byte
FETCHERS = 6  # files at a time


@dataclass(frozen=True)
class Jar:
    """One file of the broker."""

    coordinate: str  # group:artifact:version
    sha256: str  # hex

    @property
    def file(self) -> str:
        """Its name in the cache."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def locked(lock: Path = LOCK) -> tuple[Jar, ...]:
    """The files that make up the broker."""
    return tuple(Jar(coordinate, sha256) for coordinate, sha256 in json.loads(lock.read_text()).items())


def classpath(lock: Path = LOCK, cache: Path | None = None) -> str:
    """Java's class path of Kafka, every file checked; fetched first if the cache has none (44 MB, once).

    Args:
        lock: names and hashes.
        cache: where the jars of this lock rest; below the user's cache directory unless told.

    Raises:
        LocalError: a file's hash differs from the lock's, or it can't be fetched.
    """
    jars = locked(lock)
    home = cache or cache_home() / f"kafka-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not home.is_dir():
        fetch(jars, home)
    verify(jars, home)
    return os.pathsep.join(str(home / jar.file) for jar in jars)


def verify(jars: tuple[Jar, ...], home: Path) -> None:
    """Refuse a cache in which a file is missing or is not the locked one."""
    for jar in jars:
        path = home / jar.file
        if not path.is_file():
            raise LocalError(f"{path} is missing; remove {home} and start again")
        if (found := sha256(path)) != jar.sha256:
            raise LocalError(
                f"{path} is not the file in the lock (SHA-256 {found}, locked {jar.sha256}): refused. "
                f"Remove {home} and start again; if it comes back, the repository serves another file."
            )


def fetch(jars: tuple[Jar, ...], home: Path) -> None:
    """Fill the cache in one step, so that a fetch cut short, or another run's, is never half seen."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as scratch:
        ready = Path(scratch) / "ready"
        ready.mkdir()
        context = _context(Path(scratch) / "repository")
        with ThreadPoolExecutor(FETCHERS) as fetchers:
            for jar, path in zip(jars, fetchers.map(lambda jar: _fetch(context, jar), jars), strict=True):
                shutil.move(path, ready / jar.file)
        verify(jars, ready)
        try:
            ready.rename(home)
        except OSError:
            if not home.is_dir():  # else another run was faster; its files are checked like ours
                raise


def relock(lock: Path = LOCK, roots: tuple[str, ...] = ROOTS) -> None:
    """Resolve the roots again and write what they need, with its hashes, into the lock."""
    logging.getLogger("jgo").setLevel(logging.ERROR)
    needed = [
        f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        for artifact in resolve("+".join(roots), repositories=_repositories())
    ]
    with tempfile.TemporaryDirectory() as scratch:
        context = _context(Path(scratch))
        with ThreadPoolExecutor(FETCHERS) as fetchers:
            hashes = fetchers.map(lambda coordinate: sha256(_fetch(context, Jar(coordinate, ""))), needed)
            found = dict(zip(needed, hashes, strict=True))
    lock.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def cache_home() -> Path:
    """Where the jars outlive a run: the user's cache directory, or the state directory if that can't be."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recoup"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return state_directory() / "cache"
    return home if os.access(home, os.W_OK) else state_directory() / "cache"


def sha256(path: Path) -> str:
    """The file's SHA-256, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _context(repository: Path) -> MavenContext:
    return MavenContext(repo_cache=repository, remote_repos=_repositories(), timeout=FETCH_TIMEOUT)


def _repositories() -> dict[str, str] | None:
    """Where jars come from: jgo's default, or the mirror that RECOUP_MAVEN_REPOSITORY names."""
    mirror = os.environ.get("RECOUP_MAVEN_REPOSITORY")
    return {"central": mirror} if mirror else None


def _fetch(context: MavenContext, jar: Jar) -> Path:
    group, artifact, version = jar.coordinate.split(":")
    try:
        return Path(context.project(group, artifact).at_version(version).artifact().resolve())
    except (OSError, RuntimeError) as error:
        raise LocalError(
            f"can't fetch {jar.coordinate} ({error}). Behind a mirror, name it in RECOUP_MAVEN_REPOSITORY; "
            "or use a broker you have: KAFKA_BOOTSTRAP_SERVERS."
        ) from error


def main() -> None:
    """Entry of `make lock-kafka`."""
    relock()
    print(f"{LOCK.name}: {len(locked())} files")


if __name__ == "__main__":
    main()
