"""The practice gateway as a process: killed and restarted, it answers at the same place."""

from socket import socket

import pytest

from recoup_local.ports import LOOPBACK
from recoup_local.practice import start_practice_gateway
from recoup_local.run import Run
from recoup_local.state import LocalError

pytestmark = pytest.mark.slow  # whole processes start and are killed


async def test_it_comes_back_at_its_place_with_its_token_after_a_kill() -> None:
    async with Run() as run:
        gateway = await start_practice_gateway(run)
        place, first = gateway.url, gateway.process.pid
        made = await gateway.control("POST", "/accounts", {"id": "acct_local"})
        assert made["id"] == "acct_local"
        await gateway.kill()
        await gateway.start()
        assert gateway.url == place
        assert gateway.process.pid != first
        assert "accounts" in await gateway.control("GET", "/accounts")


async def test_what_it_refuses_is_told() -> None:
    async with Run() as run:
        gateway = await start_practice_gateway(run)
        with pytest.raises(LocalError, match="the practice gateway refused GET /accounts/acct_absent"):
            await gateway.control("GET", "/accounts/acct_absent")


async def test_one_whose_port_is_taken_is_told() -> None:
    with socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        async with Run() as run:
            with pytest.raises(LocalError, match="practice-gateway doesn't start"):
                await start_practice_gateway(run, port=taken.getsockname()[1])


async def test_a_second_one_in_the_same_run_is_refused() -> None:
    async with Run() as run:
        await start_practice_gateway(run)
        with pytest.raises(LocalError, match="practice-gateway is running already in this run"):
            await start_practice_gateway(run)
