"""Worker of Procrastinate for the bench: each job appends its number and the microsecond at which its handler ran.

    worker.py migrate
    worker.py work <file> <name> [option=value ...]

Options: concurrency, poll (s), delete (1: jobs that succeeded), heartbeat and stalled (both s; with them jobs of
workers without heartbeat are retried every second, as its guide on stalled jobs shows), sleep (ms in the handler).
Without an option Procrastinate's own default holds.
"""

import asyncio
import os
import sys
import time

from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"], max_size=20))
task, *rest = sys.argv[1:]
wanted = {name: float(value) for name, _, value in (one.partition("=") for one in rest[2:])}
fires = os.open(rest[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if rest else -1


async def tick(number: int) -> None:
    os.write(fires, b"%d %d\n" % (number, time.time_ns() // 1000))
    if "sleep" in wanted:
        await asyncio.sleep(wanted["sleep"] / 1000)


app.task(name="tick")(tick)


async def take_over(stalled: float) -> None:
    while True:
        await asyncio.sleep(1)
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled):
            await app.job_manager.retry_job(job)


async def work() -> None:
    options = {
        **({"concurrency": int(wanted["concurrency"])} if "concurrency" in wanted else {}),
        **({"fetch_job_polling_interval": wanted["poll"]} if "poll" in wanted else {}),
        **({"delete_jobs": "successful"} if "delete" in wanted else {}),
        **({"update_heartbeat_interval": wanted["heartbeat"]} if "heartbeat" in wanted else {}),
    }
    async with app.open_async():
        others = [asyncio.create_task(take_over(wanted["stalled"]))] if "stalled" in wanted else []
        await asyncio.gather(app.run_worker_async(name=rest[1], **options), *others)


async def migrate() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


asyncio.run(migrate() if task == "migrate" else work())
