"""A network that delays, swallows, resets or half-closes the connections on each edge of the house."""

import asyncio
import itertools
import random
import sys
from collections.abc import Iterator

import pytest

from recoup_local.sandbox import open_sandbox

from .load import load
from .network import EDGES, house_behind_proxies
from .proxy import Fault
from .tally import Tally

PART = "faults"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(PART)
@pytest.mark.timeout(7200)
async def test_whatever_the_network_does_on_any_edge_nothing_is_lost_or_done_twice(tally: Tally) -> None:
    draw, faults, made = random.Random(tally.seed), tally.size(PART), 0
    async with house_behind_proxies() as (house, net):
        await house.start()
        async with await open_sandbox(house) as sandbox, load(sandbox, tally.seed, faults) as going:
            for edge, fault in drawn(draw):
                proxy = net.proxies[edge]
                await asyncio.sleep(draw.uniform(0.0, 2.0))  # the moment, drawn
                proxy.strike(fault)
                await asyncio.sleep(draw.uniform(0.5, 5.0))  # how long it lasts
                proxy.heal()
                made += proxy.met > 0  # what was done to nobody is no try
                sys.stdout.write(f"{fault} on the way to {edge}, {proxy.met} connections\n")
                if made == faults:
                    break
            await going.judge()
    tally.did(PART, made)


def drawn(draw: random.Random) -> Iterator[tuple[str, Fault]]:
    """Draw edges and faults for ever: every pair before any comes again."""
    pairs = list(itertools.product(EDGES, Fault))
    while True:
        draw.shuffle(pairs)
        yield from pairs
