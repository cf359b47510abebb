"""What features, embeddings and part finders have in common."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from charachbench import keys
from charachbench.protocols import Device


class Model:
    """Makes something of images, each independently of the others; its constructor only stores and checks arguments.

    Every argument is stored under its own name.

    Attributes:
        version: raised whenever what it makes can change.
    """

    version: ClassVar[int] = 1

    def fingerprint(self) -> str:
        """Hash of whatever decides what it makes beside the configuration: weights, package versions.

        Raises:
            UserError: weights or a package are missing.
        """
        return ""

    def load(self, device: Device) -> None:
        """Load weights onto a device; called once, before first use.

        Raises:
            UserError: weights are missing or cannot be loaded.
        """

    def settings(self) -> dict[str, Any]:
        """Its class, and its arguments."""
        names = list(inspect.signature(type(self)).parameters)
        return {"class": f"{type(self).__module__}.{type(self).__qualname__}", **{n: getattr(self, n) for n in names}}

    def identity(self) -> str:
        """Hash of all that decides what it makes of an image; how many go through at once does not."""
        decisive = {name: value for name, value in self.settings().items() if name != "batch"}
        return keys.digest({**decisive, "version": self.version, "fingerprint": self.fingerprint()})
