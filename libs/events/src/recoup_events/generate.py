"""Write the contract down for people and machines: AsyncAPI 3, JSON Schema, docs/events.md. All from the models.

`python -m recoup_events.generate DIR` writes them; with `--check` it writes nothing and fails where one is stale.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recoup_events.models import EVENTS, CustomerEvent, Event
from recoup_events.topics import TOPICS, Topic

_CE = "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md"

_HEADERS = {
    "ce_specversion": "always 1.0",
    "ce_id": "the fact's id (UUIDv5), the same from every messenger",
    "ce_type": "the event's type, its version included",
    "ce_source": "who says so",
    "ce_subject": "the aggregate",
    "ce_time": "the fact's time, on the merchant's clock, UTC",
    "ce_recoupmerchant": "the merchant",
    "ce_recoupcustomer": "the customer, where there is one",
    "traceparent": "W3C trace context, where the announcer was traced",
}


def files() -> dict[str, str]:
    """Give every generated file by its path below `docs/`."""
    schemas = {event.ce_type(): event.model_json_schema(mode="serialization") for event in EVENTS}
    generated = {f"schemas/{name}.json": _dump(schema) for name, schema in schemas.items()}
    generated["asyncapi.json"] = _dump(_asyncapi())
    generated["events.md"] = "\n".join(_page()) + "\n"
    return generated


def _asyncapi() -> dict[str, Any]:
    channels, operations, messages = {}, {}, {}
    for event in EVENTS:
        name, key = event.TOPIC.name, event.__name__
        messages[key] = {
            "name": event.ce_type(),
            "summary": _about(event),
            "contentType": "application/json",
            "headers": {
                "type": "object",
                "properties": {
                    header: {"type": "string", "description": text} for header, text in _HEADERS.items()
                },
            },
            "payload": {"$ref": f"schemas/{event.ce_type()}.json"},
            "bindings": {"kafka": {"key": {"type": "string", "description": f"merchant_id/{event.KEY}"}}},
        }
        channels[name] = {
            "address": name,
            "description": event.TOPIC.about,
            "messages": {key: {"$ref": f"#/components/messages/{key}"}},
            "bindings": {"kafka": {"topicConfiguration": {"cleanup.policy": [_policy(event.TOPIC)]}}},
        }
        operations[f"receive.{name}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Recoup events",
            "version": "1.0.0",
            "description": f"CloudEvents 1.0 in the Kafka binary binding ({_CE}).",
            "license": {"name": "Apache-2.0"},
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _page() -> Iterator[str]:
    yield "# Events"
    yield ""
    yield "Generated from `recoup_events.models` by `make docs`; `make check` fails when it is stale."
    yield ""
    yield f"Every event is a [CloudEvent 1.0 in the Kafka binary binding]({_CE}): these headers, and a JSON value."
    yield ""
    yield "| header | meaning |"
    yield "|---|---|"
    yield from (f"| `{header}` | {text} |" for header, text in _HEADERS.items())
    yield ""
    yield "Fields are only ever added. A value that an enumeration does not know reads as `unknown`."
    yield ""
    yield "| topic | carries | kept |"
    yield "|---|---|---|"
    yield from (f"| `{t.name}` | {t.about} | {_kept(t)} |" for t in TOPICS.values())
    for event in EVENTS:
        yield ""
        yield f"## `{event.ce_type()}`"
        yield ""
        yield from (line.strip() for line in (event.__doc__ or "").strip().splitlines())
        yield ""
        keyed = "ordered by customer" if issubclass(event, CustomerEvent) else "ordered by merchant"
        yield f"Topic `{event.TOPIC.name}`, key `merchant_id/{event.KEY}`, {keyed}."
        yield ""
        yield "| field | type | |"
        yield "|---|---|---|"
        schema = event.model_json_schema(mode="serialization")
        required = schema.get("required", [])
        for name, field in schema["properties"].items():
            yield f"| `{name}` | {_type(field, schema)} | {'required' if name in required else 'optional'} |"


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option, schema) for option in field["anyOf"])
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        target = schema["$defs"][name]
        if "enum" in target:
            return " ".join(f"`{value}`" for value in target["enum"])
        return f"{name} (" + ", ".join(f"`{inner}`" for inner in target["properties"]) + ")"
    if field.get("type") == "array":
        return f"list of {_type(field['items'], schema)}" if "items" in field else "list"
    kind = str(field.get("type", "any value"))
    return f"{kind} ({field['format']})" if "format" in field else kind


def _about(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().splitlines()[0]


def _policy(topic: Topic) -> str:
    return "compact" if topic.snapshot else "delete"


def _kept(topic: Topic) -> str:
    kept = "the newest of each key" if topic.snapshot else "90 days"
    return f"{kept}; personal data, own access list" if topic.personal else kept


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def main() -> int:
    """Write the files, or with `--check` say which are stale (exit 1)."""
    parser = argparse.ArgumentParser(prog="python -m recoup_events.generate", description=__doc__)
    parser.add_argument("folder", type=Path, help="where docs/ lies")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is stale")
    args = parser.parse_args()
    stale = []
    for name, text in files().items():
        path: Path = args.folder / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not args.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    for name in stale:
        sys.stdout.write(f"{'stale' if args.check else 'wrote'}: {name}\n")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
