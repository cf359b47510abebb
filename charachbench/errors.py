"""The ways in which something can end without being a bug."""

from typing import Literal

from charachbench.secrecy import hidden

FailureKind = Literal["no_face", "out_of_memory", "time_limit", "died", "error"]


class UserError(Exception):
    """Wrong input or setting: one sentence that says what was wrong, where, and what is accepted.

    Shown without a traceback.
    """


class PairFailure(UserError):  # noqa: N818 - an outcome too
    """A method could not do a pair, and says of which kind that is.

    Attributes:
        kind: ``no_face`` (where the method needs one), ``out_of_memory``, ``time_limit``,
            ``died`` (its process did) or ``error``.
        log: what the method printed, for the store.
    """

    def __init__(self, message: str, kind: FailureKind = "error", log: str = "") -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.log = log


class Unscored(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by a metric that cannot score a pair; the message is the reason shown in the tables."""


def reason_for(error: Exception) -> str:
    """An exception in one line, its kind named unless the message was written for the user; without secrets."""
    return hidden(str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
