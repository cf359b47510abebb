from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.retargeting import loops
from charachbench.errors import UserError
from charachbench.landmarks import mean_shape
from charachbench.protocols import Retargeting
from methods.faceshot.retargeting import (
    Direct,
    FaceShot,
    FaceShotContinuous,
    Similarity,
    continuous,
    direct,
    retarget,
    similarity,
)

CASES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "cases" / "retargeting.npz"
BROW, RAISED = slice(17, 22), 18

Function = Callable[[np.ndarray, np.ndarray], np.ndarray]
every = pytest.mark.parametrize("function", [retarget, continuous, direct, similarity])
seeds = st.integers(0, 10_000)


def face(seed: int, size: float = 300) -> np.ndarray:
    """A face with features of its own, tilted a little, (68, 2)."""
    random = np.random.default_rng(seed)
    points = mean_shape.fit(np.array([0, 0, size, size])) + random.normal(0, size / 75, (68, 2))
    return turned(points, random.normal(0, 0.2)) + 100


def moving(first: np.ndarray, seed: int, frames: int = 4) -> np.ndarray:
    """A driver that starts at ``first`` and then is anywhere near, (T, 68, 2)."""
    random = np.random.default_rng(seed + 20_000)
    driver = np.stack([turned(first, angle) for angle in random.normal(0, 0.2, frames)])
    driver += random.normal(0, 10, (frames, 1, 2)) + random.normal(0, random.choice([0.5, 3, 10]), driver.shape)
    driver[0] = first
    return driver


def turned(points: np.ndarray, angle: float, scale: float = 1) -> np.ndarray:
    """Turned about their own centre."""
    centre, sine, cosine = points.mean(axis=0), np.sin(angle), np.cos(angle)
    return centre + scale * (points - centre) @ np.array([[cosine, sine], [-sine, cosine]])


@pytest.mark.skipif(not CASES.exists(), reason="needs shared/data/cases/retargeting.npz")
@pytest.mark.parametrize("case", ["d18_boy", "d18_cartoon", "d19_terracotta_tilted", "d19_cartoon_rounded"])
def test_equals_the_reference_implementation(case: str) -> None:
    with np.load(CASES) as cases:
        driver, character, expected = (cases[f"{case}/{key}"] for key in ("driver", "character", "expected"))
    found = retarget(driver, character)
    assert found.dtype == np.float64
    assert np.abs(found - expected).max() < 1e-9


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from([8, 40, 300]), st.sampled_from([8, 40, 300]), st.booleans())
def test_equals_the_rules_one_number_at_a_time(seed: int, size: float, own_size: float, closed: bool) -> None:
    driver, character = moving(face(seed, size), seed), face(seed + 1, own_size)
    if closed:
        driver[:2, 65:68] = driver[:2, 63:60:-1] + 0.3
    assert retarget(driver, character) == pytest.approx(loops(driver, character), abs=1e-6)


@every
@settings(deadline=None, max_examples=10)
@given(seeds)
def test_frame_0_is_the_character(function: Function, seed: int) -> None:
    driver, character = moving(face(seed), seed), face(seed + 1)
    assert np.array_equal(function(driver, character)[0], character)
    assert np.array_equal(function(driver[:1], character), character[None])


@every
@settings(deadline=None, max_examples=10)
@given(seeds)
def test_a_driver_that_does_not_move_moves_nothing(function: Function, seed: int) -> None:
    character = face(seed + 1)
    found = function(np.repeat(face(seed)[None], 4, axis=0), character)
    expected = found[1] if function is retarget else character
    assert found[1:] == pytest.approx(np.repeat(expected[None], 3, axis=0), abs=1e-9)


def test_only_the_reference_jumps_to_frame_1() -> None:
    character, closed = face(1), face(0)
    closed[65:68] = closed[63:60:-1]
    closed[60:68, 1] = closed[60, 1]
    driver = np.repeat(closed[None], 2, axis=0)
    assert np.abs(retarget(driver, character)[1] - character).max() > 1
    assert np.abs(continuous(driver, character)[1] - character).max() < 1e-9


@every
@settings(deadline=None, max_examples=10)
@given(seeds, st.floats(-500, 500), st.floats(-500, 500))
def test_places_do_not_matter(function: Function, seed: int, x: float, y: float) -> None:
    driver, character, shift = moving(face(seed), seed), face(seed + 1), np.array([x, y])
    found = function(driver, character)
    assert function(driver + shift, character) == pytest.approx(found, abs=1e-6)
    assert function(driver, character + shift) == pytest.approx(found + shift, abs=1e-6)


@every
@settings(deadline=None, max_examples=10)
@given(seeds, st.floats(-50, 50), st.floats(-50, 50))
def test_a_shift_of_an_upright_head_shifts_an_upright_character(
    function: Function, seed: int, x: float, y: float
) -> None:
    first, character = face(seed), face(seed + 1)
    first[16, 1], character[16, 1] = first[0, 1], character[0, 1]
    found = function(np.stack([first, first, first + np.array([x, y])]), character)
    scale = np.sqrt(np.ptp(character, axis=0).prod() / np.ptp(first, axis=0).prod())
    size = 1 if function in (retarget, continuous) else scale  # the reference does not scale shifts of the head
    assert found[2] - found[1] == pytest.approx(np.broadcast_to(size * np.array([x, y]), (68, 2)), abs=1e-6)


def largest_step(function: Function, first: np.ndarray, last: np.ndarray, character: np.ndarray) -> float:
    """Of the landmarks between two frames on the way, which are ever closer where the largest step is."""
    start, stop, largest = 0.0, 1.0, 0.0
    for _ in range(4):
        way = np.linspace(start, stop, 150)
        driver = np.concatenate([first[None], first + way[:, None, None] * (last - first)])
        steps = np.abs(np.diff(function(driver, character)[1:], axis=0)).max(axis=(1, 2))
        where = int(steps.argmax())
        start, stop, largest = way[where], way[where + 1], steps[where]
    return largest


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_continuous_is_continuous(seed: int) -> None:
    first, last = moving(face(seed), seed, 2)
    assert largest_step(continuous, first, last, face(seed + 1)) < 1e-4


def test_what_would_show_a_jump() -> None:
    first, last = moving(face(0), 0, 2)
    assert largest_step(retarget, first, last, face(1)) > 0.5


@pytest.mark.parametrize("arch", [20.0, 0.3])
@pytest.mark.parametrize("own_arch", [20.0, 0.3])
@settings(deadline=None, max_examples=10)
@given(seeds, st.floats(10, 28))
def test_continuous_starts_as_a_displacement_and_becomes_the_reference(
    arch: float, own_arch: float, seed: int, height: float
) -> None:
    first, character = face(seed), face(seed + 1)
    for points, rise in ((first, arch), (character, own_arch)):  # an upright brow, arched or flat
        points[BROW] = points[17] + np.array([[0, 0], [15, -rise], [30, -rise - 2], [45, -rise], [60, 0]])
    driver = np.repeat(first[None], 3, axis=0)
    driver[1, RAISED, 1] -= 0.9
    driver[2, RAISED, 1] -= height
    found = continuous(driver, character)
    scale = np.sqrt(np.ptp(character, axis=0).prod() / np.ptp(first, axis=0).prod())
    assert found[1, RAISED] - character[RAISED] == pytest.approx([0, -0.9 * scale], abs=1e-9)
    assert found[2, RAISED] == pytest.approx(retarget(driver, character)[2, RAISED], abs=1e-9)


@pytest.mark.parametrize("function", [direct, similarity])
@settings(deadline=None, max_examples=10)
@given(seeds)
def test_a_driver_drives_itself(function: Function, seed: int) -> None:
    driver = moving(face(seed), seed)
    assert function(driver, driver[0]) == pytest.approx(driver, abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(seeds, st.floats(-3, 3), st.floats(0.5, 2))
def test_similarity_turns_the_character_about_itself(seed: int, angle: float, scale: float) -> None:
    first, character = face(seed), face(seed + 1)
    found = similarity(np.stack([first, turned(first, angle, scale)]), character)
    assert found[1] == pytest.approx(turned(character, angle, scale), abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_similarity_is_procrustes_by_singular_values(seed: int) -> None:
    driver, character = moving(face(seed), seed), face(seed + 1)
    size = np.sqrt(np.ptp(character, axis=0).prod() / np.ptp(driver[0], axis=0).prod())
    centred, own = driver[0] - driver[0].mean(axis=0), character - character.mean(axis=0)
    for frame, found in zip(driver, similarity(driver, character), strict=True):
        now = frame - frame.mean(axis=0)
        left, values, right = np.linalg.svd(now.T @ centred)
        pose = left @ right * values.sum() / (centred**2).sum()
        expression = now @ np.linalg.inv(pose).T - centred
        shift = size * (frame.mean(axis=0) - driver[0].mean(axis=0))
        assert found == pytest.approx((own + size * expression) @ pose.T + character.mean(axis=0) + shift, abs=1e-6)


def degenerate(points: np.ndarray, kind: str) -> np.ndarray:
    points = points.copy()
    if kind == "one point":
        points[...] = 50
    elif kind == "a line":
        points[..., 1] = 50
    elif kind == "a closed mouth":
        points[..., 60:68, 1] = points[..., 60:61, 1]
    elif kind == "eyes that are points":
        points[..., 36:48, :] = points[..., 36:37, :]
    elif kind == "tiny":
        points *= 1e-3
    elif kind == "rounded":
        points[...] = points.round()
    return points


KINDS = ["one point", "a line", "a closed mouth", "eyes that are points", "tiny", "rounded", "ordinary"]


@every
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own_kind", KINDS)
def test_degenerate_faces_give_finite_landmarks(function: Function, kind: str, own_kind: str) -> None:
    driver, character = moving(face(0), 0), degenerate(face(1), own_kind)
    for shape in (degenerate(driver, kind), np.concatenate([degenerate(driver, kind)[:1], driver[1:]])):
        if kind in ("one point", "a line") and function is not retarget:
            with pytest.raises(UserError, match="the driver's face in frame 0 has no extent"):
                function(shape, character)
        else:
            assert np.isfinite(function(shape, character)).all()


def test_space_that_the_driver_lacks_does_not_limit() -> None:
    driver, character = moving(face(0), 0), face(1)
    for points in (driver[:1], character):  # the eyes' free space to each other is nothing over nothing
        points[..., 42:48, :] = points[..., 36:42, :]
    assert np.isfinite(retarget(driver, character)).all()


@every
@pytest.mark.parametrize(
    ("driver", "character", "message"),
    [
        (np.zeros((5, 67, 2)), face(1), r"driver landmarks must have shape \(T, 68, 2\), T >= 1, got \(5, 67, 2\)"),
        (np.zeros((0, 68, 2)), face(1), r"driver landmarks must have shape .* got \(0, 68, 2\)"),
        (face(0), face(1), r"driver landmarks must have shape .* got \(68, 2\)"),
        (np.float64(1), face(1), r"driver landmarks must have shape .* got \(\)"),
        (face(0)[None], face(1)[None], r"character landmarks must have shape \(68, 2\), got \(1, 68, 2\)"),
        (
            np.where(np.arange(68)[:, None] == 7, np.nan, face(0))[None],
            face(1),
            r"driver .* got nan at index \[0, 7, 0\]",
        ),
        (face(0)[None], np.where(np.arange(68)[:, None] == 7, 1e7, face(0)), r"character .* within 1000000 pixels"),
    ],
)
def test_what_is_not_landmarks_is_refused(
    function: Function, driver: np.ndarray, character: np.ndarray, message: str
) -> None:
    with pytest.raises(UserError, match="retargeting: " + message):
        function(driver, character)


@pytest.mark.parametrize(
    ("configured", "function"),
    [(FaceShot(), retarget), (FaceShotContinuous(), continuous), (Direct(), direct), (Similarity(), similarity)],
)
def test_the_configured_classes(configured: Retargeting, function: Function) -> None:
    driver, character = moving(face(0), 0), face(1)
    assert np.array_equal(configured.retarget(driver, character), function(driver, character))


@every
def test_arguments_stay_as_they_are(function: Function) -> None:
    driver, character = moving(face(0), 0), face(1)
    before = driver.copy(), character.copy()
    function(driver, character)[...] = 0
    assert np.array_equal(driver, before[0])
    assert np.array_equal(character, before[1])
