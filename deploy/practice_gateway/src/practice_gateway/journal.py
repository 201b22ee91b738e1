"""An append-only file of JSON lines: what `append` returned from is on the disk."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Appends lines and syncs those that arrive together at once (group commit). Never rewrites a byte.

    One writer a file; the file is opened with O_APPEND and locked, so that a second process refuses to start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock_file()
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._broken: OSError | None = None

    def _lock_file(self) -> None:
        import fcntl  # noqa: PLC0415  absent on Windows, where one writer is the operator's care

        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            message = f"{self.path} is in use by another practice gateway"
            raise RuntimeError(message) from error

    async def append(self, line: dict[str, Any]) -> None:
        """Write a line and return once it is fsynced.

        Raises:
            OSError: the disk refused; the line may or may not be there.
        """
        await self.submit(line)

    def submit(self, line: dict[str, Any]) -> "asyncio.Future[None]":
        """Queue a line in order and return a future that ends when it is fsynced."""
        future = asyncio.get_running_loop().create_future()
        if self._broken is not None:  # after half a line, nothing more may follow it
            future.set_exception(self._broken)
            return future
        self._pending.append((json.dumps(line, separators=(",", ":")).encode() + b"\n", future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        return future

    async def _flush(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await asyncio.to_thread(self._write, b"".join(line for line, _ in batch))
            except OSError as error:
                self._broken = error
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for _, future in batch:
                    if not future.done():
                        future.set_result(None)
        self._flusher = None

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._handle, data) :]
        os.fsync(self._handle)

    async def close(self) -> None:
        """Write what is queued, then close."""
        while self._flusher is not None:
            await self._flusher
        os.close(self._handle)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return every complete line; a last one cut short by a crash was never answered for, and is left out."""
    if not path.exists():
        return []
    text = path.read_bytes()
    complete = text[: text.rfind(b"\n") + 1]
    return [json.loads(line) for line in complete.splitlines()]
