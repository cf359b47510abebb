"""The two ways in which something can end without being a bug."""


class UserError(Exception):
    """Wrong input or setting: one sentence that says what was wrong, where, and what is accepted.

    Shown without a traceback.
    """


class Unscored(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by a metric that cannot score a pair; the message is the reason shown in the tables."""


def reason_for(error: Exception) -> str:
    """An exception in one line, its kind named unless the message was written for the user."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
