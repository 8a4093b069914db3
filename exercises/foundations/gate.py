"""Training comes last: a criterion that trains waits until the quick ones hold.

Wrong data or a wrong step would only be trained on, for half a minute, to say less clearly what
the quick criterion has said already.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from exercises.pytest_plugin import criterion_of
from tutor.base.i18n import say


class Gate:
    """Knows which of the criteria that it decorates have held in this check."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a quick criterion."""
        name = test.__name__.removeprefix("test_")
        self.waiting.append(name)

        @functools.wraps(test)
        def noted(**fixtures: Any) -> None:
            test(**fixtures)
            self.waiting.remove(name)

        return noted

    def require(self, request: pytest.FixtureRequest) -> None:
        """Fail this criterion while a quick one of this check does not hold."""
        # A check by one criterion leaves the quick ones out: nothing would ever empty the list.
        asked = {criterion_of(item) for item in request.session.items}
        if waiting := [name for name in self.waiting if name in asked]:
            criterion = criterion_of(request.node)
            pytest.fail(
                say(
                    f"{criterion} trains a model, and is decided once these hold: "
                    f"{', '.join(waiting)}",
                    f"{criterion} 需要训练模型，待以下各项通过后才会判定：{'、'.join(waiting)}",
                )
            )
