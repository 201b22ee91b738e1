"""A loop takes its turns when it is woken, and not more often than it should."""

import asyncio
from datetime import timedelta

from recoup_chassis.process import Loop
from recoup_local.eventually import eventually


async def test_a_loop_is_woken_from_its_rest_and_what_comes_soon_after_a_turn_shares_the_next() -> None:
    turns, stopping = 0, asyncio.Event()

    async def once() -> None:
        nonlocal turns
        turns += 1

    loop = Loop("counting", once, every=timedelta(hours=1), apart=timedelta(seconds=0.3))
    serving = asyncio.create_task(loop.serve(stopping))
    await eventually(lambda: turns == 1, within=30)
    for _ in range(200):
        loop.wake()
        await asyncio.sleep(0)
    assert turns == 1
    await eventually(lambda: turns == 2, within=30)
    stopping.set()
    await serving
