"""`charachbench methods`: list the methods, what they need, and whether they can run here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charachbench import about, config, output
from charachbench.commands import weights
from charachbench.errors import UserError, reason_for
from charachbench.generate import FOR_THE_HARNESS
from charachbench.protocols import LandmarkSource, Loadable, Method

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from omegaconf import DictConfig
    from rich.table import Table
    from rich.text import Text

GROUPS: dict[str, tuple[str, type[Loadable]]] = {
    "method": ("Methods: method=NAME", Method),
    "landmarks": ("Landmarks of characters: track=landmarks landmarks=NAME", LandmarkSource),
}
"""Whose choices are listed, under which title, and what they are."""
FOOTER = """charachbench methods method=NAME        all about one of them
charachbench setup method=NAME          get the repository and environment that an external one needs
charachbench weights method=NAME        get its weights
charachbench conformance method=NAME    check it against the contract"""


@dataclass
class Row:
    """A choice; what could not be found out keeps its default, and ``trouble`` says why.

    Attributes:
        group: of ``GROUPS``.
        name: the file's.
        kind: control, native, external or videos, see ``Loadable.kind``.
        track: on which it is compared.
        about: what it is; None where its configuration does not say.
        wants: settings that must be given.
        weights: what it needs of them.
        repositories: url, commit and Python version of what it runs.
        cpu: of an external one, whether it runs without a GPU.
        lacks: what is missing of its environment.
        trouble: what is wrong with it.
    """

    group: str
    name: str
    kind: str = ""
    track: str = ""
    about: about.About | None = None
    wants: list[str] = field(default_factory=list)
    weights: list[weights.Need] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)
    cpu: bool = False
    lacks: str = ""
    trouble: str = ""


def execute(settings: config.Config) -> list[str]:
    """Print the list, or all that is known of the chosen method."""
    from omegaconf import OmegaConf
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # a line for each, complete
    base = OmegaConf.structured(replace(settings, metrics={}))  # copied for each row
    if settings.method is not None:
        group = "landmarks" if settings.track is config.Track.landmarks else "method"
        row = describe(group, str(settings.method_name), lambda: base)
        output.show("methods", _told([row]), _one(row), console=console)
        return []
    found = {
        group: [describe(group, name, partial(with_choice, base, group, name, file)) for name, file in choices(group)]
        for group in GROUPS
    }
    tables = [_all(group, rows, console.is_terminal) for group, rows in found.items()]
    output.show("methods", _told(chain(*found.values())), *tables, Text(FOOTER), console=console)
    return []


def _told(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """The rows for programs."""
    for row in rows:
        yield {**vars(row), "weights": [{"name": need.name, "path": need.there()} for need in row.weights]}


def choices(group: str) -> list[tuple[str, Traversable]]:
    """Names and files of a group on Hydra's search path, a user's own among them."""
    import importlib.resources

    from hydra.core.hydra_config import HydraConfig

    found: dict[str, Traversable] = {}
    for source in HydraConfig.get().runtime.config_sources:
        if source.schema not in ("pkg", "file"):
            continue
        root: Traversable = importlib.resources.files(source.path) if source.schema == "pkg" else Path(source.path)
        folder = root / group
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.name.endswith(".yaml"):
                found.setdefault(file.name.removesuffix(".yaml"), file)  # the first on the path counts, as for Hydra
    return sorted(found.items())


def with_choice(base: DictConfig, group: str, name: str, file: Traversable) -> DictConfig:
    """The configuration with another choice of a group.

    Composing takes Hydra some 0.2 s, so a file that changes nothing but its own group is put into its place at once.
    """
    from hydra import compose
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    text = file.read_text(encoding="utf-8")
    if not re.search(r"^(defaults\s*:|#\s*@package)", text, re.MULTILINE):
        composed = base.copy()
        composed[group] = OmegaConf.create(text)
        return composed
    given = HydraConfig.get().overrides
    kept = [override for override in given.task if not override.lstrip("+~").startswith((group, "metric"))]
    return compose("config", [*given.hydra, *kept, "~metrics", "method_name=null", f"{group}={name}"])


def describe(group: str, name: str, read: Callable[[], DictConfig]) -> Row:
    """Find out all that can be, importing nothing heavy.

    Args:
        group: of ``GROUPS``.
        name: its choice.
        read: gives the configuration in which it was chosen; may raise anything.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    row = Row(group, name)
    try:
        _fill(row, read())
    except (HydraException, OmegaConfBaseException) as error:
        row.trouble = str(config.explain(error))
    except Exception as error:  # of a user's own file or class: whatever it is, it is what is to be said
        row.trouble = " ".join(reason_for(error).split())
    return row


def _fill(row: Row, composed: DictConfig) -> None:
    from omegaconf import OmegaConf

    group = row.group
    row.wants = sorted(OmegaConf.missing_keys(composed[group]))
    chosen: Any = OmegaConf.to_container(composed[group], resolve=True)
    if not isinstance(chosen, dict):
        raise UserError(f"{group}: is no mapping with a _target_, got {chosen!r}")
    if "about" in chosen:
        row.about = about.read(chosen["about"], f"{group}.about")
    own = {key: value for key, value in chosen.items() if key not in FOR_THE_HARNESS}
    node: Any = own.get("source") if group == "landmarks" else own
    config.locate(node, group)
    nodes = list(_within(node))
    classes = [config.locate(inner, group) for inner in nodes if "_target_" in inner]
    kinds = {kind for found in classes if (kind := getattr(found, "kind", "native")) != "native"}
    row.kind = "control" if chosen.get("control") else next(iter(kinds), "native")
    row.track = "landmarks" if group == "landmarks" else _track(node)
    for inner in nodes:
        if isinstance(source := inner.get("repository"), dict):
            python = inner.get("environment", {}).get("python")
            row.cpu = bool(inner.get("cpu", False))
            row.repositories.append(f"{source.get('url')} at {source.get('commit')}, Python {python}")
    row.weights = weights.needs(config.Config(method=node))
    if not row.wants:
        row.lacks = config.build(node, group, GROUPS[group][1]).lacks()


def _within(node: Any) -> Iterator[Mapping[str, Any]]:
    """A node and all mappings in it."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _within(inner)


def _track(node: dict[str, Any]) -> str:
    if node.get("_target_") != "methods.landmark_driven.LandmarkDriven" or node.get("animator") is not None:
        return "animation"
    return "landmarks" if node.get("retargeting") is None else "retargeting"


def _all(group: str, rows: list[Row], stacked: bool) -> Table:
    """A line for each; several, on a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=GROUPS[group][0], box=box.SIMPLE, title_justify="left", title_style="bold")
    for column in ("name, kind, track", "needs", "what it is, licence"):
        table.add_column(column, overflow="fold", no_wrap=column != "what it is, licence")
    for row in rows:
        kind = Text(", ".join(filter(None, [row.kind, row.track])), "dim")
        table.add_row(
            Text("\n" if stacked else "  ").join([Text(row.name, "bold"), kind]),
            Text("\n" if stacked else ", ").join(_needs(row)),
            Text("\n" if stacked else "; ").join(_summary(row)),
        )
    return table


def _needs(row: Row) -> Iterator[Text]:
    from rich.text import Text

    if row.weights:
        there = sum(need.there() is not None for need in row.weights)
        yield Text(f"weights: {there} of {len(row.weights)}", _style(there == len(row.weights)))
    if environment := _environment(row):
        yield Text(f"environment: {environment}", _style(not row.lacks))
    if memory := _memory(row):
        yield Text(f"GPU: {memory}")
    if row.about is not None and row.about.needs_face:
        yield Text("a human face")


def _summary(row: Row) -> Iterator[Text]:
    from rich.text import Text

    if row.about is not None:
        yield Text(row.about.citation or row.about.title)
        if row.about.licence:
            yield Text(row.about.licence, "dim")
    for key in row.wants:
        yield Text(f"give {key}=VALUE", "yellow")
    if row.trouble:
        yield Text(row.trouble, "red")


def _memory(row: Row) -> str:
    """What it takes on a GPU; empty where it needs none, or nothing is said."""
    if row.about is None or row.about.gpu_memory_gib == 0:
        return ""
    memory = row.about.gpu_memory_gib
    said = "memory not known" if memory is None else f"{memory:g} GiB"
    return f"{said}; or a CPU" if row.cpu else said


def _environment(row: Row) -> str:
    if row.lacks:
        return "missing"
    return "ready" if row.kind == "external" and not (row.trouble or row.wants) else ""


def _style(well: bool) -> str:
    return "green" if well else "red"


def _one(row: Row) -> Table:
    """All that is known of it."""
    from rich.table import Table
    from rich.text import Text

    entries = [("name", row.name), ("kind", row.kind), ("track", row.track)]
    if row.about is not None:
        told = row.about
        entries += [("what it is", told.title), ("citation", told.citation), ("url", told.url)]
        entries += [("licence", told.licence), ("GPU", _memory(row) or "not needed")]
        entries += [("needs a face", "yes, on the character" if told.needs_face else "no"), ("note", told.note)]
    entries += [("repository", source) for source in row.repositories]
    entries += [("environment", row.lacks or _environment(row))]
    for need in row.weights:
        entries.append(("weights", f"{need.name}: {need.there() or 'missing'}"))
    entries += [("trouble", row.trouble)]
    grid = Table.grid(padding=(0, 2))
    for name, text in entries:
        if text:
            grid.add_row(Text(name, "bold", no_wrap=True), Text(text, overflow="fold"))
    return grid
