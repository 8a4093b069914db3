"""Settings for the interface."""

from __future__ import annotations

from tutor.base import settings
from tutor.base.i18n import language, use_language
from tutor.base.settings import Settings


def current() -> Settings:
    """Read the settings, keeping the language that is on the screen: TUTOR_LANGUAGE, which wins
    over the file, must not undo the learner's switch."""
    shown = language()
    try:
        return settings.load()
    finally:
        use_language(shown)


def save_language(lang: str) -> None:
    """Keep the choice in the settings and put it into force.

    Raises TutorError or OSError where it cannot be kept; it is in force even so.
    """
    try:
        settings.update(language=lang)
    finally:
        use_language(lang)
