from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench import video
from charachbench.benchmark.toy import build as build_module
from charachbench.benchmark.toy.benchmark import Toy
from charachbench.benchmark.toy.build import build
from charachbench.benchmark.toy.canvas import Canvas, ellipse
from charachbench.benchmark.toy.cast import characters, drivers
from charachbench.benchmark.toy.expression import NEUTRAL, Expression
from charachbench.benchmark.toy.identity import Identity
from charachbench.benchmark.toy.motion import expression_at, script
from charachbench.benchmark.toy.render import Painter, render
from charachbench.benchmark.toy.rig import Placement, pose
from charachbench.errors import UserError
from charachbench.landmarks.detectors import Given

EVERYONE = characters(8) + drivers(3)
JAW, LEFT_EYE, RIGHT_EYE, MOUTH = slice(0, 17), slice(36, 42), slice(42, 48), slice(60, 68)
by_name = pytest.mark.parametrize("identity", EVERYONE, ids=lambda identity: identity.name)

expressions = st.builds(
    Expression,
    jaw=st.floats(0, 1), stretch=st.floats(-1, 1), smile=st.floats(-1, 1),
    blink_left=st.floats(0, 1), blink_right=st.floats(0, 1), brow_raise=st.floats(-1, 1), brow_frown=st.floats(0, 1),
    yaw=st.floats(-28, 28), pitch=st.floats(-16, 16), roll=st.floats(-12, 12),
    shift_x=st.floats(-0.08, 0.08), shift_y=st.floats(-0.06, 0.06),
)  # fmt: skip


def landmarks(identity: Identity, expression: Expression = NEUTRAL) -> np.ndarray:
    return pose(identity.shape, expression).landmarks


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Even-odd rule."""
    (x, y), start, end = points.T[..., None], polygon, np.roll(polygon, -1, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        across = start[:, 0] + (y - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0])
    return (((start[:, 1] > y) != (end[:, 1] > y)) & (x < across)).sum(1) % 2 == 1


def sample(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    columns, rows = np.clip(np.rint(points).astype(int), 0, len(image) - 1).T
    return image[rows, columns].astype(float)


def across(image: np.ndarray, points: np.ndarray, distance: float) -> np.ndarray:
    """Difference of colour between both sides of an open line of points, at each."""
    along = np.gradient(points, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1) / np.linalg.norm(along, axis=1, keepdims=True)
    return np.abs(sample(image, points + distance * normal) - sample(image, points - distance * normal)).max(1)


# Who there is


def test_cast_is_varied_and_names_are_distinct():
    crowd, people = characters(60), drivers(12)
    names = [identity.name for identity in crowd]
    assert len({identity.domain for identity in crowd[:8]}) >= 5
    assert len(set(names)) == 60
    assert len({identity.name for identity in people}) == 12
    assert all(name.isascii() and name.islower() and name.replace("_", "").isalnum() for name in names)
    assert not any("__" in name for name in names)
    assert len({identity.shape for identity in crowd}) == 60
    assert len({replace(identity, name="").look for identity in people}) == 12


def test_a_longer_cast_starts_with_the_shorter_one_and_the_seed_matters():
    assert characters(20)[:8] == characters(8)
    assert drivers(7)[:3] == drivers(3)
    for one, other in zip(characters(8, seed=1), characters(8, seed=2), strict=True):
        assert one.name == other.name
        assert one.shape != other.shape
        assert one.look != other.look


# The rig


@by_name
@settings(deadline=None, max_examples=25)
@given(expression=expressions)
def test_landmarks_are_points_of_the_drawn_curves_and_stay_in_the_picture(identity: Identity, expression: Expression):
    face = pose(identity.shape, expression)
    assert face.landmarks.shape == (68, 2)
    assert face.landmarks.dtype == np.float64
    vertices = np.concatenate(list(face.curves.values()))
    distance = np.abs(face.landmarks[:, None] - vertices[None]).max(-1).min(1)
    assert distance.max() == 0
    assert face.landmarks.min() > 0
    assert face.landmarks.max() < 1


def test_landmarks_stay_in_the_picture_over_long_clips_of_a_large_cast():
    for index in range(6):
        waves = script(index, seed=7)
        track = [expression_at(waves, frame / 25) for frame in range(3, 100, 16)]
        for identity in characters(16, seed=7) + drivers(6, seed=7):
            points = np.stack([landmarks(identity, expression) for expression in track])
            assert points.min() > 0.01
            assert points.max() < 0.99


@by_name
def test_order_of_the_landmarks_is_that_of_ibug(identity: Identity):
    points = landmarks(identity)
    assert (np.diff(points[:9, 1]) > 0).all()
    assert (np.diff(points[8:17, 1]) < 0).all()
    for first, last in ((17, 21), (22, 26), (31, 35), (36, 39), (42, 45), (48, 54), (60, 64)):
        assert (np.diff(points[first : last + 1, 0]) > 0).all()
    assert (np.diff(points[27:31, 1]) > 0).all()
    assert (points[[37, 38, 43, 44], 1] < points[[41, 40, 47, 46], 1]).all()
    assert (points[[50, 51, 52], 1] < points[[58, 57, 56], 1]).all()
    np.testing.assert_allclose(points[[61, 62, 63]], points[[67, 66, 65]], atol=1e-12)  # closed at rest
    mirrored = points[[16, 0, 45, 36, 42, 39, 54, 48, 64, 60, 26, 22, 35]] * (-1, 1)
    mirrored[:, 0] += 2 * points[8, 0]
    np.testing.assert_allclose(mirrored, points[[0, 16, 36, 45, 39, 42, 48, 54, 60, 64, 17, 21, 31]], atol=1e-9)


@by_name
def test_each_eye_closes_on_its_own_blink(identity: Identity):
    def opening(points: np.ndarray, first: int) -> float:
        return float(np.abs(points[[first + 5, first + 4], 1] - points[[first + 1, first + 2], 1]).mean())

    still, winking = landmarks(identity), landmarks(identity, Expression(blink_left=1))
    assert opening(winking, 36) < 1e-9
    assert opening(winking, 42) == opening(still, 42) > 0.02
    half = landmarks(identity, Expression(blink_left=0.5, blink_right=0.5))
    assert opening(half, 42) == pytest.approx(opening(still, 42) / 2)


@by_name
def test_the_jaw_opens_the_mouth_downwards(identity: Identity):
    still, ajar, wide = (landmarks(identity, Expression(jaw=jaw)) for jaw in (0, 0.5, 1))
    for point in (8, 57, 66):
        assert still[point, 1] < ajar[point, 1] < wide[point, 1]
    assert wide[66, 1] - wide[62, 1] > 0.05
    assert (wide[[51, 62], 1] <= still[[51, 62], 1]).all()
    np.testing.assert_array_equal(np.delete(wide, np.r_[0:17, 48:68], 0), np.delete(still, np.r_[0:17, 48:68], 0))


@by_name
def test_lips_brows_and_head_follow_their_parameters(identity: Identity):
    still = landmarks(identity)
    smiling = landmarks(identity, Expression(smile=1))
    assert (smiling[[48, 54], 1] < still[[48, 54], 1]).all()
    assert smiling[54, 0] - smiling[48, 0] > still[54, 0] - still[48, 0]
    round_lips, wide_lips = (landmarks(identity, Expression(stretch=stretch)) for stretch in (-1, 1))
    assert round_lips[54, 0] - round_lips[48, 0] < still[54, 0] - still[48, 0] < wide_lips[54, 0] - wide_lips[48, 0]
    assert (landmarks(identity, Expression(brow_raise=1))[17:27, 1] < still[17:27, 1] - 0.02).all()
    frown = landmarks(identity, Expression(brow_frown=1))
    assert (frown[[21, 22], 1] > still[[21, 22], 1] + 0.01).all()
    assert frown[22, 0] - frown[21, 0] < still[22, 0] - still[21, 0]
    assert landmarks(identity, Expression(yaw=20))[30, 0] > still[30, 0] + 0.03
    assert landmarks(identity, Expression(pitch=15))[30, 1] > still[30, 1] + 0.02


@settings(deadline=None, max_examples=40)
@given(expression=expressions, roll=st.floats(-40, 40), who=st.integers(0, len(EVERYONE) - 1))
def test_roll_is_a_rotation_of_the_picture_about_the_neck(expression: Expression, roll: float, who: int):
    shape = EVERYONE[who].shape
    upright = replace(expression, roll=0, shift_x=0, shift_y=0)
    before = pose(shape, upright).landmarks
    after = pose(shape, replace(upright, roll=roll)).landmarks
    neck = np.array([shape.centre[0], shape.centre[1] + shape.pivot * shape.scale])
    turn = np.exp(1j * np.deg2rad(roll))
    turned = ((before - neck) @ (1, 1j)) * turn
    np.testing.assert_allclose(after, neck + np.stack([turned.real, turned.imag], -1), atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(expression=expressions, who=st.integers(0, len(EVERYONE) - 1), seed=st.integers(0, 1000))
def test_locate_undoes_skin(expression: Expression, who: int, seed: int):
    shape = EVERYONE[who].shape
    generator = np.random.default_rng(seed)
    points = shape.outline(generator.uniform(0, 2 * np.pi, 40)) * np.sqrt(generator.uniform(0, 0.8, (40, 1)))
    placement = Placement(shape, expression)
    np.testing.assert_allclose(placement.locate(placement.skin(points)), points, atol=0.02)


# Motion


@pytest.mark.parametrize("index", range(5))
def test_scripts_start_at_rest_are_smooth_and_move_clearly(index: int):
    waves, person = script(index), drivers(3)[0]
    assert expression_at(waves, 0) == NEUTRAL
    points = np.stack([landmarks(person, expression_at(waves, frame / 25)) for frame in range(32)])
    assert np.ptp(points[:, 30], axis=0).max() > 0.03  # the head
    assert np.ptp(points[:, 66, 1] - points[:, 62, 1]) > 0.02  # the mouth
    assert np.abs(np.diff(points, axis=0)).max() < 0.05
    for name in ("blink_left", "brow_raise", "yaw", "pitch", "roll", "smile", "jaw", "stretch"):
        assert any(getattr(expression_at(waves, frame / 25), name) for frame in range(32)), name


def test_scripts_differ_between_drivers_and_seeds():
    assert len({script(index, seed) for index in range(4) for seed in range(3)}) == 12


@given(seed=st.integers(0, 10_000), index=st.integers(0, 8), time=st.floats(0, 30))
def test_expressions_stay_in_range(seed: int, index: int, time: float):
    expression = expression_at(script(index, seed), time)
    for field in fields(Expression):
        limit = {"yaw": 30, "pitch": 20, "roll": 20, "shift_x": 0.1, "shift_y": 0.1}.get(field.name, 1)
        assert abs(getattr(expression, field.name)) <= limit
    assert min(expression.jaw, expression.blink_left, expression.brow_frown) >= 0


# Pictures

SIZE = 160


@pytest.fixture(scope="module")
def stills() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {identity.name: render(identity, NEUTRAL, SIZE) for identity in EVERYONE}


def test_pictures_have_the_promised_form_and_differ(stills: dict[str, tuple[np.ndarray, np.ndarray]]):
    images = np.stack([image for image, _ in stills.values()])
    assert images.dtype == np.uint8
    assert images.shape == (len(EVERYONE), SIZE, SIZE, 3)
    difference = np.abs(images[:, None].astype(int) - images[None]).mean((2, 3, 4))
    assert difference[~np.eye(len(images), dtype=bool)].min() > 15
    assert images.std((1, 2)).min() > 8  # nothing flat


@by_name
def test_rendering_repeats_bit_for_bit(identity: Identity, stills: dict[str, tuple[np.ndarray, np.ndarray]]):
    expression = Expression(jaw=0.5, yaw=12, blink_left=0.4)
    painter = Painter(identity, SIZE)
    first, moved = painter.draw(NEUTRAL)[0], painter.draw(expression)[0]
    np.testing.assert_array_equal(first, stills[identity.name][0])
    np.testing.assert_array_equal(painter.draw(NEUTRAL)[0], first)
    np.testing.assert_array_equal(Painter(identity, SIZE).draw(expression)[0], moved)
    assert np.abs(first.astype(int) - moved).mean() > 2


@pytest.mark.parametrize("identity", [EVERYONE[1], EVERYONE[4], EVERYONE[8]], ids=lambda identity: identity.name)
def test_twice_the_size_is_the_same_picture(identity: Identity):
    import cv2

    expression = Expression(jaw=0.6, yaw=14, roll=5, smile=0.5)
    (small, few), (large, many) = (render(identity, expression, size) for size in (128, 256))
    np.testing.assert_allclose(many, (few + 0.5) * 2 - 0.5, atol=1e-9)
    shrunk = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(cv2.blur(shrunk, (3, 3)).astype(int) - cv2.blur(small, (3, 3))).mean() < 2.5


@by_name
def test_the_outline_of_the_head_is_seen_at_the_jaw_landmarks(identity: Identity):
    for expression in (NEUTRAL, Expression(yaw=20, roll=6, jaw=0.7)):
        image, points = render(identity, expression, 256)
        contrast = across(image, points[JAW], 3.5)[1:-1]
        assert np.median(contrast) > 20
        # The line of the outline is darker than what is on either side of it.
        assert (contrast > 8).mean() > 0.7


@by_name
@pytest.mark.parametrize(
    "expression", [NEUTRAL, Expression(yaw=-18, pitch=6, smile=1, jaw=0.4)], ids=["rest", "turned"]
)
def test_lips_are_seen_at_their_landmarks(identity: Identity, expression: Expression):
    image, points = render(identity, expression, 256)
    middle = points[60:68].mean(0)
    outer = points[[49, 50, 51, 52, 53, 55, 56, 57, 58, 59]]
    outward = (outer - middle) / np.linalg.norm(outer - middle, axis=1, keepdims=True)
    beyond = sample(image, outer + 3 * outward)
    change = np.abs(sample(image, outer - 0.5 * outward) - beyond).max(1)
    assert np.median(change) > 15


@by_name
def test_an_open_mouth_is_dark_inside_and_a_closed_one_is_not_there(identity: Identity):
    closed, _ = render(identity, NEUTRAL, 256)
    opened, points = render(identity, Expression(jaw=1), 256)
    rows, columns = np.mgrid[:256, :256]
    grid = np.stack([columns.ravel(), rows.ravel()], -1).astype(float)
    within = inside(grid, points[MOUTH]).reshape(256, 256)
    assert within.sum() > 80
    assert np.abs(opened[within].astype(int) - closed[within]).mean() > 25
    assert opened[within].min(axis=1).min() < 70


@by_name
def test_the_pupil_lies_within_the_eye_and_a_blink_hides_it(identity: Identity):
    opened, points = render(identity, NEUTRAL, 256)
    shut, _ = render(identity, Expression(blink_left=1, blink_right=1), 256)
    rows, columns = np.mgrid[:256, :256]
    grid = np.stack([columns.ravel(), rows.ravel()], -1).astype(float)
    for eye in (LEFT_EYE, RIGHT_EYE):
        polygon = points[eye]
        within = inside(grid, polygon).reshape(256, 256)
        near = np.hypot(columns - polygon[:, 0].mean(), rows - polygon[:, 1].mean()) < 2.5
        assert within[near].all()
        assert opened[near].mean() < 90  # the pupil is dark
        assert np.abs(opened[near].astype(int) - shut[near]).mean() > 15 or identity.kind == "teddy"
        # A light stands in the eye.
        assert opened[within].min(axis=1).max() > 190


@by_name
def test_the_skin_moves_with_the_head(identity: Identity):
    expression = Expression(yaw=9, roll=4, shift_x=0.04)
    before, _ = render(identity, NEUTRAL, 256)
    after, _ = render(identity, expression, 256)
    shape = identity.shape
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 40), np.linspace(0.05, 0.9 * shape.mouth_y, 40))
    patch = np.stack([x.ravel() * shape.width, y.ravel()], -1)
    start, end = (Placement(shape, e).skin(patch) * 256 - 0.5 for e in (NEUTRAL, expression))
    followed = np.abs(sample(after, end) - sample(before, start)).mean()
    stayed = np.abs(sample(after, start) - sample(before, start)).mean()
    assert followed < stayed


# Drawing


@settings(deadline=None, max_examples=30)
@given(
    x=st.floats(20, 44), y=st.floats(20, 44), width=st.floats(3, 18), height=st.floats(3, 18), turn=st.floats(0, 180)
)
def test_coverage_has_the_area_and_the_centre_of_the_shape(
    x: float, y: float, width: float, height: float, turn: float
):
    canvas = Canvas((0, 0, 64, 64), 1, planes=3)
    canvas.fill(ellipse(x, y, width, height, turn), (255.0, 255.0, 255.0))
    alpha = canvas.pixels[0] / 255
    # Half a sub-pixel of every edge is drawn too.
    assert alpha.sum() == pytest.approx(np.pi * (width + 0.06) * (height + 0.06), rel=0.06)
    columns, rows = canvas.grid()
    assert (alpha * columns).sum() / alpha.sum() == pytest.approx(x, abs=0.15)
    assert (alpha * rows).sum() / alpha.sum() == pytest.approx(y, abs=0.15)


def test_a_stamped_and_a_draped_sprite_lie_where_they_were_drawn():
    drawing = Canvas((0, 0, 8, 8), 8)
    drawing.fill(ellipse(4.3, 3.6, 2, 1.5, 20), "#3060c0")
    backdrop = np.full((3, 64, 64), 200, np.float32)
    expected = backdrop * (1 - drawing.pixels[3] / 255) + drawing.pixels[:3]
    sprite = drawing.sprite()
    for place in ("stamp", "drape"):
        canvas = Canvas((0, 0, 8, 8), 8, planes=3)
        canvas.pixels[:] = backdrop
        if place == "stamp":
            canvas.stamp(sprite, np.eye(2, 3))
        else:
            canvas.drape(sprite, sprite.corners(), lambda points: points)
        assert np.abs(canvas.pixels - expected).max() < 2, place


# On disk


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_build_writes_what_the_rig_draws(tmp_path: Path):
    from PIL import Image

    build(tmp_path / "toy", characters=2, drivers=2, frames=3, size=64, fps=10, seed=5)
    root = tmp_path / "toy"
    people, cast = drivers(2, 5), characters(2, 5)
    expected = {"benchmark.yaml"}
    expected |= {f"drivers/{p.name}.{suffix}" for p in people for suffix in ("mkv", "npy")}
    expected |= {f"characters/{c.domain}/{c.name}.{suffix}" for c in cast for suffix in ("png", "npy")}
    expected |= {f"truth/{c.name}__{p.name}.{suffix}" for c in cast for p in people for suffix in ("mkv", "npy")}
    assert set(contents(root)) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"toy", ".toy.lock"}
    still, points = render(cast[1], NEUTRAL, 64)
    stem = root / "characters" / cast[1].domain / cast[1].name
    np.testing.assert_array_equal(np.asarray(Image.open(stem.with_suffix(".png"))), still)
    np.testing.assert_array_equal(np.load(stem.with_suffix(".npy")), points)
    for name, identity in (
        (f"truth/{cast[0].name}__{people[1].name}", cast[0]),
        (f"drivers/{people[1].name}", people[1]),
    ):
        drawn = [render(identity, expression_at(script(1, 5), frame / 10), 64) for frame in range(3)]
        clip = video.read(root / f"{name}.mkv")
        assert clip.fps == 10
        np.testing.assert_array_equal(clip.frames, np.stack([image for image, _ in drawn]))
        np.testing.assert_array_equal(np.load(root / f"{name}.npy"), np.stack([marks for _, marks in drawn]))


def test_build_repeats_and_depends_on_the_seed(tmp_path: Path):
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        build(tmp_path / name, characters=1, drivers=1, frames=2, size=64, seed=seed)
    one, two, other = (contents(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert all(one[name] != other[name] for name in one if name != "benchmark.yaml")


def test_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(build_module, "write_lossless", full)
    with pytest.raises(OSError, match="No space left"):
        build(tmp_path / "toy", characters=1, drivers=1, frames=1, size=64)
    assert [path.name for path in tmp_path.iterdir()] == [".toy.lock"]


def test_build_gives_way_to_another_process(tmp_path: Path):
    there = tmp_path / "toy" / "benchmark.yaml"
    there.parent.mkdir()
    there.write_text("name: toy\n")
    build(tmp_path / "toy", characters=1, drivers=1, frames=1, size=64)
    assert contents(tmp_path / "toy") == {"benchmark.yaml": b"name: toy\n"}


def test_two_processes_draw_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    options = {"characters": 2, "drivers": 1, "frames": 2, "size": 64}
    build(tmp_path / "one", **options)
    monkeypatch.setattr(build_module, "SHARED_FROM", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    build(tmp_path / "two", **options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path):
    (tmp_path / ".toy.abc.part" / "truth").mkdir(parents=True)
    build(tmp_path / "toy", characters=1, drivers=1, frames=1, size=64)
    assert {path.name for path in tmp_path.iterdir()} == {"toy", ".toy.lock"}


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "write_lossless", full)
    with pytest.raises(UserError, match=r"toy-\w+: the toy benchmark cannot be drawn \(No space left on device\)"):
        Toy(characters=1, drivers=1, frames=1, size=64).open(Given(), tmp_path)
