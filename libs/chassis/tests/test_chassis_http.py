"""The operator's port says what is wrong, and only known callers come in."""

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from hypothesis import given, strategies as st

from recoup_chassis.http import HttpServer, answer, caller_of, callers_from, operations
from recoup_local.pytest_plugin import eventually

from .conftest import running

CALLERS = callers_from("portal-api=0123456789abcdef,notifier=fedcba9876543210")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


async def test_readiness_names_every_problem_and_liveness_does_not_care() -> None:
    async def broken() -> str:
        return "database: gone"

    async def fine() -> None:
        return None

    port = free_port()
    async with running(HttpServer(operations({"a": broken, "b": fine}), "127.0.0.1", port, "operations")):
        await eventually(lambda: _listens(port))
        assert await get(port, "/readyz") == (503, "database: gone\n")
        assert (await get(port, "/livez"))[0] == 200
        assert "recoup_consumer_lag" in (await get(port, "/metrics"))[1]
        assert (await get(port, "/else"))[0] == 404


async def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        server = HttpServer(operations({}), "127.0.0.1", port, "operations")
        with pytest.raises(RuntimeError, match=f"operations can't listen on port {port}"):
            await server.serve(asyncio.Event())


@pytest.mark.parametrize(("proxied", "caller"), [(False, "127.0.0.1"), (True, "192.0.2.1")])
async def test_a_forwarded_address_is_believed_only_where_one_is_read(*, proxied: bool, caller: str) -> None:
    async def who(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, 200, scope["client"][0].encode())

    port = free_port()
    url, headers = f"http://127.0.0.1:{port}/", {"X-Forwarded-For": "192.0.2.1"}
    async with running(HttpServer(who, "127.0.0.1", port, "who", proxied=proxied)):
        await eventually(lambda: _listens(port))
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            assert await response.text() == caller


def test_a_caller_is_known_by_its_secret() -> None:
    assert caller_of("Bearer 0123456789abcdef", CALLERS) == "portal-api"
    assert caller_of("bearer fedcba9876543210", CALLERS) == "notifier"
    assert caller_of("Basic 0123456789abcdef", CALLERS) is None
    assert caller_of(None, CALLERS) is None


@given(st.text())
def test_nobody_else_is_known(given_header: str) -> None:
    assert caller_of(given_header, CALLERS) is None


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        callers_from("portal-api=short")


async def _listens(port: int) -> bool:
    try:
        await get(port, "/livez")
    except aiohttp.ClientError:
        return False
    return True
