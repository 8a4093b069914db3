"""Tested out: a unit whose checks the learner passed to skip its lesson.

A row of evidence of its own, beside those of the checks that prove it: exercise is then the unit,
criterion "tested_out", and check_id the last of those checks, whose time is the row's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tutor.base.i18n import say

if TYPE_CHECKING:
    from sqlite_utils import Database

TESTED_OUT = "tested_out"


class TestOuts:
    """The units that were tested out of, in the record."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def record(self, unit: str, reports: Sequence[Any]) -> None:
        """Keep that these reports, recorded just now, are those of all the unit's exercises and
        that all passed. Once a unit: a second time changes nothing.

        Raises ValueError where one did not pass: that is no evidence.
        """
        if not reports or not all(report.passed for report in reports):
            raise ValueError(f"{unit}: not every exercise passed")
        with self.db.atomic():
            if unit in self.units():
                return
            (last,) = self.db.execute(
                "SELECT max(id) FROM checks WHERE exercise = ?", [reports[-1].exercise]
            ).fetchone()
            self.db.table("evidence").insert(
                {
                    "check_id": last,
                    "exercise": unit,
                    "criterion": TESTED_OUT,
                    "passed": 1,
                    "points": 0,  # the exercises' own rows carry them
                    "figures": json.dumps({"exercises": len(reports)}),
                }
            )

    def units(self) -> dict[str, float]:
        """Return when each of those units was tested out of (Unix time)."""
        return dict(
            self.db.execute(
                "SELECT e.exercise, c.at FROM evidence e JOIN checks c ON c.id = e.check_id "
                "WHERE e.criterion = ? ORDER BY c.at",
                [TESTED_OUT],
            ).fetchall()
        )


def lesson_note(at: float) -> str:
    """Return the line at the head of a lesson whose unit was tested out of."""
    day = time.strftime("%Y-%m-%d", time.localtime(at))
    return say(
        f"Tested out on {day}: you passed all checks of this unit and may skip this lesson. "
        "You may still read it.",
        f"{day} 已免修：本单元的检查你已全部通过，可以跳过这篇课文，当然也可以照读。",
    )
