"""The toy repository, set up once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from methods.external import External
from tests.methods.external import upstream
from tests.methods.external.upstream import Toy


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Set up with the packages and the commit that all recipes of it have."""
    toy = upstream.make(tmp_path_factory.mktemp("toy"))
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, toy)
        upstream.method(toy).set_up()
    return toy


def environment(patch: pytest.MonkeyPatch, toy: Toy) -> None:
    """No network, and nothing of this machine's settings."""
    patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    patch.setenv("CHARACBENCH_EXTERNAL", str(toy.external))
    patch.setenv("UV_OFFLINE", "1")
    patch.setenv("UV_CACHE_DIR", str(toy.checkpoint.parent / "uv"))


@pytest.fixture
def toy(installed: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The same for every test; those that set something up themselves point ``CHARACBENCH_EXTERNAL`` elsewhere."""
    environment(monkeypatch, installed)
    return installed


@pytest.fixture
def loaded(toy: Toy) -> Iterator[Callable[..., External]]:
    """Makes methods that are loaded on the CPU, and closes them."""
    made: list[External] = []

    def load(*flags: str, **changes: Any) -> External:
        made.append(upstream.method(toy, *flags, **changes))
        made[-1].load("cpu")
        return made[-1]

    yield load
    for method in made:
        method.close()
