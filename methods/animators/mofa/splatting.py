"""Forward splatting: pixels thrown to where they move, in plain torch, to the same bits on every run.

Reference: Niklaus and Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020, modes ``avg`` and ``soft``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-7
"""Added to the sum of weights, as the reference implementation does: where nothing arrives there is 0."""


def splat(values: Tensor, flow: Tensor, weight: Tensor | None = None) -> Tensor:
    """Move every pixel by its flow, share it bilinearly between the four pixels around, average what meets in one.

    What falls outside is dropped, and so are pixels whose flow is not finite. Computed in float32.

    Args:
        values: (N, C, H, W).
        flow: (N, 2, H, W), (x, y) in pixels.
        weight: (N, 1, H, W), finite; pixels count by its exponential. Without it all count the same.

    Returns:
        (N, C, H, W), of the type of ``values``. Every pixel is the weighted sum of what arrives, divided by the sum of
        weights and ``EPSILON``.
    """
    import torch

    count, channels, height, width = values.shape
    rows = values.float().permute(0, 2, 3, 1).reshape(-1, channels)
    epsilon = torch.full((count, 1, 1, 1), EPSILON, device=values.device)
    if weight is None:
        rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1)
    else:
        # A large maximum is subtracted lest the exponential overflow. The epsilon shrinks with the weights, so the
        # result stays what it is without that, down to where it would leave the normal numbers and let 0 / 0 happen.
        excess = weight.float().amax((1, 2, 3), keepdim=True).clamp(min=0)
        epsilon = (epsilon * (-excess).exp()).clamp(min=1e-30)
        factors = (weight.float() - excess).exp().reshape(-1, 1)
        rows = torch.cat([rows * factors, factors], 1)

    x = (torch.arange(width, device=flow.device) + flow[:, 0].float()).flatten()
    y = (torch.arange(height, device=flow.device)[:, None] + flow[:, 1].float()).flatten()
    first = torch.arange(count, device=flow.device).repeat_interleave(height * width) * (height * width)
    total = torch.zeros_like(rows)
    left, top = x.floor(), y.floor()
    for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
        for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
            # Compared as floats: false of NaN, and right for what no integer holds.
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            target = first[inside] + row[inside].long() * width + column[inside].long()
            _add(total, target, rows[inside] * (across * down)[inside, None])
    total = total.reshape(count, height, width, channels + 1).permute(0, 3, 1, 2)
    return (total[:, :-1] / (total[:, -1:] + epsilon)).to(values.dtype)


def _add(total: Tensor, target: Tensor, rows: Tensor) -> None:
    """Add rows to those of ``total`` that ``target`` names, in an order that does not change from run to run.

    Of the two ways only one is deterministic on each device without the global switch (see PyTorch's documentation of
    ``use_deterministic_algorithms``): index_add_ goes through the rows one by one on a CPU but adds atomically on CUDA;
    index_put_ with ``accumulate`` sorts by target, stably, on CUDA but adds from several threads on a CPU.
    """
    if total.is_cuda:
        total.index_put_((target,), rows, accumulate=True)
    else:
        total.index_add_(0, target, rows)
