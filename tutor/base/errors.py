"""The one error that reaches a user, and the exit codes of every command."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit status means."""

    OK = 0
    NOT_PASSED = 1
    USAGE = 2
    MISSING = 3
    TIMED_OUT = 4
    DEFECT = 70  # as sysexits.h has it
    INTERRUPTED = 130


class TutorError(Exception):
    """Something a user can act on.

    message: what went wrong, one line.
    hint: what to do next; a command where there is one. Empty where nothing helps.
    code: the exit status of the command that ends with it.
    """

    def __init__(self, message: str, hint: str = "", code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class MissingError(TutorError):
    """A model, a knowledge base, a network or a permission that the command needs is not there."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, Exit.MISSING)


def nearest(word: str, known: list[str]) -> str:
    """Name the known words nearest to `word`, for the hint of a usage error."""
    import difflib

    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4)
    return ", ".join(close or known)
