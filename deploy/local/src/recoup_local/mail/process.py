"""The mail sink as a process of a run."""

import sys
from dataclasses import dataclass

from recoup_local.ports import LOOPBACK
from recoup_local.processes import Process
from recoup_local.run import Run


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


async def start_mail(run: Run, smtp_port: int = 0, http_port: int = 0) -> MailSink:
    """Start the sink and wait until it listens; 0 is any free port.

    Raises:
        LocalError: it doesn't start.
    """
    ports = ("--smtp-port", str(smtp_port), "--http-port", str(http_port))
    process = run.start("mail", [sys.executable, "-m", "recoup_local.mail", *ports])
    places = await process.announcement()
    return MailSink(process, places["smtp_port"], places["http_port"])
