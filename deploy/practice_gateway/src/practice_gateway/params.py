"""One request's parameters, read by name and type; what nobody read is refused as unknown."""

from typing import Any

from practice_gateway.errors import invalid_request, missing

MAX_METADATA_KEYS = 50  # docs.stripe.com/api/metadata


class Params:
    """Reads parameters and remembers which were read. An empty string means "unset", as at Stripe."""

    def __init__(self, values: dict[str, Any], prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix
        self._read: set[str] = set()
        self._children: list[Params] = []

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def _name(self, name: str) -> str:
        return f"{self._prefix}[{name}]" if self._prefix else name

    def raw(self, name: str) -> Any:
        """Return a value as it came, None when absent."""
        self._read.add(name)
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """Return a string; None when absent or unset."""
        value = self.raw(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise invalid_request(f"Invalid string: {value!r}", param=self._name(name))
        return value

    def required(self, name: str) -> str:
        """Return a string that must be there."""
        value = self.text(name)
        if value is None:
            raise missing(self._name(name))
        return value

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Return a string out of a closed set."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise invalid_request(
                f"Invalid {self._name(name)}: must be one of {', '.join(allowed)}", param=self._name(name)
            )
        return value

    def integer(self, name: str, *, least: int | None = None, most: int | None = None) -> int | None:
        """Return a whole number within its bounds."""
        value = self.text(name)
        if value is None:
            return None
        try:
            number = int(value)
        except ValueError:
            raise invalid_request(
                f"Invalid integer: {value}", code="parameter_invalid_integer", param=self._name(name)
            ) from None
        if (least is not None and number < least) or (most is not None and number > most):
            raise invalid_request(
                f"Invalid {self._name(name)}: must be from {least} to {most}", param=self._name(name)
            )
        return number

    def flag(self, name: str) -> bool | None:
        """Return a boolean."""
        value = self.text(name)
        if value is None:
            return None
        if value not in ("true", "false"):
            raise invalid_request(f"Invalid boolean: {value}", param=self._name(name))
        return value == "true"

    def texts(self, name: str) -> list[str] | None:
        """Return a list of strings; empty when unset, None when absent."""
        value = self.raw(name)
        if value is None:
            return None
        if value == "":
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid_request("Invalid array", param=self._name(name))
        return value

    def nested(self, name: str) -> "Params":
        """Return the parameters under a name; empty when absent."""
        value = self.raw(name)
        if value is None or value == "":
            value = {}
        if not isinstance(value, dict):
            raise invalid_request("Invalid object", param=self._name(name))
        child = Params(value, self._name(name))
        self._children.append(child)
        return child

    def each(self, name: str) -> list["Params"]:
        """Return the parameters of each element of a list."""
        value = self.raw(name) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise invalid_request("Invalid array", param=self._name(name))
        children = [Params(item, f"{self._name(name)}[{index}]") for index, item in enumerate(value)]
        self._children.extend(children)
        return children

    def strings(self, name: str) -> dict[str, str] | None:
        """Return a map of strings, such as metadata or an address; None when absent."""
        value = self.raw(name)
        if value is None:
            return None
        if value == "":
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise invalid_request("Invalid hash", param=self._name(name))
        if len(value) > MAX_METADATA_KEYS:
            raise invalid_request(
                f"{self._name(name)} has at most {MAX_METADATA_KEYS} keys", param=self._name(name)
            )
        return value

    def accept(self, *names: str) -> None:
        """Take documented parameters that change nothing here."""
        self._read.update(names)

    def done(self) -> None:
        """Refuse what nobody read; called before anything has an effect.

        Raises:
            StripeError: 400 parameter_unknown, naming the first.
        """
        for name in self._values:
            if name not in self._read:
                full = self._name(name)
                raise invalid_request(
                    f"Received unknown parameter: {full}", code="parameter_unknown", param=full
                )
        for child in self._children:
            child.done()


def merge_metadata(current: dict[str, str], changes: dict[str, str] | None) -> dict[str, str]:
    """Return metadata with changes applied; an empty value removes its key, an empty map removes all."""
    if changes is None:
        return current
    if not changes:
        return {}
    merged = {**current, **changes}
    return {key: value for key, value in merged.items() if value != ""}
