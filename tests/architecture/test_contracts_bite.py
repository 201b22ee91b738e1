"""Every import contract bites: a breach planted in a copy of the house turns it red, and no other."""

import configparser
import shutil
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from importlinter.application.use_cases import lint_imports  # the command's own would silence all other logs
from importlinter.configuration import configure

from .house import ROOT

pytestmark = pytest.mark.slow
configure()
CONFIG = ROOT / ".importlinter"
PACKAGES = sorted(path.parent for path in ROOT.glob("*/*/src/*/__init__.py"))
IN_A_ROOM = ("__init__.py", "routes.py", "loop.py", "handlers.py", "store.py")
SCAFFOLD = (
    "app.py",
    *(f"{room}/{module}" for room in ("planted", "other") for module in IN_A_ROOM),
    "planted/domain.py",
    "other/domain/__init__.py",
)
"""Two rooms of one service that stand in the copy whatever else does; their modules are empty."""

BREACHES = {
    "services": {"recoup_notifier/planted/handlers.py": "import recoup_portal_api"},
    "practice": {"recoup_notifier/planted/handlers.py": "import practice_gateway"},
    "oracle": {"practice_gateway/planted.py": "from recoup_events import values"},
    "events": {"recoup_events/planted.py": "import structlog"},
    "values": {"recoup_events/links.py": "import pydantic"},
    "declines": {"recoup_declines/planted.py": "from recoup_events import values"},
    "app": {"recoup_notifier/planted/routes.py": "import recoup_notifier.app"},
    "rooms": {"recoup_notifier/planted/loop.py": "from recoup_notifier.planted import routes"},
    "handlers": {"recoup_notifier/planted/handlers.py": "from recoup_notifier.other import loop"},
    "stores": {"recoup_notifier/planted/store.py": "from recoup_notifier.other import handlers"},
    "domains": {"recoup_notifier/planted/domain.py": "import pydantic"},
    "rules": {"recoup_retry_scheduler/rules/planted.py": "from recoup_retry_scheduler.cases import domain"},
    "rehearsal": {"recoup_retry_scheduler/cases/planted.py": "import recoup_retry_scheduler.rehearsal.wire"},
    "numbers": {"recoup_notifier/planted/handlers.py": "import numpy"},
    "postgres": {"recoup_notifier/planted/handlers.py": "import asyncpg"},
    "kafka": {"recoup_notifier/planted/handlers.py": "import aiokafka"},
    "http": {"recoup_notifier/planted/handlers.py": "import aiohttp"},
}
"""One line a contract, planted in a module of the copy."""

MORE: dict[str, tuple[set[str], str, str]] = {
    "a store that knows a handler": (
        {"rooms", "stores"},
        "planted/store.py",
        "from recoup_notifier.planted import handlers",
    ),
    "a handler that knows a route": (
        {"rooms", "handlers"},
        "planted/handlers.py",
        "from recoup_notifier.planted import routes",
    ),
    "a domain that knows its store": (
        {"rooms", "domains"},
        "planted/domain.py",
        "from recoup_notifier.planted import store",
    ),
    "a domain with a clock": ({"domains"}, "planted/domain.py", "import time"),
    "a domain that knows events": ({"domains"}, "planted/domain.py", "from recoup_events import models"),
    "a domain that peeps": ({"domains"}, "planted/domain.py", "if TYPE_CHECKING:\n    import recoup_chassis"),
    "a domain that is lazy": (
        {"domains"},
        "planted/domain.py",
        "def later():\n    import recoup_chassis.postgres",
    ),
    "a domain of several modules": ({"domains"}, "other/domain/rules.py", "import structlog"),
    "another HTTP client": ({"http"}, "planted/store.py", "import httpx"),
    "a domain in order": (
        set(),
        "planted/domain.py",
        "import recoup_declines\nfrom recoup_events.values import utc",
    ),
    "a store in order": (
        set(),
        "planted/store.py",
        "import asyncpg\nfrom recoup_notifier.other import domain",
    ),
    "a handler in order": (
        set(),
        "planted/handlers.py",
        "from recoup_events import models\nfrom recoup_notifier.other import store",
    ),
}
"""Less obvious breaches, some of two contracts at once, and what is in order."""


def contracts() -> dict[str, str]:
    """Every contract's name and its id."""
    parser = configparser.ConfigParser()
    parser.read(CONFIG)
    prefix = "importlinter:contract:"
    return {parser[key]["name"]: key.removeprefix(prefix) for key in parser.sections() if prefix in key}


def broken_by(folder: Path, planted: Mapping[str, str]) -> set[str]:
    """Copy the house, plant, lint the copy; give the ids of the contracts that are red."""
    for package in PACKAGES:
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__", "*.csv"))
    for module in SCAFFOLD:
        (folder / "recoup_notifier" / module).parent.mkdir(parents=True, exist_ok=True)
        (folder / "recoup_notifier" / module).touch()
    for name, lines in planted.items():
        with (folder / name).open("a") as file:
            file.write(f"\n{lines}\n")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.setenv("COLUMNS", "200")  # a verdict stays on its line
        patch.syspath_prepend(str(ROOT))  # the kinds of contract that are ours
        patch.syspath_prepend(str(folder))
        for package in PACKAGES:  # so that the copy is found and not what this process has imported
            patch.delitem(sys.modules, package.name, raising=False)
        kept = lint_imports(str(CONFIG), cache_dir=None, no_logo=True)
    lines_printed = printed.getvalue().splitlines()
    verdicts = {
        identity: verdict
        for name, identity in contracts().items()
        for verdict in ("KEPT", "BROKEN")
        if f"{name} {verdict}" in lines_printed
    }
    broken = {identity for identity, verdict in verdicts.items() if verdict == "BROKEN"}
    assert verdicts.keys() == set(contracts().values()), printed.getvalue()
    assert kept is not bool(broken), printed.getvalue()
    return broken


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What is red before anything is planted: nothing, or one test says so and the others still judge theirs."""
    return broken_by(tmp_path_factory.mktemp("untouched"), {})


def test_every_contract_has_its_breach() -> None:
    assert BREACHES.keys() == set(contracts().values())


def test_an_untouched_copy_keeps_every_contract(red: set[str]) -> None:
    assert red == set()


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_turns_its_contract_red_and_no_other(contract: str, red: set[str], tmp_path: Path) -> None:
    assert broken_by(tmp_path, BREACHES[contract]) == red | {contract}


@pytest.mark.parametrize("case", MORE)
def test_what_else_is_red_and_what_is_in_order(case: str, red: set[str], tmp_path: Path) -> None:
    broken, module, lines = MORE[case]
    assert broken_by(tmp_path, {f"recoup_notifier/{module}": lines}) == red | broken
