"""The two ways in which something can end without being a bug."""


class UserError(Exception):
    """Wrong input or setting: one sentence that says what was wrong, where, and what is accepted.

    Shown without a traceback.
    """


class Unscored(Exception):  # noqa: N818 - an outcome, not an error
    """Raised by a metric that cannot score a pair; the message is the reason shown in the tables."""
