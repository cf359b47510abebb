"""What the files of a run must say to be believed: one that does not is as good as missing, and is made again.

Names of files are those that the store gives; nothing in a file leads out of its folder.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def is_record(value: Any) -> bool:
    """Whether that is what ``record.json`` holds, of a pair that was made or one that failed."""
    return _fits("record", value)


def is_score(value: Any) -> bool:
    """Whether that is one of the scores in ``scores.json``."""
    return _fits("score", value)


def is_run(value: Any) -> bool:
    """Whether that is what ``run.json`` holds: all fields of ``RunInfo``, and no others."""
    return _fits("run", value)


def _fits(what: str, value: Any) -> bool:
    from pydantic import ValidationError

    try:
        _schemas()[what].validate_python(value)
    except ValidationError:
        return False
    return True


def _is_moment(text: str) -> str:
    """Of a clock whose zone is known, so that any two can be compared."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no zone")
    return text


@cache
def _schemas() -> dict[str, TypeAdapter[Any]]:
    """By name; made when first needed, since pydantic takes its time."""
    from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, create_model

    hexadecimal = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    moment = Annotated[str, AfterValidator(_is_moment)]
    amount: Any = Annotated[float, Field(ge=0)]
    count: Any = Annotated[int, Field(ge=1, le=10**9)]
    array = Annotated[str, Field(pattern=r"^\w[\w.-]{0,120}\.npy$")]  # as ``folder_name`` makes it
    outputs = Literal["video.mkv", "landmarks.npy", "first_landmarks.npy"]
    loose = ConfigDict(strict=True, allow_inf_nan=False)
    exact = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

    def model(name: str, *, config: ConfigDict = loose, **fields: Any) -> type[BaseModel]:
        told: dict[str, Any] = {key: kind if isinstance(kind, tuple) else (kind, ...) for key, kind in fields.items()}
        return create_model(name, __config__=config, **told)

    common: dict[str, Any] = {"pair": str, "inputs": dict[str, str], "finished": moment, "in_use_since": (moment, "")}
    made = model(
        "Made", **common, status=Literal["ok"], method=str, sources=str, outputs=dict[outputs, hexadecimal],
        fps=Annotated[float, Field(gt=0)], frames=count, size=Annotated[list[count], Field(min_length=2, max_length=2)],
        seconds=model("Seconds", generate=amount), frames_per_second=amount, degraded=(str, ""),
        peak_memory_mib=model("Peak", ram=amount | None, gpu=amount | None),
        code=model("Code", version=str, commit=str | None, dirty=bool | None),
        packages=dict[str, str], device=str, device_name=str,
    )  # fmt: skip
    failed = model("Failed", **common, status=Literal["failed"], method=str, reason=str, kind=str)
    scored = model("Scored", status=Literal["scored"], value=float | None, array=array, reference=hexadecimal | None)
    unscored = model("Unscored", status=Literal["unscored", "error"], reason=str)
    run = model(
        "Run", config=exact, key=hexadecimal, method_name=str, method=dict[str, Any],
        given=list[Literal["truth", "landmarks"]], control=bool, versions=dict[str, int], seed=int,
        benchmark=dict[str, Any], random=bool, codec=(str, "lossless"), number=(int, Field(alias="schema")),
    )  # fmt: skip
    kinds: dict[str, Any] = {"record": made | failed, "score": scored | unscored, "run": run}
    return {name: TypeAdapter(kind) for name, kind in kinds.items()}
