"""`tutor check UNIT --test-out`: who passes all checks of a unit may skip its lesson."""

from __future__ import annotations

from dataclasses import dataclass

import click

from exercises import workspace
from exercises.report import Report
from exercises.spec import Exercise
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.cli.exercise import as_data, check_one, exit_code, print_report, submission_of
from tutor.cli.output import emit_json
from tutor.cli.study import open_record


@dataclass(frozen=True)
class Missing:
    """An exercise that keeps the learner from testing out, and why."""

    exercise: str
    reason: str


def test_out(found: list[Exercise], settings: Settings, as_json: bool) -> int:
    """Check the learner's submissions to all exercises of a unit; where all pass, record that the
    unit was tested out of.

    An exercise that was never opened is not graded: its starter cannot pass. The reports go into
    the record as those of every check do.
    """
    opened = [e for e in found if workspace.submission(e, settings).origin != "starter"]
    reports = [check_one(e, submission_of(e, settings), settings) for e in opened]
    missing = _missing(found, reports)
    unit = found[0].unit
    if not missing:
        record = open_record()
        record.test_outs.record(unit, reports)
        record.close()
    if as_json:
        emit_json(
            {
                "unit": unit,
                "tested_out": not missing,
                "missing": missing,
                "reports": [as_data(report) for report in reports],
            }
        )
    else:
        for report in reports:
            print_report(report)
        _print(unit, missing)
    if not missing:
        return Exit.OK
    return exit_code(reports) or Exit.NOT_PASSED


def _missing(found: list[Exercise], reports: list[Report]) -> list[Missing]:
    graded = {report.exercise: report for report in reports}
    missing = []
    for exercise in found:
        report = graded.get(exercise.id)
        if report is None:
            reason = say("never opened", "尚未打开过")
        elif report.passed:
            continue
        else:
            reason = say(
                f"{report.points} of {report.max_points} points",
                f"{report.points}/{report.max_points} 分",
            )
            reason += f"  {report.message}" if report.message else ""
        missing.append(Missing(exercise.id, reason))
    return missing


def _print(unit: str, missing: list[Missing]) -> None:
    if not missing:
        click.echo(
            say(
                f"{unit}: tested out. You may skip its lesson; `tutor lesson {unit}` still opens "
                "it.",
                f"{unit}：已免修，可以跳过课文；想读时仍可执行 `tutor lesson {unit}`。",
            )
        )
        return
    click.echo(say(f"{unit}: not tested out. Missing:", f"{unit}：未能免修，还差："))
    for each in missing:
        click.echo(f"  {each.exercise}  {each.reason}")
