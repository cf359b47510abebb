"""Metrics of sets: are the videos of all pairs, taken together, distributed like those they are compared with?

FID (Heusel et al., 2017) and FVD (Unterthiner et al., "Towards accurate generative models of video", 2018) are the
Frechet distance of features of frames and of clips; KID (Binkowski et al., 2018) is the kernel distance of the former.
Features are kept pair by pair, so any set of pairs has its number without a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored, UserError
from charachbench.protocols import Device, Kept, Metric, Need, Sample
from metrics import frechet, kernel, sampling
from metrics.backbones.base import Backbone
from metrics.frechet import checked, frechet_distance, pooled
from metrics.kernel import kernel_distance, kernel_distance_of_subsets

Reference = Literal["truth", "driver", "character"]

_FEATURES = 1
"""Version, raised whenever which frames are embedded, or how, changes."""
_LENGTH = 16
_FEW = 100


class _DistanceOfSets(Metric):
    """What the metrics of sets share.

    Args:
        features: turns frames, or clips, into feature vectors.
        reference: what generated videos are compared with: ``truth``, the true videos; ``driver``, the driving videos;
            ``character``, the characters' pictures.
        frames: of each video at most, spread evenly; null takes all. Only for features of frames.
        length: frames of a clip; null takes 16. This and the following only for features of clips.
        stride: from one frame of a clip to its next; null takes 1.
        clips: of each video at most, spread evenly; null takes all that follow each other without overlap.
    """

    family: ClassVar[str] = "distribution"
    direction: ClassVar[Literal["up", "down"]] = "down"
    per_pair: ClassVar[bool] = False

    def __init__(
        self,
        features: Backbone,
        reference: Reference = "truth",
        frames: int | None = None,
        length: int | None = None,
        stride: int | None = None,
        clips: int | None = None,
    ) -> None:
        backbone = type(features).__name__
        of_clips = {"length": length, "stride": stride, "clips": clips}
        for setting, value in {"frames": frames, **of_clips}.items():
            sampling.checked(setting, value)
            if value is not None and (setting in of_clips) != features.takes_clips:
                takes, fitting = ("clips", "length, stride, clips") if features.takes_clips else ("frames", "frames")
                raise UserError(f"{setting}={value}: {backbone} takes {takes}; accepted beside it are {fitting}")
        if reference == "character" and features.takes_clips:
            raise UserError(f"reference=character: {backbone} takes clips, of a picture there are none; accepted are "
                            "truth and driver")  # fmt: skip
        if features.takes_clips and (_LENGTH if length is None else length) < features.least_frames:
            raise UserError(f"length={length}: {backbone} takes clips of {features.least_frames} frames or more")
        self.features, self.frames, self.clips = features, frames, clips
        self.length, self.stride = _LENGTH if length is None else length, 1 if stride is None else stride
        self.compared_with = reference
        needs: frozenset[Need] = frozenset({"truth"} if reference == "truth" else ())
        self.needs = needs  # type: ignore[misc]

    @property
    def random(self) -> bool:
        """See ``Metric``."""
        return self.features.random

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        return {**self.features.protocol(), **self._sampling(), "reference": self.compared_with}

    def extraction(self) -> Any:
        """See ``Metric``: the same for all metrics over these features of these frames, whatever they compare with."""
        features = self.features
        return [_FEATURES, type(features).__qualname__, features.version, features.protocol(), self._sampling()]

    def load(self, device: Device) -> None:
        """See ``Metric``."""
        self.features.load(device)

    def extract(self, sample: Sample) -> np.ndarray:
        """Feature vectors of the generated video, float32 (frames or clips, D)."""
        return sample.once(("features", repr(self.extraction())), lambda: self._embed(sample.video.frames))

    def reference(self, sample: Sample) -> Kept | None:
        """Feature vectors of what the pair is compared with, float32 (frames or clips, D)."""
        pair = sample.pair
        if self.compared_with == "character":
            fingerprint = pair.character.fingerprint
        elif self.compared_with == "driver":
            fingerprint = pair.driver.fingerprint
        elif pair.truth is not None:
            fingerprint = pair.truth.fingerprint
        else:
            raise Unscored("the true video is not known")

        def compute() -> np.ndarray:
            if self.compared_with == "character":
                return self._embed(pair.character.image[None])
            return self._embed((sample.driver_video if self.compared_with == "driver" else sample.truth_video).frames)

        return sample.references.get([self.extraction(), self.compared_with, fingerprint], compute)

    def _sampling(self) -> dict[str, str | int | float]:
        if not self.features.takes_clips:
            return {"frames": "all" if self.frames is None else self.frames}
        most = "" if self.clips is None else f", at most {self.clips} of a video"
        return {"clips": f"{self.length} frames at stride {self.stride}{most}"}

    def _embed(self, frames: np.ndarray) -> np.ndarray:
        if self.features.takes_clips:
            chosen = sampling.clips(len(frames), self.length, self.stride, self.clips)
        else:
            chosen = sampling.spread(len(frames), self.frames)
        return checked(self.features.embed(frames[chosen]))

    @staticmethod
    def _contributions(
        whole: float,
        influences: Sequence[np.ndarray],
        on_references: Sequence[np.ndarray],
        compared_with: Sequence[int],
    ) -> np.ndarray:
        """The number and, to first order, how it moves where a pair weighs more, with its share of its reference.

        The infinitesimal jackknife (Efron, "The jackknife, the bootstrap and other resampling plans", 1982): resampled
        vectors themselves would repeat, which biases a distance, and would take a distance for each resample.

        Args:
            whole: the number.
            influences: of the vectors of each pair.
            on_references: of the vectors of each reference.
            compared_with: of each pair the index of its reference.
        """
        count, index = len(influences), np.asarray(compared_with)
        own, others = (np.array([each.sum() for each in side]) for side in (influences, on_references))
        shared = np.bincount(index, minlength=len(others))
        vectors, references = sum(map(len, influences)), sum(map(len, on_references))
        values: np.ndarray = whole + count * (own / vectors + (others / shared)[index] / references)
        return values

    def _sizes(self, samples: int, references: int) -> str:
        return f"{samples} {'clips' if self.features.takes_clips else 'frames'} against {references}"


class FrechetDistance(_DistanceOfSets):
    """Frechet distance of the features: FID over Inception's, FVD over I3D's.

    Args:
        features, reference, frames, length, stride, clips: see ``_DistanceOfSets``: backbone, what is compared with
            (``truth``, ``driver`` or ``character``), and which frames or clips of each video.
    """

    limits: ClassVar[tuple[float, float]] = (0, float("inf"))

    def summarise(self, arrays: Sequence[np.ndarray], references: Sequence[np.ndarray] = ()) -> float:
        """Of all vectors together; holds some more of them than dimensions at a time."""
        return frechet_distance(pooled(arrays), pooled(references))

    def contributions(
        self, arrays: Sequence[np.ndarray], references: Sequence[np.ndarray], compared_with: Sequence[int]
    ) -> np.ndarray:
        """See ``Metric``."""
        x, y = pooled(arrays), pooled(references)
        on_x, on_y = frechet.influences(x, y)
        influences, on_references = [on_x.of(array) for array in arrays], [on_y.of(array) for array in references]
        return self._contributions(frechet_distance(x, y), influences, on_references, compared_with)

    def caveat(self, samples: int, references: int, dimensions: int) -> str:
        """Fewer vectors than dimensions: their covariance has directions without any extent."""
        if min(samples, references) > dimensions:
            return ""
        return (
            f"{self._sizes(samples, references)}, not more than its {dimensions} dimensions: biased upwards, "
            "compare rows only (a kernel distance, such as KID, is unbiased)"
        )


class KernelDistance(_DistanceOfSets):
    """Kernel distance of the features: KID over Inception's.

    Args:
        features, reference, frames, length, stride, clips: see ``_DistanceOfSets``: backbone, what is compared with
            (``truth``, ``driver`` or ``character``), and which frames or clips of each video.
        subsets: to take the mean over so many random subsets, as ``torch-fidelity`` does; null takes all vectors.
        subset_size: vectors in each.
        seed: of the drawing.
    """

    def __init__(
        self,
        features: Backbone,
        reference: Reference = "truth",
        frames: int | None = None,
        length: int | None = None,
        stride: int | None = None,
        clips: int | None = None,
        subsets: int | None = None,
        subset_size: int = 1000,
        seed: int = 2020,
    ) -> None:
        super().__init__(features, reference, frames, length, stride, clips)
        sampling.checked("subsets", subsets)
        if subset_size < 2:
            raise UserError(f"subset_size={subset_size}: accepted are whole numbers from 2")
        if not 0 <= seed < 2**32:
            raise UserError(f"seed={seed}: accepted are whole numbers from 0 to {2**32 - 1}")
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        drawn = f"mean of {self.subsets} subsets of {self.subset_size}, seed {self.seed}"
        return {**super().protocol(), "estimate": "unbiased, all samples" if self.subsets is None else drawn}

    def summarise(self, arrays: Sequence[np.ndarray], references: Sequence[np.ndarray] = ()) -> float:
        """Of all vectors together; where subsets are drawn, they are sorted before, so the order does not matter."""
        if not len(arrays) or not len(references):
            raise Unscored("there are no features")
        x, y = np.concatenate(arrays), np.concatenate(references)
        if self.subsets is None:
            return kernel_distance(x, y)
        x, y = x[np.lexsort(x.T[-8:])], y[np.lexsort(y.T[-8:])]
        return kernel_distance_of_subsets(x, y, self.subsets, self.subset_size, self.seed)

    def contributions(
        self, arrays: Sequence[np.ndarray], references: Sequence[np.ndarray], compared_with: Sequence[int]
    ) -> np.ndarray:
        """See ``Metric``."""
        whole = self.summarise(arrays, references)
        on_x, on_y = kernel.influences(np.concatenate(arrays), np.concatenate(references))
        return self._contributions(whole, _split(on_x, arrays), _split(on_y, references), compared_with)

    def caveat(self, samples: int, references: int, dimensions: int) -> str:  # noqa: ARG002
        """Few vectors: unbiased still, but far from it by chance."""
        if min(samples, references) >= _FEW:
            return ""
        return f"{self._sizes(samples, references)}: unbiased, but with a large variance"


def _split(values: np.ndarray, like: Sequence[np.ndarray]) -> list[np.ndarray]:
    return np.split(values, np.cumsum([len(array) for array in like])[:-1])
