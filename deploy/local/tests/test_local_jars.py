"""Kafka's jars: only the locked bytes run."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recoup_local.jars import LOCK, ROOTS, Jar, classpath, fetch, locked, verify
from recoup_local.state import LocalError


def lock_of(directory: Path, content: bytes, coordinate: str = "org.example:part:1.0") -> Path:
    lock = directory / "jars.json"
    lock.write_text(json.dumps({coordinate: hashlib.sha256(content).hexdigest()}))
    return lock


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Tests are silent."""


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """A Maven repository on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_lock_names_the_roots_and_a_hash_for_every_file() -> None:
    jars = locked()
    assert set(ROOTS) <= {jar.coordinate for jar in jars}
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in jars)
    assert len({jar.file for jar in jars}) == len(jars)
    assert "://" not in LOCK.read_text()


def test_a_cache_with_the_locked_bytes_is_used(tmp_path: Path) -> None:
    (tmp_path / "part-1.0.jar").write_bytes(b"good")
    assert classpath(lock_of(tmp_path, b"good"), cache=tmp_path) == str(tmp_path / "part-1.0.jar")


def test_a_jar_with_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part-1.0.jar").write_bytes(b"evil")
    with pytest.raises(LocalError, match=r"part-1\.0\.jar is not the file in the lock .*refused"):
        classpath(lock_of(tmp_path, b"good"), cache=tmp_path)


def test_a_missing_jar_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"part-1\.0\.jar is missing"):
        verify((Jar("org.example:part:1.0", "00"),), tmp_path)


def test_what_the_repository_serves_is_checked_before_it_enters_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    place = served / "org/example/part/1.0"
    place.mkdir(parents=True)
    (place / "part-1.0.jar").write_bytes(b"evil")
    cache = tmp_path / "cache"
    with serving(served) as address:
        monkeypatch.setenv("RECOUP_MAVEN_REPOSITORY", address)
        with pytest.raises(LocalError, match="is not the file in the lock"):
            classpath(lock_of(tmp_path, b"good"), cache=cache)
        assert not cache.exists()
        (place / "part-1.0.jar").write_bytes(b"good")
        assert classpath(lock_of(tmp_path, b"good"), cache=cache)
        with pytest.raises(LocalError, match=r"can't fetch org\.example:absent:1\.0"):
            fetch((Jar("org.example:absent:1.0", "00"),), tmp_path / "other")


def test_a_cache_that_another_run_filled_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "served/org/example/part/1.0"
    place.mkdir(parents=True)
    (place / "part-1.0.jar").write_bytes(b"good")
    cache = tmp_path / "cache"
    with serving(tmp_path / "served") as address:
        monkeypatch.setenv("RECOUP_MAVEN_REPOSITORY", address)
        jars = locked(lock_of(tmp_path, b"good"))
        fetch(jars, cache)
        fetch(jars, cache)
    assert [path.name for path in cache.iterdir()] == ["part-1.0.jar"]
    assert {path.name for path in tmp_path.iterdir()} == {"served", "cache", "jars.json"}
