"""Rooms: one with a store has modules of the house's names, or names each of its own; the tree tells the story."""

from .house import ROOT

THE_HOUSES = {"__init__", "routes", "loop", "handlers", "store", "domain", "metrics"}
ITS_OWN = {
    "recoup_gateway_adapter.accounts": {"doors", "sealing"},
    "recoup_gateway_adapter.facts": {"cursor", "events", "join", "reconcile", "republish"},
    "recoup_gateway_adapter.ingest": {"batches"},
    "recoup_gateway_adapter.work": {"together"},
    "recoup_notifier.compose": {
        "formats", "links", "liquid", "mail", "samples", "twins", "variables", "words",
    },
    "recoup_notifier.correspondence": {"known"},
    "recoup_retry_scheduler.cases": {"announce", "mind", "translate"},
}  # fmt: skip
"""Modules beyond the house's names, by room. Rooms without a store (gateways, channels, clients, rules) are free."""

OF_A_SERVICE = {"app", "cli", "config", "subscriptions"}
"""Modules of the service itself; whatever else stands beside them is a room."""


def rooms() -> dict[str, set[str]]:
    """Give the names in each room that has a store, by the room's dotted name."""
    found = {}
    for store in [
        *ROOT.glob("services/*/src/*/*/store.py"),
        *ROOT.glob("services/*/src/*/*/store/__init__.py"),
    ]:
        room = store.parent if store.name == "store.py" else store.parents[1]
        modules = {path.stem for path in room.glob("*.py")} | {
            path.parent.name for path in room.glob("*/__init__.py")
        }
        found[f"{room.parent.name}.{room.name}"] = modules
    return found


def test_a_room_with_a_store_has_the_houses_modules_or_names_its_own() -> None:
    strange = {room: names - THE_HOUSES - ITS_OWN.get(room, set()) for room, names in rooms().items()}
    assert {room: names for room, names in strange.items() if names} == {}


def test_beside_a_service_stand_no_modules_but_its_own() -> None:
    beside = {path.stem for path in ROOT.glob("services/*/src/*/*.py")} - {"__init__"}
    rooms_of_one_module = {"internal"}  # gateway-adapter's: who may call, one shape of refusal
    assert beside - OF_A_SERVICE - rooms_of_one_module == set()
