"""Keys, values and activations in few bits: what runs through the model, not what it has learned.

Letters, as in Liu et al. 2024 (KIVI):
    X [..., T, d]   keys or values: T positions, d channels, any number of heads before
    B               bits of a code
    z, s            zero point min X and scale (max X − min X) / (2^B − 1), for each position ("token") or
                    each channel; X' = round((X − z) / s) s + z
KIVI takes channels in groups of 32 positions, and leaves the last positions alone; here a channel has one
scale over all T.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

DIMS = {"token": -1, "channel": -2}  # what a part runs along: a position has d values, a channel T


@torch.no_grad()
def quantize_cache(
    x: Float[Tensor, "*heads T d"], bits: int, per: Literal["token", "channel"]
) -> Float[Tensor, "*heads T d"]:
    """X', in the type of x. z and s are float16. Raises ValueError where float16 does not hold z."""
    dim = DIMS[per]
    values = x.float()
    low, high = values.amin(dim, keepdim=True), values.amax(dim, keepdim=True)
    z = low.half().float()
    s = ((high - low) / (2**bits - 1)).half().float()
    if not (z.isfinite().all() and s.isfinite().all()):
        raise ValueError(
            f"Values that float16 holds are expected; got {float(low.min()):.4g} to {float(high.max()):.4g}."
        )
    s = s.where(s > 0, 1)  # all values alike: z alone says them
    codes = torch.round((values - z) / s).clamp(0, 2**bits - 1)
    return (codes * s + z).to(x.dtype)


def cache_bytes(shape: tuple[int, ...], bits: int, per: Literal["token", "channel"]) -> int:
    """Bytes of a tensor of this shape as quantize_cache writes it: packed codes, and z and s of 2 bytes."""
    *heads, T, d = shape
    heads = torch.Size(heads).numel()
    parts = heads * (T if DIMS[per] == -1 else d)
    return -(-heads * T * d * bits // 8) + parts * 4


@torch.no_grad()
def round_activations(
    x: Float[Tensor, "*shape d"], bits: int, per: Literal["token", "tensor"]
) -> Float[Tensor, "*shape d"]:
    """Absmax, s = max|x| / (2^(bits−1) − 1) in float32, one for each vector of d or for all of x."""
    values = x.float()
    largest = values.abs().amax(-1, keepdim=True) if per == "token" else values.abs().amax()
    s = largest / (2 ** (bits - 1) - 1)
    return (torch.round(values / s.where(s > 0, 1)) * s).to(x.dtype)
