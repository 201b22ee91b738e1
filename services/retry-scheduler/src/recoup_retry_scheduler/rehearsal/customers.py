"""What is believed of customers, kept from one stream to the next. Their names are not: a digest finds them again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.rehearsal.books import Person
from recoup_retry_scheduler.smart import paydays
from recoup_retry_scheduler.smart.mind import Customer

MOST = 200_000
"""Customers that are kept, those heard of last: some 50 MB."""

_DIGEST = 16
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Customers:
    """By the digest of their name; whom the stream has told of is taken out."""

    _known: dict[bytes, Person] = field(default_factory=dict)

    def find(self, name: str) -> Person | None:
        """Take a customer out, if they are known."""
        return self._known.pop(_digest(name), None) if self._known else None

    def with_all(self, people: Iterable[tuple[str, Person]]) -> Self:
        """Give these customers and others, whose names are given."""
        return type(self)(self._known | {_digest(name): person for name, person in people})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what a file holds of them."""
        kept = list(self._known.items())[-MOST:]
        minds = [person.mind for _, person in kept]
        return {
            "customers": np.frombuffer(b"".join(who for who, _ in kept), np.uint8).reshape(-1, _DIGEST),
            "beliefs": np.array([one.belief for one in minds], np.float32).reshape(-1, len(paydays.CYCLES)),
            "pasts": np.array([(one.surprise, one.tries, one.passed_at) for one in minds]).reshape(-1, 3),
            "located": np.array([person.located for _, person in kept], bool),
        }

    @classmethod
    def of(cls, arrays: Arrays) -> Self:
        """Take them from a file's arrays; there are none in a model that was learnt from a log.

        Raises:
            ValueError: the arrays don't fit each other, or hold what can't be.
        """
        if "customers" not in arrays:
            return cls()
        who, beliefs, pasts, located = (arrays[name] for name in ("customers", "beliefs", "pasts", "located"))
        beliefs, pasts = beliefs.astype(float), pasts.astype(float)
        n = len(who)
        shapes = [(n, _DIGEST), (n, len(paydays.CYCLES)), (n, 3), (n,)]
        if [one.shape for one in (who, beliefs, pasts, located)] != shapes or who.dtype != np.uint8:
            raise ValueError("arrays of different customers")
        if not (np.isfinite(pasts).all() and (beliefs > 0).all() and np.isfinite(beliefs).all()):
            raise ValueError("a belief that can't be")
        beliefs /= beliefs.sum(axis=1, keepdims=True)
        return cls(
            {
                who[i].tobytes(): Person(
                    Customer(beliefs[i].copy(), float(pasts[i, 0]), int(pasts[i, 1]), float(pasts[i, 2])),
                    located=bool(located[i]),
                )
                for i in range(n)
            }
        )


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=_DIGEST).digest()
