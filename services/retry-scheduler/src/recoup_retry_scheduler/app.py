"""The composition root: the only module that knows all the others."""

from datetime import timedelta
from functools import partial

from recoup_chassis.process import Loop
from recoup_chassis.service import connect, serve as run_service
from recoup_chassis.timers import Dispatcher
from recoup_retry_scheduler.cases import handlers, loop
from recoup_retry_scheduler.cases.domain.case import WakeKind
from recoup_retry_scheduler.config import Config
from recoup_retry_scheduler.subscriptions import SUBSCRIPTIONS

SERVICE = "retry-scheduler"
PACKAGE = "recoup_retry_scheduler"


async def serve(config: Config) -> None:
    """Run the service until SIGTERM."""
    database = await connect(SERVICE, config)
    dispatcher = Dispatcher(
        database, handlers.timers_fired, name="cases", kinds=[kind.value for kind in WakeKind]
    )
    gauges = Loop("case-gauges", partial(loop.measure, database), every=timedelta(seconds=15))
    forgetting = Loop("fact-forgetting", partial(loop.forget, database), every=timedelta(minutes=10))
    spreading = Loop(
        "policy-spreading", partial(loop.spread_policies, database), every=timedelta(milliseconds=250)
    )
    await run_service(
        SERVICE,
        config,
        database,
        subscriptions=SUBSCRIPTIONS,
        parts=[dispatcher, gauges, forgetting, spreading],
    )
