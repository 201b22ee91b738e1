"""Card numbers, check codes and secrets that nobody else has, and a finder that owes nothing to the product's."""

import random
import re
from dataclasses import dataclass, field

_DIGITS = re.compile(r"[0-9](?:[ .\-\u00a0+]?[0-9]){13,}")
_TOKENS = re.compile(r"(?:sk_live|sk_test|rk_live|whsec)_[A-Za-z0-9]{16,}")
_CODES = re.compile(r"(?:cvc|CVV|cvv2)[^0-9A-Za-z]{1,4}([0-9]{3})\b")
_HEX = re.compile(r"\\x([0-9a-f]{20,})")
LENGTH = 16


@dataclass
class Planted:
    """What was planted, to be looked for."""

    draw: random.Random
    numbers: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)

    def number(self) -> str:
        """Give a new card number: a brand's first digits, drawn digits, Luhn's check digit."""
        first = self.draw.choice(("4", "51", "55", "2221", "2720", "6011", "65"))
        body = first + "".join(self.draw.choices("0123456789", k=LENGTH - 1 - len(first)))
        number = body + _check_digit(body)
        self.numbers.add(number)
        return number

    def written(self) -> str:
        """Give a new card number as people write one, sometimes in a sentence and with its check code."""
        number = self.number()
        between = self.draw.choice(("", "", " ", "-", ".", "\u00a0"))
        groups = between.join(number[n : n + 4] for n in range(0, LENGTH, 4))
        code = f"{self.draw.randrange(100, 1000)}"
        return self.draw.choice(
            (
                groups,
                f"my card: {groups}",
                f"({groups}) thanks",
                f"{groups} 12/28 cvc {code}",
                f"CVV: {code}, {groups}",
            )
        )

    def token(self) -> str:
        """Give a new secret as a gateway writes them."""
        kind = self.draw.choice(("sk_live", "sk_test", "rk_live", "whsec"))
        letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ123456789"
        token = f"{kind}_{''.join(self.draw.choices(letters, k=24))}"
        self.tokens.add(token)
        return token

    def anything(self) -> str:
        """Give a card number or a secret."""
        return self.written() if self.draw.random() < 0.75 else f"key {self.token()}"

    def found_in(self, text: str) -> list[str]:
        """Give what of it stands here, bytes that a database shows as hexadecimal digits included."""
        for run in _HEX.findall(text):
            text += "\n" + bytes.fromhex(run[: len(run) // 2 * 2]).decode("utf-8", "replace")
        found = [f"{code} as a check code" for code in _CODES.findall(text) if code != "000"]
        found += [token for token in _TOKENS.findall(text) if token in self.tokens]
        found += [word for word in self.other if word in text]
        for run in _DIGITS.findall(text):
            digits = re.sub("[^0-9]", "", run)
            windows = {digits[n : n + LENGTH] for n in range(len(digits) - LENGTH + 1)}
            found += sorted(windows & self.numbers)
        return found


def _check_digit(body: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)
