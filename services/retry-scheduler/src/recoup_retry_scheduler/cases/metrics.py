"""What the cases' metrics mean: each is named here, once."""

from prometheus_client import Counter, Gauge

from recoup_retry_scheduler.cases.domain.decisions import Changed, Decisions, FinalAsked, TryAsked

CASES_OPEN = Gauge("recoup_cases_open", "Open recovery cases.", ["state"])
CASES_WITHOUT_TIMER = Gauge(
    "recoup_cases_without_timer", "Open cases that nothing would ever wake; always 0."
)
TRANSITIONS = Counter("recoup_case_transitions", "Changes of cases.", ["transition"])
TRIES_ASKED = Counter("recoup_tries_asked", "Charges asked for, repeats of the question included.", ["kind"])
FINAL_ACTIONS_ASKED = Counter(
    "recoup_final_actions_asked", "Final actions asked for, repeats of the question included.", ["action"]
)


def count(decisions: Decisions) -> None:
    """Count what was announced. A transaction that is run again counts again: these are rates, not a ledger."""
    for said in decisions.announcements:
        match said:
            case Changed():
                TRANSITIONS.labels(said.transition.value).inc()
            case TryAsked():
                TRIES_ASKED.labels(said.asked.kind.value).inc()
            case FinalAsked():
                FINAL_ACTIONS_ASKED.labels(said.case.final_action.value).inc()
