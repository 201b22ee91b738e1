"""The commands of rehearsal, run as the service's command line runs them, in this process."""

import argparse
import asyncio
import io
import sys
from dataclasses import dataclass

import pytest

from recoup_retry_scheduler.rehearsal import command


@dataclass(frozen=True)
class Done:
    """What a command has said, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Command:
    """Runs a command, given its arguments and its standard input."""

    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, told: str = "") -> Done:
        parser = argparse.ArgumentParser()
        command.add(parser.add_subparsers())
        given = io.BufferedReader(io.BytesIO(told.encode()))
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(given))
        code: object = 0
        try:
            args = parser.parse_args(arguments)
            asyncio.run(args.run(args))
        except SystemExit as end:
            code = end.code
        said = self.capsys.readouterr()
        if isinstance(code, str):  # as the interpreter does
            return Done(1, said.out, f"{said.err}{code}\n")
        assert isinstance(code, int)
        return Done(code, said.out, said.err)
