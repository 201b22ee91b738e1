"""The rows that compare Recoup's timers with its peers', and what is asked of them."""

from collections.abc import Awaitable, Callable, Sequence

from ..measure import Goal, Reading, Result, Row, Side, number_of
from .contestants import Contestant, Setting
from .install import LeftOut
from .scenes import CUT, Sizes, cliff, steady, takeover
from .stage import Stages

OURS = "Recoup, no-op"
NAMES = ("peers-cliff", "peers-cliff-empty", "peers-steady", "peers-takeover")
SAME = (
    "All on the same Postgres with the same durability (`fsync` and `synchronous_commit` on), one worker process "
    "each, the database copied anew from a loaded one for each run. A handler appends its number and time to a "
    "file, one unbuffered write a fire; 2,000 timers are drained first where that takes less than a minute."
)
TWO_OF_OURS = (
    "`Recoup, no-op` does what the peers do; `Recoup, command in the outbox` also builds and writes a `retry.due` "
    "for each timer, and counts it as fired only when that is durable."
)

KILLED = (
    "Many timers due at once, a handler takes 50 ms (of Recoup: that of a batch), whoever fires first is "
    "killed at once. Its machine lives on: the server sees the connection end."
)
JUDGED = (
    "lateness p50, ms",
    "lateness p99, ms",
    "lateness max, ms",
    "processor of the worker, s",
    "processor of the database, s",
)
"""Figures of which less is better, to say where a peer is better."""

Scene = Callable[[Contestant, Setting], Awaitable[Reading]]


def rows(
    told: Sequence[Contestant | LeftOut], ours: Contestant, stages: Stages, pending: int, sizes: Sizes
) -> list[Row]:
    """Give the four rows with a side for each contestant and setting."""
    peers = [one for one in told if isinstance(one, Contestant)]
    left_out = [f"{one.name} is left out: {one.why}." for one in told if isinstance(one, LeftOut)]
    everybody = [ours, *peers]

    def on_cliff(pending: int) -> Scene:
        return lambda who, how: cliff(stages, who, how, pending, sizes)

    remarks = [SAME, TWO_OF_OURS, *(remark for peer in peers for remark in peer.remarks), *left_out]
    cut = f"what has not fired {CUT:.0f} s after the last is due is counted, no longer waited for"
    return [
        Row(
            "peers-cliff",
            f"{sizes.cliff:,} timers due at one instant beside {pending:,} that stay pending: until the last is "
            "durably done.",
            "timers/s",
            _sides(everybody, on_cliff(pending)),
            _goals(peers, at_least=1.0),
            settings=_settings(everybody) | {"cut": cut},
            remarks=remarks,
        ),
        Row(
            "peers-cliff-empty",
            f"{sizes.cliff:,} timers due at one instant and nothing else pending: until the last is durably done.",
            "timers/s",
            [side for side in _sides(everybody, on_cliff(0)) if not side.once],
            _goals(peers, at_least=1.0),
            settings=_settings(everybody) | {"cut": cut},
            remarks=remarks,
        ),
        Row(
            "peers-steady",
            f"{sizes.a_second} timers a second for {sizes.steady / sizes.a_second:.0f} s beside {pending:,} that stay "
            "pending: the lateness that 99 in 100 stay below, from due to the handler.",
            "ms",
            _sides(everybody, lambda who, how: steady(stages, who, how, pending, sizes)),
            _goals(peers, at_most=1.0),
            settings=_settings(everybody) | {"cut": cut},
            remarks=remarks,
        ),
        Row(
            "peers-takeover",
            "Seconds from `kill -9` of one of two workers until the other has run the last timer that it held.",
            "s",
            _takeovers(everybody, stages, sizes),
            [Goal(OURS, at_most=4.0), *_goals(peers, at_most=1.0)],
            settings=_lasting(everybody) | {"waited for": f"{sizes.wait:.0f} s: that value means not within it"},
            remarks=[KILLED, *left_out],
        ),
    ]  # fmt: skip


def where_peers_are_better(result: Result) -> list[str]:
    """Say in sentences what a peer does better than Recoup, by the medians of this invocation."""
    told = []
    for side, readings in result.readings.items():
        if side.startswith("Recoup"):
            continue
        better = [
            f"{figure} ({number_of(theirs)} against {number_of(ours)})"
            for figure in JUDGED
            if figure in readings[0].figures
            for theirs, ours in [(result.spread(side, figure).median, result.spread(OURS, figure).median)]
            if theirs < ours
        ]
        if better:
            told.append(f"{side} is better than {OURS} in: {'; '.join(better)}.")
    return told


def _name(who: Contestant, how: Setting) -> str:
    return f"{who.name}, {how.name}"


def _sides(everybody: Sequence[Contestant], scene: Scene) -> list[Side]:
    def side(who: Contestant, how: Setting) -> Side:
        return Side(_name(who, how), lambda: scene(who, how), once=how.name == "default")

    return [side(who, how) for who in everybody for how in who.settings]


def _takeovers(everybody: Sequence[Contestant], stages: Stages, sizes: Sizes) -> list[Side]:
    def side(who: Contestant, how: Setting, options: Sequence[str]) -> Side:
        return Side(
            _name(who, how), lambda: takeover(stages, who, options, sizes), once=how.name == "default"
        )

    return [
        side(who, how, how.lasting) for who in everybody for how in who.settings if how.lasting is not None
    ]


def _goals(
    peers: Sequence[Contestant], *, at_least: float | None = None, at_most: float | None = None
) -> list[Goal]:
    return [
        Goal(OURS, _name(peer, how), at_least=at_least, at_most=at_most)
        for peer in peers
        for how in peer.settings
        if how.name == "tuned"
    ]


def _settings(everybody: Sequence[Contestant]) -> dict[str, str]:
    return {_name(who, how): how.why for who in everybody for how in who.settings}


def _lasting(everybody: Sequence[Contestant]) -> dict[str, str]:
    return {
        _name(who, how): how.lasting_why or "as it is"
        for who in everybody
        for how in who.settings
        if how.lasting is not None
    }
