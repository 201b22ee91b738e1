"""The verdict: the gateway's own ledger against what Recoup says. Pure; who fetches is elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CLOSED = ("recovered", "ended", "reversed")


@dataclass
class Verdict:
    """What was compared, and every difference in a sentence. No difference is the only good verdict."""

    failures: int = 0
    captured: int = 0
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Tell whether nothing was lost, nothing was doubled, and both sides say the same."""
        return not (self.lost or self.double or self.differing or self.late)

    @property
    def complaints(self) -> list[str]:
        """Every difference, in a sentence."""
        return [
            *(f"lost: {text}" for text in self.lost),
            *(f"double: {text}" for text in self.double),
            *(f"differs: {text}" for text in self.differing),
            *(f"late: {text}" for text in self.late),
        ]


def judge(
    failed: Sequence[str],
    cases: Sequence[Mapping[str, Any]],
    captures: Mapping[str, Mapping[str, Any]],
    obligations: Mapping[str, Mapping[str, Any]],
    now: str,
) -> Verdict:
    """Compare.

    Args:
        failed: the invoices whose renewal failed, as the gateway knows them.
        cases: ours.
        captures: the ledger's sum by invoice.
        obligations: the gateway's invoices.
        now: the merchant's instant, RFC 3339 in UTC.
    """
    verdict = Verdict(failures=len(failed))
    ours = {case["invoice_id"]: case for case in cases}
    for invoice in failed:
        case, taken = ours.get(invoice), captures.get(invoice, {"captured": 0, "captures": 0})
        owed = obligations[invoice]["amount_due"]
        if case is None:
            verdict.lost.append(f"{invoice} failed at the gateway and has no case here")
            continue
        if taken["captures"] > 1 or taken["captured"] > owed:
            verdict.double.append(f"{invoice}: {taken['captures']} captures, {taken['captured']} of {owed}")
        said = case["recovered"]["minor"] if case["recovered"] else 0
        verdict.captured += taken["captured"]
        if said != taken["captured"] - taken.get("refunded", 0):
            verdict.differing.append(f"{invoice}: the ledger has {taken['captured']}, the case says {said}")
        if case["state"] not in CLOSED and case["resolve_by"] < now:
            verdict.late.append(f"{invoice}: {case['state']} beyond its deadline {case['resolve_by']}")
    return verdict
