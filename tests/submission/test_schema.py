"""The schema that is published is the one that is checked."""

import json
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from charachbench.submission.schema import Manifest

DOCS = Path(__file__).parents[2] / "docs"


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """A line of the table for each entry, those within it after it."""
    for name, field in model.model_fields.items():
        listed = typing.get_args(field.annotation) if typing.get_origin(field.annotation) is list else ()
        (inner,) = listed or (field.annotation,)
        within = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
        where = f"{prefix}{field.alias or name}{'[]' if listed and within else ''}"
        yield f"| `{where}` | {' '.join((field.description or '').split())} |"
        if within is not None:
            yield from rows(within, f"{where}.")


def test_the_page_has_the_whole_schema_as_a_table() -> None:
    page = (DOCS / "submissions.md").read_text(encoding="utf-8")
    assert "\n".join(["| `manifest.json` | |", "| --- | --- |", *rows(Manifest)]) in page


def test_the_file_is_the_schema() -> None:
    assert json.loads((DOCS / "bundle.schema.json").read_text(encoding="utf-8")) == Manifest.model_json_schema()


def test_everything_is_described() -> None:
    assert not [row for row in rows(Manifest) if row.endswith("|  |")]
