"""Secrets stay out of what is printed and stored: passwords in addresses, and what the environment keeps in secret."""

from __future__ import annotations

import os
import re
from typing import Any

HIDDEN = "…"
NAMES = re.compile(r"(^|_)(token|secret|password|passwd|api_?key|key|credentials?)$", re.IGNORECASE)
"""How settings and environment variables are called that hold secrets."""
_LEAST = 8
"""Characters of an environment variable from which on it is looked for: shorter ones are in any text."""
_USER = re.compile(r"(?<=://)[^\s/?#'\"<>@]+(:[^\s/?#'\"<>]*)?@")
_SIGNED = re.compile(r"(?<=[?&])([\w.-]*(?:token|signature|secret|password|key|credential)[\w.-]*)=[^\s&#'\"<>]+", re.I)


def hidden(text: str) -> str:
    """A text without user and password of addresses, signatures in their queries, and values of secret variables."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return _SIGNED.sub(rf"\1={HIDDEN}", _USER.sub("", text))


def without_secrets(settings: Any) -> Any:
    """Nested settings, in which what is called like a secret is hidden, and in other texts what ``hidden`` hides."""
    if isinstance(settings, dict):
        return {
            name: HIDDEN if isinstance(value, str) and NAMES.search(str(name)) else without_secrets(value)
            for name, value in settings.items()
        }
    if isinstance(settings, list | tuple):
        return [without_secrets(value) for value in settings]
    return hidden(settings) if isinstance(settings, str) else settings


def secrets() -> list[str]:
    """Values of environment variables that are called like secrets, the longest first: one may be part of another."""
    found = {value for name, value in os.environ.items() if NAMES.search(name) and len(value) >= _LEAST}
    return sorted(found, key=len, reverse=True)
