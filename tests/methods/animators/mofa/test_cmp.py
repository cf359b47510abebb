"""CMP against the reference implementation, and what must hold with any weights.

``data/cmp.npz`` is what the modules and functions of the public FaceShot made on torch 2.4.1, on a CPU, of the image
and landmarks in it: weights drawn by name, those of the head times ``head``, 64 pixels in place of 384, no float16.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.errors import UserError
from methods.animators.mofa import cmp
from methods.animators.mofa.cmp import BINS, Cmp, dense_flow, expectation, load_state, sparse_motion
from tests.methods.animators.mofa.weights import draw

REFERENCE = Path(__file__).parent / "data" / "cmp.npz"
SIZE = 64
WIDTH_OF_BIN = 100 / 99


@pytest.fixture(scope="module")
def reference():
    return dict(np.load(REFERENCE))


def empty():
    """The network without the seconds that torch takes to make up weights."""
    with torch.device("meta"):
        network = Cmp()
    return network.to_empty(device="cpu").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network(reference):
    network = empty()
    draw(network, int(reference["seed"]))
    network.flow_decoder.head.weight *= float(reference["head"])
    return network


@pytest.fixture(scope="module")
def image(reference):
    return torch.from_numpy(reference["image"]).permute(2, 0, 1) / 255


@pytest.fixture(scope="module")
def landmarks(reference):
    return torch.from_numpy(reference["landmarks"])


@pytest.fixture(scope="module")
def flow(network, image, landmarks):
    return dense_flow(network, image, landmarks, SIZE)


def one_hot(bins_x, bins_y):
    """Logits of a distribution that is sure of one bin per axis, in a single pixel."""
    logits = torch.zeros(len(bins_x), 2 * BINS, 1, 1)
    rows = torch.arange(len(bins_x))
    logits[rows, bins_x] = logits[rows, BINS + bins_y] = 200
    return logits


class Stub(Cmp):
    """Says what to hand on, and remembers what it was given."""

    def __init__(self, logits):
        torch.nn.Module.__init__(self)
        self.flow_decoder = torch.nn.Module()
        self.flow_decoder.head = torch.nn.Conv2d(1, 1, 1)
        self.logits, self.images, self.sparse = logits, [], []

    def encode(self, image):
        self.images.append(image)
        return image, image, image

    def propagate(self, encoded, sparse):
        self.sparse.append(sparse)
        return self.logits(len(sparse)).expand(-1, -1, SIZE // 2, SIZE // 2)


def test_flow_is_the_reference_implementations(flow, reference):
    assert reference["flow"].std() > 5
    np.testing.assert_allclose(flow.numpy(), reference["flow"], rtol=1e-4, atol=1e-4 * np.abs(reference["flow"]).max())


def test_sparse_motion_is_the_reference_implementations(reference):
    image, landmarks = reference["image"], reference["landmarks"].astype(np.float64)
    scaled = torch.from_numpy(landmarks * SIZE / np.array([image.shape[1], image.shape[0]]))
    sparse = sparse_motion(scaled[0], scaled[1:], SIZE).numpy()
    rows, columns = reference["sparse_at"].T
    assert len(rows) < 68  # some share a pixel
    np.testing.assert_allclose(sparse[:, :2, rows, columns], reference["sparse"], rtol=0, atol=2e-5)
    assert (sparse[:, 2:, rows, columns] == 1).all()
    sparse[:, :, rows, columns] = 0
    assert not sparse.any()


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-40, 40, width=16), y=st.floats(-40, 40, width=16), seed=st.integers(0, 10**6))
def test_translation_is_at_each_landmark_and_nowhere_else(x, y, seed):
    first = torch.from_numpy(np.random.default_rng(seed).uniform(0, SIZE, (68, 2)))
    sparse = sparse_motion(first, (first + torch.tensor([x, y]))[None], SIZE)
    expected = torch.zeros(4, SIZE, SIZE)
    for column, row in first.long():
        expected[:, row, column] = torch.tensor([x, y, 1, 1])
    torch.testing.assert_close(sparse[0], expected, rtol=0, atol=1e-5)


def test_the_later_of_landmarks_in_one_pixel_counts():
    first = torch.tensor([[3.2, 5.9], [8.0, 1.0], [3.9, 5.0], [3.0, 5.5]])
    motion = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    sparse = sparse_motion(first, (first + motion)[None], SIZE)
    torch.testing.assert_close(sparse[0, :, 5, 3], torch.tensor([4.0, 40, 1, 1]))
    torch.testing.assert_close(sparse[0, :, 1, 8], torch.tensor([2.0, 20, 1, 1]))
    assert sparse[0, 2].sum() == 2


def test_landmarks_outside_count_at_the_border():
    first = torch.tensor([[-7.0, 200.0], [90.0, -0.5]])
    sparse = sparse_motion(first, first[None] + 1, SIZE)
    assert sparse[0, 2].nonzero().tolist() == [[0, SIZE - 1], [SIZE - 1, 0]]


def test_a_sure_bin_is_its_centre():
    bins = torch.arange(BINS)
    centres = expectation(one_hot(bins, bins.flip(0)))[:, :, 0, 0]
    expected = torch.linspace(-50 + WIDTH_OF_BIN / 2, 50 - WIDTH_OF_BIN / 2, BINS)
    torch.testing.assert_close(centres, torch.stack([expected, expected.flip(0)], 1), rtol=1e-5, atol=1e-5)


def test_an_unsure_bin_is_the_mean():
    logits = torch.randn(2, 2 * BINS, 3, 4, generator=torch.Generator().manual_seed(0))
    parts = np.exp(logits.double().numpy()).reshape(2, 2, BINS, 3, 4)
    centres = -50 + WIDTH_OF_BIN * (np.arange(BINS) + 0.5)
    expected = np.einsum("ncbhw,b->nchw", parts / parts.sum(2, keepdims=True), centres)
    np.testing.assert_allclose(expectation(logits).numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (7.3, -21.9), (-49.9, 49.9)])
def test_motion_survives_its_bin_and_is_in_pixels_of_the_image(x, y):
    height, width = 40, 96
    bins = [torch.tensor([int((motion + 50) / WIDTH_OF_BIN)]) for motion in (x, y)]
    stub = Stub(lambda count: one_hot(*bins).expand(count, -1, -1, -1))
    flow = dense_flow(stub, torch.zeros(3, height, width), torch.zeros(3, 68, 2), SIZE)
    assert flow.shape == (2, 2, height, width)
    torch.testing.assert_close(flow, flow[:1, :, :1, :1].expand_as(flow), rtol=1e-5, atol=1e-5)
    assert flow[0, 0, 0, 0] == pytest.approx(x * width / SIZE, abs=WIDTH_OF_BIN / 2 * width / SIZE + 1e-3)
    assert flow[0, 1, 0, 0] == pytest.approx(y * height / SIZE, abs=WIDTH_OF_BIN / 2 * height / SIZE + 1e-3)


def test_the_network_is_given_the_stretched_image_and_scaled_landmarks():
    height, width = 32, 128
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    landmarks = torch.tensor([[[100.0, 3.0]], [[110.0, 2.0]]])
    stub = Stub(lambda count: torch.zeros(count, 2 * BINS, 1, 1))
    dense_flow(stub, image, landmarks, SIZE)
    stretched = image[:, :, ::2].repeat_interleave(2, 1)
    torch.testing.assert_close(stub.images[0], stretched[None] * 2 - 1)
    assert stub.sparse[0][0, 2].nonzero().tolist() == [[6, 50]]
    assert stub.sparse[0][0, :, 6, 50].tolist() == [5.0, -2.0, 1.0, 1.0]


def test_half_resolution_is_enlarged_between_corner_pixels():
    logits = torch.zeros(1, 2 * BINS, SIZE // 2, SIZE // 2)
    logits[:, BINS - 1, :, SIZE // 4 :] = 200  # to the right in the right half
    flow = dense_flow(Stub(lambda count: logits), torch.zeros(3, SIZE, SIZE), torch.zeros(2, 1, 2), SIZE)[0, 0]
    place = np.linspace(0, SIZE // 2 - 1, SIZE)
    expected = np.interp(place, np.arange(SIZE // 2), (np.arange(SIZE // 2) >= SIZE // 4) * (50 - WIDTH_OF_BIN / 2))
    np.testing.assert_allclose(flow.numpy(), np.broadcast_to(expected, (SIZE, SIZE)), rtol=1e-4, atol=1e-3)


def test_the_image_is_encoded_once():
    stub = Stub(lambda count: torch.zeros(count, 2 * BINS, 1, 1))
    dense_flow(stub, torch.zeros(3, SIZE, SIZE), torch.zeros(8, 68, 2), SIZE, chunk=3)
    assert len(stub.images) == 1
    assert [len(sparse) for sparse in stub.sparse] == [3, 3, 1]


def test_encoded_once_is_the_whole_network(network):
    draws = torch.Generator().manual_seed(1)
    image, sparse = torch.rand(1, 3, SIZE, SIZE, generator=draws), torch.randn(2, 4, SIZE, SIZE, generator=draws)
    together = network(image, sparse)
    alone = torch.cat([network(image, part[None]) for part in sparse])
    assert together.shape == (2, 2 * BINS, SIZE // 2, SIZE // 2)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5 * float(alone.abs().max()))


def test_chunk_changes_nothing(network, image, landmarks, flow):
    other = dense_flow(network, image, landmarks, SIZE, chunk=2)
    torch.testing.assert_close(other, flow, rtol=1e-5, atol=1e-5 * float(flow.abs().max()))


def test_order_of_frames_changes_nothing(network, image, landmarks, flow):
    backwards = dense_flow(network, image, landmarks[[0, 3, 2, 1]], SIZE)
    torch.testing.assert_close(backwards.flip(0), flow, rtol=1e-5, atol=1e-5 * float(flow.abs().max()))


def test_one_frame_moves_nothing(network, image, landmarks):
    flow = dense_flow(network, image, landmarks[:1], SIZE)
    assert (flow.shape, flow.dtype) == ((0, 2, *image.shape[1:]), torch.float32)


def test_flow_is_float32_of_a_half_precision_network(image, landmarks):
    stub = Stub(lambda count: torch.zeros(count, 2 * BINS, 1, 1, dtype=torch.float16)).half()
    flow = dense_flow(stub, image, landmarks, SIZE)
    assert flow.dtype == torch.float32
    assert stub.images[0].dtype == stub.sparse[0].dtype == torch.float16
    torch.testing.assert_close(flow, torch.zeros_like(flow), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("setting", "value"), [("size", 56), ("size", 100), ("chunk", 0)])
def test_settings_that_cannot_be(network, image, landmarks, setting, value):
    with pytest.raises(UserError, match=f"{setting}={value}: accepted are"):
        dense_flow(network, image, landmarks, **{setting: value})


def saved(network, path):
    """A checkpoint as the training of CMP wrote it, before there were zip files and counters of batches."""
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    content = {"step": 42000, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_checkpoint_is_loaded(network, tmp_path):
    other = empty()
    load_state(other, saved(network, tmp_path / "cmp.pth.tar"))
    for name, tensor in network.state_dict().items():
        if "num_batches" in name:
            continue  # counts for nothing in evaluation mode
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"module.flow_decoder.head.bias": None},
        {"module.image_encoder.fc.bias": torch.zeros(1000)},
        {"module.flow_decoder.head.bias": torch.zeros(2)},
        {"module.image_encoder.bn1.running_mean": None},
    ],
    ids=["missing", "extra", "shape", "statistics"],
)
def test_checkpoint_of_something_else_is_refused(network, tmp_path, monkeypatch, changes):
    monkeypatch.setattr(cmp.torch, "load", lambda *_, **__: content)  # writing 100 MB takes its time
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()} | changes
    content = {"state_dict": {name: tensor for name, tensor in state.items() if tensor is not None}}
    (name,) = changes
    with pytest.raises(UserError, match=f"(?s)does not hold the weights of CMP.*{name.removeprefix('module.')}"):
        load_state(network, tmp_path / "cmp.pth.tar")  # what it copies before it fails is the network's own


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], {"state_dict": 3}], ids=["dict", "list", "no dict"])
def test_other_files_of_torch_are_refused(network, tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth: does not hold the weights of CMP"):
        load_state(network, tmp_path / "other.pth")


def test_files_that_are_none_of_torch_or_not_there_are_refused(network, tmp_path):
    (tmp_path / "page.html").write_text("<html>not found</html>")
    with pytest.raises(UserError, match=r"page\.html: does not hold .* accepted is a checkpoint of CMP"):
        load_state(network, tmp_path / "page.html")
    with pytest.raises(UserError, match=r"nowhere: does not hold .*FileNotFoundError"):
        load_state(network, tmp_path / "nowhere")
