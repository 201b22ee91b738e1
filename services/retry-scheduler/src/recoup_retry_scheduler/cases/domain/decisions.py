"""What a fold decides: cases to save, and what is said about them."""

from dataclasses import dataclass, field, replace

from recoup_events.values import Transition
from recoup_retry_scheduler.cases.domain.case import Case, Try, Wake


@dataclass(frozen=True, slots=True)
class Changed:
    """A case changed; `case` is how it stands then."""

    case: Case
    transition: Transition


@dataclass(frozen=True, slots=True)
class TryAsked:
    """A charge is asked for, or asked about again with the same `try_id`."""

    case: Case
    asked: Try


@dataclass(frozen=True, slots=True)
class FinalAsked:
    """The final action is asked for, or asked about again."""

    case: Case


Announcement = Changed | TryAsked | FinalAsked


@dataclass(frozen=True, slots=True)
class Saved:
    """A case to save, with its timer that is still armed (none where it fired) and the one to be."""

    case: Case
    armed: Wake | None

    @property
    def disarms(self) -> bool:
        """Whether a timer is to be taken away."""
        return self.armed is not None and self.armed != self.case.wake

    @property
    def arms(self) -> bool:
        """Whether a timer is to be set."""
        return self.case.wake is not None and self.armed != self.case.wake


@dataclass(slots=True)
class Decisions:
    """What to save and to say, in order."""

    cases: list[Saved] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)

    def change(self, case: Case, transition: Transition, reason: str) -> Case:
        """Announce a change; gives the case with its new revision."""
        case = replace(case, revision=case.revision + 1, reason=reason)
        self.announcements.append(Changed(case, transition))
        return case
