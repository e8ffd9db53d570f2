"""The levels that a code can stand for, in units of the scale, and the level nearest to a value.

Letters: L, the number of levels of a format.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from demos.quantization.scheme import FLOATS, TABLES, Scheme

# OCP Microscaling Formats 1.0 (2023), table 4: sign, two bits of exponent with bias 1, one of mantissa.
E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
# bitsandbytes' own exponents, in its order of codes: get_4bit_type("fp4"), divided by its largest, 12.
BNB_FP4 = tuple(
    sign * value / 12 for sign in (1.0, -1.0) for value in (0.0, 0.0625, 8.0, 12.0, 4.0, 6.0, 2.0, 3.0)
)
# Dettmers et al. 2023 (QLoRA), appendix E: quantiles of the normal distribution, 0 and both ends exact.
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip

# format -> the level of each code; the largest weight of a block lies on the largest level
CODEBOOKS = dict(zip(TABLES, (E2M1, BNB_FP4, NF4, E2M1), strict=True))


def levels(scheme: Scheme) -> Float[Tensor, " L"]:
    """The levels from low to high, in units of the scale; of zero-point, before the zero point is taken off.

    Of float16 and bfloat16: all finite values.
    """
    if scheme.format in FLOATS:
        dtype = torch.float16 if scheme.format == "float16" else torch.bfloat16
        values = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype).float()
        return values[values.isfinite()].unique()
    if scheme.format == "absmax":
        most = 2 ** (scheme.bits - 1) - 1
        return torch.arange(-most, most + 1, dtype=torch.float32)
    if scheme.format == "zero-point":
        return torch.arange(2**scheme.bits, dtype=torch.float32)
    return torch.tensor(sorted(set(CODEBOOKS[scheme.format])))


def nearest(values: Float[Tensor, "*shape"], format: str) -> UInt8[Tensor, "*shape"]:
    """The code of the level nearest to each value; beyond the ends, of the last level.

    A value halfway between two levels takes the lower one, as in bitsandbytes; for E2M1 the one whose code
    is even, as in IEEE 754. Of the two zeros E2M1 takes the one with the sign of the value.
    """
    table = CODEBOOKS[format]
    order = sorted(range(len(table)), key=lambda code: (table[code], -code))
    at = torch.tensor([table[code] for code in order])
    bounds = (at[:-1] + at[1:]) / 2
    up = at[:-1] == at[1:]  # between the two zeros
    if table is E2M1:
        up |= torch.tensor(order[1:]) % 2 == 0
    # A bound moved down by the least step lies below its own value, too.
    bounds = torch.where(up, torch.nextafter(bounds, bounds - 1), bounds)
    place = torch.zeros(values.shape, dtype=torch.uint8, device=values.device)
    for bound in bounds.tolist():  # three times as fast on a CPU as bucketize, for so few
        place += values > bound
    return torch.tensor(order, dtype=torch.uint8, device=values.device)[place.int()]
