"""Following the merchant's clock: read by HTTP, kept as it was while it can't be read."""

import asyncio
import logging

import aiohttp

from practice_gateway.account import Account
from practice_gateway.clock import parse_clock
from practice_gateway.gateway import Gateway

log = logging.getLogger(__name__)

TIMEOUT = 5.0  # real seconds


async def follow_clocks(gateway: Gateway, url: str, token: str | None, every: float) -> None:
    """Read the clock of each account that has none of its own, until cancelled.

    Args:
        gateway: whose accounts.
        url: answers {"origin_real", "origin_merchant", "rate"}; {account} in it stands for the account's id.
        token: bearer token, if the address wants one.
        every: real seconds between two readings.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    failing: set[str] = set()
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
        while True:
            for account in list(gateway.accounts.values()):
                if account.own_clock is None:
                    await _read(http, url, account, failing)
            await asyncio.sleep(every)


async def _read(http: aiohttp.ClientSession, url: str, account: Account, failing: set[str]) -> None:
    address = url.replace("{account}", account.id)
    try:
        async with http.get(address) as response:
            response.raise_for_status()
            account.followed_clock = parse_clock(await response.json())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        if account.id not in failing:
            log.warning("clock.unreadable account=%s url=%s: %s", account.id, address, error)
            failing.add(account.id)
    else:
        failing.discard(account.id)
