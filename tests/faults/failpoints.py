"""Named points at which a service kills itself: before and after each commit, publish, request, answer and mail.

Only the edges of other people's libraries are wrapped, so the product knows nothing of it. A point is named by
edge, moment and the service's function that passes it, for instance `commit.before charging.loop.sending._mark`.

Promise: the first passes of a point are the process's last; they are written down before.
"""

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp
import aiokafka
import aiosmtplib
import asyncpg
from asyncpg.transaction import Transaction
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

CHASSIS = "recoup_chassis."
CARRIERS = {"transaction", "savepoint", "answer", "__aexit__", "__aenter__"}
"""Functions that only carry what others ask for; a point is named after those others."""

WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")

Passed = Callable[[str], None]


def kill_at_each(file: Path, times: int, among: Collection[str] = ()) -> Passed:
    """Give what kills this process at the first passes of each point.

    Args:
        file: a line for each kill, of this process's predecessors too.
        times: how often each point kills.
        among: only these points kill; every point when there are none.
    """
    done = Counter(file.read_text().splitlines())
    handle = os.open(file, os.O_WRONLY | os.O_APPEND)

    def passed(point: str) -> None:
        if done[point] < times and (not among or point in among):
            os.write(handle, point.encode() + b"\n")
            os.kill(os.getpid(), signal.SIGKILL)

    return passed


def install(passed: Passed) -> None:
    """Wrap the edges; `passed` is told each point."""
    _commits(passed)
    _publishing(passed)
    _requests(passed)
    _answers(passed)
    _mails(passed)


def _around(
    passed: Passed, owner: Any, method: str, edge: str, counts: Callable[..., bool] | None = None
) -> None:
    """Wrap an asynchronous method; it is an edge only where `counts` says so of its arguments."""
    original = getattr(owner, method)

    async def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        if counts is not None and not counts(self, *arguments):
            return await original(self, *arguments, **named)
        who = caller()
        passed(f"{edge}.before {who}")
        result = await original(self, *arguments, **named)
        passed(f"{edge}.after {who}")
        return result

    setattr(owner, method, wrapped)


def _commits(passed: Passed) -> None:
    _around(passed, Transaction, "_Transaction__commit", "commit", lambda one: not one._nested)
    for method in ("execute", "fetch", "fetchrow", "fetchval"):
        _around(passed, asyncpg.Connection, method, "commit", _commits_itself)
    _around(passed, aiokafka.AIOKafkaConsumer, "commit", "offsets")


def _commits_itself(connection: asyncpg.Connection, query: str, *_: object) -> bool:
    return WRITES.search(query) is not None and not connection.is_in_transaction()


def _publishing(passed: Passed) -> None:
    original = aiokafka.AIOKafkaProducer.send_batch

    async def send(self: Any, batch: Any, topic: str, **named: Any) -> Any:
        passed(f"publish.before {topic}")
        acknowledged = await original(self, batch, topic, **named)
        acknowledged.add_done_callback(lambda _: passed(f"publish.after {topic}"))
        return acknowledged

    aiokafka.AIOKafkaProducer.send_batch = send


def _requests(passed: Passed) -> None:
    _around(passed, aiohttp.ClientSession, "_request", "request")


def _mails(passed: Passed) -> None:
    _around(passed, aiosmtplib.SMTP, "data", "mail")


def _answers(passed: Passed) -> None:
    original = RequestResponseCycle.send

    async def send(self: Any, message: Any) -> None:
        route = getattr(self.scope.get("route"), "path", None)
        who = f"{self.scope['method']} {route}" if route else caller()
        if who == OPERATOR:
            await original(self, message)
            return
        if message["type"] == "http.response.start":
            passed(f"answer.before {who}")
        await original(self, message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            passed(f"answer.after {who}")

    RequestResponseCycle.send = send  # type: ignore[method-assign]  # that is the wrapping


OPERATOR = "http.app"
"""Who answers on the operator's port: the harness asks there all the time, no customer does."""


def caller() -> str:
    """Name the function of the service that is under way here, or else of the chassis, with its topic."""
    frame: FrameType | None = sys._getframe(1)  # the way to walk frames
    fallback = "start"
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("recoup_") and frame.f_code.co_name not in CARRIERS:
            if module.endswith(".cli"):
                return fallback  # that is what started the process
            if not module.startswith(CHASSIS):
                return f"{module.partition('.')[2]}.{frame.f_code.co_name}"
            if fallback == "start":
                fallback = f"{module.removeprefix(CHASSIS)}.{frame.f_code.co_name}{_topic(frame)}"
        frame = frame.f_back
    return fallback


def _topic(frame: FrameType) -> str:
    topic = getattr(frame.f_locals.get("self"), "topic", None)
    return f"[{topic.name}]" if topic is not None else ""
