"""The scales of blocks, quantized once more to 8 bits (Dettmers et al. 2023, QLoRA, section 3).

Letters:
    c2      [blocks]: the scales of the blocks of weights; their mean is taken off before they are quantized
    c1      [ceil(blocks / 256)]: the largest |c2 − mean| of each 256 of them
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor

BLOCK = 256  # scales that share a c1


@dataclass(frozen=True)
class DoubleQuantized:
    """codes: index into the dynamic map; scales: c1, float32; mean: of c2, float32; values: c2 read back."""

    codes: UInt8[Tensor, " blocks"]
    scales: Float[Tensor, " blocks_256"]
    mean: Float[Tensor, ""]
    values: Float[Tensor, " blocks"]


def dynamic_map() -> Float[Tensor, "256"]:
    """The values of 8 bits with a movable exponent, from low to high (Dettmers 2016, arXiv:1511.04561).

    A sign, i − 6 zeros before the first one, which gives the power of ten, and the i bits left: the middles
    of 2^i equal parts of 0.1..1. And 0, and 1.
    """
    values = [0.0, 1.0]
    for i in range(7):
        ends = torch.linspace(0.1, 1, 2**i + 1)
        middles = ((ends[:-1] + ends[1:]) / 2 * 10.0 ** (i - 6)).tolist()
        values += middles + [-middle for middle in middles]
    return torch.tensor(sorted(values))


def double_quantize(scales: Float[Tensor, " blocks"]) -> DoubleQuantized:
    """Each of c2 to the nearest value of the map; the lower one where two are equally near."""
    n, table = len(scales), dynamic_map().to(scales.device)
    mean = scales.mean()
    parts = F.pad(scales - mean, (0, -n % BLOCK)).reshape(-1, BLOCK)
    c1 = parts.abs().amax(1, keepdim=True)
    codes = torch.bucketize(parts / c1.where(c1 > 0, 1), (table[:-1] + table[1:]) / 2)
    values = table[codes] * c1 + mean
    return DoubleQuantized(codes.to(torch.uint8).flatten()[:n], c1.flatten(), mean, values.flatten()[:n])
