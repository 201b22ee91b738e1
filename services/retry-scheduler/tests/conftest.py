"""What the scheduler's tests share."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scheduler_life import Life

from recoup_retry_scheduler.cases.domain.case import Policy


@pytest.fixture
def life() -> Life:
    """A customer of a merchant with the default policy."""
    return Life()


@pytest.fixture
def life_with() -> Callable[..., Life]:
    """A customer of a merchant with another policy."""

    def make(**policy: Any) -> Life:
        return Life(policy=replace(Policy(), **policy))

    return make
