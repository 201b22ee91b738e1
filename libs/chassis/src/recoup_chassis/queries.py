"""Named SQL: `-- name: claim_due` in a room's `queries.sql` becomes `sql.claim_due`."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Queries:
    """The queries of one file, as attributes."""

    def __init__(self, text: str) -> None:
        pieces = _NAME.split(text)
        self.by_name: dict[str, str] = dict(
            zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True)
        )

    def __getattr__(self, name: str) -> str:
        try:
            return self.by_name[name]
        except KeyError:
            raise AttributeError(name) from None


def load(package: str, name: str = "queries.sql") -> Queries:
    """Read a file of named queries that lies beside the modules of a package."""
    return Queries(files(package).joinpath(name).read_text())
