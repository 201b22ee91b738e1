"""The mail sink as a process of a run."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass

from recoup_local.ports import LOOPBACK
from recoup_local.processes import Process
from recoup_local.run import Run
from recoup_local.state import LocalError

READY_WITHIN = 30.0  # seconds


@dataclass(frozen=True)
class MailSink:
    """Where mail goes, and where it is seen."""

    process: Process
    smtp_port: int
    http_port: int

    @property
    def smtp_url(self) -> str:
        """For SMTP_URL of a service."""
        return f"smtp://{LOOPBACK}:{self.smtp_port}"

    @property
    def url(self) -> str:
        """The page; the API is below /api/messages."""
        return f"http://{LOOPBACK}:{self.http_port}"


async def start_mail(run: Run) -> MailSink:
    """Start the sink and wait until it listens.

    Raises:
        LocalError: it doesn't start.
    """
    process = run.start("mail", [sys.executable, "-m", "recoup_local.mail"])
    deadline = time.monotonic() + READY_WITHIN
    while True:
        told = process.log.read_text()
        if told.endswith("}\n"):
            places = json.loads(told.splitlines()[-1])
            return MailSink(process, places["smtp_port"], places["http_port"])
        if process.returncode is not None or time.monotonic() > deadline:
            raise LocalError(f"the mail sink doesn't start:\n{process.last_words()}")
        await asyncio.sleep(0.02)
