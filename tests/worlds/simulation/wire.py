"""The wire to a decider: one JSON line in, lines out, and nothing else is let through.

Promise: what a decider says is checked before it is believed; a breach of the wire raises WireError, which names the
line and what is wrong with it.
"""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

Wire = Mapping[str, Any]
Decide = Callable[[dict[str, Any]], list[dict[str, Any]]]
"""A decider in this process: an input line in, its output lines out."""

AWAITED = ("card_updated", "customer_authentication", "merchant")


class WireError(Exception):
    """The decider broke the wire."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a decider says of a case.

    Args:
        at: of a retry, seconds since 1970; 0 otherwise.
    """

    case: str
    action: str
    at: float
    reason: str


class Decider(Protocol):
    """Whoever decides, in lockstep.

    Args:
        seconds: how long each answer that had to be given took, lines to other cases included.
    """

    seconds: list[float]

    def tell(self, event: Wire) -> list[Answer]:
        """Send one event and give all lines that follow from it, checked."""
        ...

    def close(self) -> None:
        """End the conversation, so that it may save what it has learnt."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def answered_case(event: Wire) -> str | None:
    """Give the case that an event must be answered for, exactly once."""
    if event["type"] == "failure" or (event["type"] == "outcome" and not event["success"]):
        return str(event["case"])
    return None


def read_answers(event: Wire, number: int, lines: Sequence[Any]) -> list[Answer]:
    """Check the lines that followed an event, and give what they say.

    Args:
        number: of the event's line, from 1.

    Raises:
        WireError: they are not what the wire allows.
    """
    answers = [_read(number, line) for line in lines]
    cases = [answer.case for answer in answers]
    if twice := {case for case in cases if cases.count(case) > 1}:
        raise WireError(f"line {number}: more than one answer for {', '.join(sorted(twice))}")
    if (own := answered_case(event)) is not None and (not cases or cases[-1] != own):
        said = ", ".join(cases) or "nothing"
        raise WireError(f"line {number}: a {event['type']} of {own} is answered last, once; came: {said}")
    return answers


def _read(number: int, line: Any) -> Answer:
    if why := _wrong(number, line):
        raise WireError(f"line {number}: {why}: {line!r}")
    at = datetime.fromisoformat(line["at"]).timestamp() if line["action"] == "retry" else 0.0
    return Answer(line["case"], line["action"], at, line["reason"])


def _wrong(number: int, line: Any) -> str | None:
    """Say what is wrong with an answer, if anything is."""
    if not isinstance(line, dict):
        return "no object"
    if "error" in line:
        return "a good line was refused"
    if type(line.get("line")) is not int or line["line"] != number:
        return f"`line` is not {number}"
    if not isinstance(line.get("case"), str) or not line.get("reason") or not isinstance(line["reason"], str):
        return "no case, or no reason"
    return _wrong_action(line)


def _wrong_action(line: dict[str, Any]) -> str | None:
    match line.get("action"):
        case "stop":
            return None
        case "wait":
            return None if line.get("for") in AWAITED else "waits for something unknown"
        case "retry" if not (_is_share(line.get("p")) and _is_share(line.get("propensity"))):
            return "`p` or `propensity` is not within 0 and 1"
        case "retry":
            return None if _is_instant(line.get("at")) else "`at` is no instant in UTC"
        case _:
            return "an unknown action"


def _is_share(value: Any) -> bool:
    return type(value) in {int, float} and 0 <= value <= 1


def _is_instant(text: Any) -> bool:
    if not isinstance(text, str) or not text.endswith("Z"):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


class InProcess:
    """A decider that is a function; it numbers its input lines itself."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._number = 0
        self.seconds: list[float] = []

    def tell(self, event: Wire) -> list[Answer]:
        """Ask the function."""
        self._number += 1
        began = time.perf_counter()
        lines = self._decide(dict(event))
        if answered_case(event) is not None:
            self.seconds.append(time.perf_counter() - began)
        return read_answers(event, self._number, lines)

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Process:
    """A decider behind a command line; events that need no answer are followed by a `sync`."""

    def __init__(self, command: Sequence[str], *, cwd: str | None = None) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, text=True, bufsize=1 << 16
        )
        self._number = 0
        self.seconds: list[float] = []

    def tell(self, event: Wire) -> list[Answer]:
        """Send a line, and read until all that follows from it has come."""
        began = time.perf_counter()
        own = answered_case(event)
        self._number += 1
        number = self._number
        sent = json.dumps(event, separators=(",", ":")) + "\n"
        if own is None:
            self._number += 1
            sent += '{"type":"sync"}\n'
        lines: list[Any] = []
        self._send(sent)
        while True:
            line = self._receive(number)
            if own is None and isinstance(line, dict) and "synced" in line:
                if line != {"line": number + 1, "synced": True}:
                    raise WireError(f"line {number + 1}: a sync is answered otherwise: {line!r}")
                break
            lines.append(line)
            if own is not None and isinstance(line, dict) and (line.get("case") == own or "error" in line):
                break
        if own is not None:
            self.seconds.append(time.perf_counter() - began)
        return read_answers(event, number, lines)

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WireError(f"line {self._number}: the decider has ended") from None

    def _receive(self, number: int) -> Any:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            raise WireError(f"line {number}: the decider ended without an answer")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise WireError(f"line {number}: no JSON: {text!r}") from None

    def close(self) -> None:
        """Close its input and wait until it has ended.

        Raises:
            WireError: it says more, or that it failed.
        """
        rest, _ = self._process.communicate()
        if rest:
            raise WireError(f"after the last line: {rest[:200]!r}")
        if self._process.returncode:
            raise WireError(f"the decider ended with {self._process.returncode}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        self._process.wait()
