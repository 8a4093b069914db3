"""A learner's function called by a criterion: what is not written yet is said so, criterion by
criterion, and is no traceback."""

from __future__ import annotations

from typing import Any

import pytest

from tutor.base.i18n import say


def call(criterion: str, function: Any, *arguments: Any, **named: Any) -> Any:
    """Call the learner's function; a gap fails with a message of this criterion's own."""
    try:
        return function(*arguments, **named)
    except NotImplementedError as gap:
        pytest.fail(
            say(
                f"{criterion} cannot be checked yet: {gap}",
                f"还无法检查 {criterion}，缺少实现：{gap}",
            )
        )
