"""Against cosines of a plain backbone by hand, ArcFace by hand, and scikit-image's similarity transform."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.errors import Unscored, UserError
from charachbench.landmarks import topology
from charachbench.protocols import References
from charachbench.video import Video
from metrics import identity
from metrics.backbones.arcface import ArcFace
from metrics.backbones.base import Backbone
from metrics.identity import TEMPLATE, IdentitySimilarity
from tests.metrics import samples


class Means(Backbone):
    """The mean of each channel in four quarters of a frame, less 100; notes how many frames it is given."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    @property
    def random(self) -> bool:
        return False

    def protocol(self) -> dict[str, str | int | float]:
        return {"backbone": "means", "weights": "none", "input": "own size"}

    def build(self, device):
        return None

    def embed(self, frames):
        self.seen.append(len(frames))
        return np.stack(
            [cv2.resize(frame, (2, 2), interpolation=cv2.INTER_AREA).ravel() for frame in frames]
        ) - np.float32(100)


class Fixed(Means):
    """One embedding for everything."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = values

    def embed(self, frames):
        return np.tile(np.float32(self.values), (len(frames), 1))


def turning(angles: tuple[float, ...]) -> tuple[Video, np.ndarray, np.ndarray]:
    """A video of the texture, its landmarks, and the first landmarks."""
    frames, points = samples.move(samples.texture(), face(), [samples.rotation(angle) for angle in angles])
    return Video(frames, 25), points, face()


def face() -> np.ndarray:
    """Strewn points, but eyes, nose and mouth in their places, small enough to stay in the scene when cut out."""
    points = samples.face()
    points[topology.RIGHT_EYE] = points[topology.RIGHT_EYE] * 0.1 + (60, 62)
    points[topology.LEFT_EYE] = points[topology.LEFT_EYE] * 0.1 + (84, 62)
    points[[30, 48, 54]] = (81, 84), (71, 97), (91, 98)
    return points


def by_hand(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / np.sqrt((one * one).sum() * (other * other).sum()))


def test_is_the_cosine_with_the_character():
    backbone, (video, _, _) = Means(), turning((5, 40, 90))
    sample = samples.sample(video, image=samples.texture())

    values = IdentitySimilarity(backbone).extract(sample)

    own, *embeddings = backbone.embed(np.stack([samples.texture(), *video.frames])).astype(float)
    np.testing.assert_allclose(values, [by_hand(own, embedding) for embedding in embeddings], rtol=1e-6)
    assert np.ptp(values) > 0.01


@given(st.integers(0, 2**31), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_lies_between_its_ends_and_does_not_depend_on_other_frames(seed, count):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    metric, image = IdentitySimilarity(Means()), rng.integers(0, 256, (8, 8, 3), np.uint8)

    values = metric.extract(samples.sample(Video(frames, 25), image=image))
    order = rng.permutation(count)

    assert (np.abs(values) <= 1 + 1e-12).all()
    shuffled = metric.extract(samples.sample(Video(frames[order], 25), image=image))
    np.testing.assert_allclose(shuffled, values[order], rtol=1e-5)
    swapped = metric.extract(samples.sample(Video(image[None], 25), image=frames[0]))
    np.testing.assert_allclose(swapped, values[:1], rtol=1e-5)


def test_the_character_itself_is_perfect():
    still = Video(np.stack([samples.texture()] * 3), 25)
    sample = samples.sample(still, image=samples.texture(), landmarks=face())
    object.__setattr__(sample, "landmarks", np.stack([face()] * 3))

    for alignment in ("none", "landmarks"):
        np.testing.assert_allclose(IdentitySimilarity(Means(), None, alignment).extract(sample), [1, 1, 1], rtol=1e-6)


def test_takes_frames_of_another_size_than_the_character():
    video, _, _ = turning((0,))
    small = Video(np.stack([cv2.resize(video.frames[0], (80, 80), interpolation=cv2.INTER_AREA)]), 25)

    (value,) = IdentitySimilarity(Means()).extract(samples.sample(small, image=video.frames[0]))

    assert value == pytest.approx(1, abs=1e-3)


def test_frames_are_spread():
    video, _, _ = turning((0, 20, 40, 60, 80))
    sample = samples.sample(video, image=samples.texture())

    some, every = (IdentitySimilarity(Means(), frames).extract(sample) for frames in (3, None))

    np.testing.assert_allclose(some, every[[0, 2, 4]], rtol=1e-6)


def test_the_character_is_embedded_once_for_all_methods():
    backbone, references, (video, _, _) = Means(), References(), turning((0, 30))
    metric = IdentitySimilarity(backbone)

    for _ in range(2):
        sample = samples.sample(video, image=samples.texture())
        sample.references = references
        metric.extract(sample)
    assert backbone.seen == [1, 2, 2]

    other = samples.sample(video, image=samples.texture()[::-1])
    other.references = references
    metric.extract(other)
    assert backbone.seen == [1, 2, 2, 1, 2]


def test_alignment_has_an_embedding_of_its_own():
    references, (video, points, first) = References(), turning((0, 30))
    sample = samples.sample(video, image=samples.texture(), landmarks=first)
    sample.references, sample.landmarks = references, points

    IdentitySimilarity(Means()).extract(sample)
    moved = samples.sample(video, image=samples.texture(), landmarks=first + 3)
    moved.references, moved.landmarks = references, points + 3
    shared = IdentitySimilarity(Means(), alignment="landmarks").extract(moved)
    moved.references = References()

    np.testing.assert_allclose(IdentitySimilarity(Means(), alignment="landmarks").extract(moved), shared, rtol=1e-12)


def test_alignment_undoes_how_the_face_is_turned():
    video, points, first = turning((0, 15, -25))
    sample = samples.sample(video, image=samples.texture(), landmarks=first)

    tracked = IdentitySimilarity(Means(), None, "landmarks", samples.Given(points)).extract(sample)
    sample.landmarks = points
    given_ = IdentitySimilarity(Means(), None, "landmarks").extract(sample)

    np.testing.assert_allclose(tracked, given_, rtol=1e-9)
    assert (tracked > 0.998).all()
    assert IdentitySimilarity(Means()).extract(sample).min() < 0.98


@given(st.floats(-180, 180), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500))
@settings(max_examples=50, deadline=None)
def test_alignment_brings_a_moved_template_back(angle, scale, x, y):
    turn = np.radians(angle)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.full((68, 2), np.nan)
    five = TEMPLATE @ rotation.T + (x, y)
    ring = np.array([[-1, 0], [-0.5, 1], [0.5, 1], [1, 0], [0.5, -1], [-0.5, -1]])
    points[36:42], points[42:48] = five[0] + ring, five[1] + ring
    points[[30, 48, 54]] = five[2:]

    matrix = identity.alignment(points)

    np.testing.assert_allclose(five @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=1e-6)


def test_alignment_is_scikit_images_similarity():
    from skimage.transform import SimilarityTransform

    points = face()
    five = np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])
    if hasattr(SimilarityTransform, "from_estimate"):
        fitted = SimilarityTransform.from_estimate(five, TEMPLATE)
    else:
        fitted = SimilarityTransform()
        assert fitted.estimate(five, TEMPLATE)

    matrix = identity.alignment(points)

    np.testing.assert_allclose(matrix, fitted.params[:2], rtol=1e-9, atol=1e-9)
    assert np.abs(five @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE).max() > 0.5


def test_the_face_is_cut_out_by_that_similarity():
    image, points = samples.texture(), face()

    cut = identity.aligned(image, points)

    matrix = identity.alignment(points)
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    for x, y in ((30, 40), (56, 72), (80, 60)):
        sx, sy = back[:2, :2] @ (x, y) + back[:2, 2]
        left, top = int(sx), int(sy)
        patch = image[top : top + 2, left : left + 2].astype(float)
        across = patch[:, 0] * (left + 1 - sx) + patch[:, 1] * (sx - left)
        np.testing.assert_allclose(cut[y, x], across[0] * (top + 1 - sy) + across[1] * (sy - top), atol=4)


@pytest.mark.parametrize("values", [(0, 0), (np.nan, 1), (np.inf, 1)])
def test_embeddings_without_direction_are_unscored(values):
    video, _, _ = turning((0,))

    with pytest.raises(Unscored, match="no direction"):
        IdentitySimilarity(Fixed(*values)).extract(samples.sample(video))


def test_faces_without_extent_are_unscored():
    video, points, first = turning((0,))
    sample = samples.sample(video, image=samples.texture(), landmarks=first)
    sample.landmarks = np.zeros_like(points)
    metric = IdentitySimilarity(Means(), None, "landmarks")

    with pytest.raises(Unscored, match="coincide"):
        metric.extract(sample)
    sample.landmarks = np.concatenate([points, points])
    with pytest.raises(Unscored, match="1 frames, its landmarks 2"):
        metric.extract(sample)
    with pytest.raises(Unscored, match="annotated"):
        metric.extract(samples.sample(video))
    with pytest.raises(Unscored, match="could be tracked"):
        IdentitySimilarity(Means(), None, "landmarks", samples.Given(points, 0.2)).extract(
            samples.sample(video, image=samples.texture(), landmarks=first)
        )


def test_with_arcface_by_hand():
    torch = pytest.importorskip("torch")
    backbone = ArcFace("random", "r18")
    metric = IdentitySimilarity(backbone)
    metric.load("cpu")
    video, _, _ = turning((3, 120))

    values = metric.extract(samples.sample(video, image=samples.texture()))

    pixels = torch.from_numpy(np.stack([samples.texture(), *video.frames])).permute(0, 3, 1, 2) / 127.5 - 1
    inputs = torch.nn.functional.interpolate(pixels, (112, 112), mode="bilinear", antialias=True)
    with torch.no_grad():
        own, *rest = backbone._network(inputs)
    expected = [torch.nn.functional.cosine_similarity(own, other, dim=0).item() for other in rest]
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert values[0] > values[1] + 0.1
    assert metric.random


def test_protocol_tells_how_it_comes_about():
    assert IdentitySimilarity(Means()).protocol() == {
        "backbone": "means",
        "weights": "none",
        "input": "own size",
        "alignment": "none, whole frame",
        "frames": "all",
        "reference": "character",
    }
    aligned = IdentitySimilarity(Means(), 4, "landmarks", samples.Given(np.zeros((1, 68, 2)))).protocol()
    assert aligned["frames"] == 4
    assert aligned["tracker"] == "lucas_kanade"
    assert aligned["alignment"] == "5 points, 112 px, bilinear"


def test_settings_are_checked():
    with pytest.raises(UserError, match="frames=0: accepted"):
        IdentitySimilarity(Means(), frames=0)

    class Clips(Means):
        takes_clips = True

    with pytest.raises(UserError, match="backbone=Clips: takes clips"):
        IdentitySimilarity(Clips())
