"""Each weight goes to the nearest level: the scales, the codes, and back.

Letters:
    w, W        a weight; the matrix [out, in], Y = X Wᵀ
    b           bits of a code
    s, z        scale and zero point, one of each for all weights that share them (a "part" below)
    q           the code; the value back is s q (absmax), s (q − z) (zero-point), s table[q] (FP4, NF4, MXFP4)
Absmax: s = max|w| / (2^(b−1) − 1). Zero-point, the range widened to contain 0:
s = (max − min) / (2^b − 1), z = round(−min / s). Both from Dettmers et al. 2022; the tables in codebooks.py.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int16, Integer
from torch import Tensor

from demos.quantization.codebooks import CODEBOOKS, nearest
from demos.quantization.double_quantization import DoubleQuantized, double_quantize
from demos.quantization.scheme import FLOATS, Scheme

AT_ONCE = 2**20  # weights whose intermediate values are held at one time


@dataclass(frozen=True)
class Rounded:
    """A matrix in few bits.

    codes: int8 for absmax, uint8 for zero-point (0..2^b − 1) and for tables (0..15, an index into the
    published order), int16 for float16 and bfloat16: the pattern of the 16 bits.
    scales, zero_points: [1, 1] per tensor, [out, 1] per channel, [out, in / size] per group,
    [ceil(out in / size)] per block, [0] for float16 and bfloat16; the scales as stored, read as float32.
    dequantized: the values back. double: how the scales are themselves stored, where they are quantized.
    """

    codes: Integer[Tensor, "out in"]
    scales: Float[Tensor, "..."]
    zero_points: Int16[Tensor, "..."] | None
    dequantized: Float[Tensor, "out in"]
    double: DoubleQuantized | None = None


def check(weight: Tensor, scheme: Scheme) -> None:
    """Raises ValueError for a weight that the scheme cannot take."""
    if weight.ndim != 2 or weight.numel() == 0:
        raise ValueError(f"A matrix [out, in] is expected; got the shape {list(weight.shape)}.")
    low, high = weight.detach().aminmax()
    if not (low.isfinite() and high.isfinite()):
        missing = int((~weight.isfinite()).sum())
        raise ValueError(f"Finite weights are expected; {missing} of {weight.numel()} are infinite or NaN.")
    if scheme.per == "group" and weight.shape[1] % scheme.size:
        raise ValueError(f"Groups of {scheme.size} do not divide rows of {weight.shape[1]} weights.")


def check_inputs(x: Float[Tensor, "n width"], weight: Float[Tensor, "out in"]) -> None:
    """Raises ValueError for inputs of no rows, of another width than the weights, or not finite."""
    if x.shape[1] != weight.shape[1] or not len(x):
        raise ValueError(
            f"Inputs [n, {weight.shape[1]}] are expected, as wide as the weights; got {list(x.shape)}."
        )
    if lost := int((~x.isfinite()).sum()):
        raise ValueError(f"Finite inputs are expected; {lost} of {x.numel()} are infinite or NaN.")


@torch.no_grad()
def round_nearest(weight: Float[Tensor, "out in"], scheme: Scheme) -> Rounded:
    """Every weight to its nearest level, whatever scheme.method says.

    Raises ValueError for a weight that the scheme cannot take (see `check` and `fit`).
    """
    check(weight, scheme)
    if scheme.format in FLOATS:
        return _shorter_float(weight, scheme)
    weight = weight.detach().float()
    shape, n, parts = weight.shape, weight.numel(), weight
    if scheme.size:
        parts = F.pad(weight.reshape(-1), (0, -n % scheme.size)).reshape(-1, scheme.size)
    scales, zeros = fit(weight.reshape(1, -1) if scheme.per == "tensor" else parts, scheme)
    double = double_quantize(scales[:, 0]) if scheme.double else None
    stored = double.values[:, None] if double else scales
    codes = torch.empty(parts.shape, dtype=_dtype(scheme), device=weight.device)
    values = torch.empty_like(parts, memory_format=torch.contiguous_format)
    rows = max(1, AT_ONCE // parts.shape[1])
    for start in range(0, len(parts), rows):
        some = slice(start, start + rows)
        mine = slice(None) if scheme.per == "tensor" else some
        z = None if zeros is None else zeros[mine]
        codes[some] = encode(parts[some], scales[mine], z, scheme)
        values[some] = decode(codes[some], stored[mine], z, scheme)
    size = {"group": (shape[0], -1), "block": (-1,)}.get(scheme.per, scales.shape)
    return Rounded(
        codes.flatten()[:n].reshape(shape),
        stored.reshape(size),
        None if zeros is None else zeros.reshape(size),
        values.flatten()[:n].reshape(shape),
        double,
    )


def fit(
    part: Float[Tensor, "rows k"], scheme: Scheme
) -> tuple[Float[Tensor, "rows 1"], Int16[Tensor, "rows 1"] | None]:
    """One scale for each row of `part`, as stored (rounded to float16 where the scheme says so), and z.

    A row of zeros has scale 1; with a table and a free scale it has 0, as in bitsandbytes.
    Raises ValueError for a scale that would be infinite.
    """
    low, high = part.amin(1, keepdim=True), part.amax(1, keepdim=True)
    largest = torch.maximum(high, -low)
    if scheme.format == "mxfp4":  # OCP MX 1.0, 6.3: the largest power of two in max|w|, over that in E2M1's 6
        exponent = torch.frexp(largest).exponent - 1 - 2
        return torch.ldexp(torch.ones_like(largest), exponent.clamp(-127, 127).where(largest > 0, 0)), None
    if scheme.format in CODEBOOKS:
        return _stored(largest / max(CODEBOOKS[scheme.format]), largest, scheme), None
    if scheme.format == "absmax":
        scales = _stored(largest / (2 ** (scheme.bits - 1) - 1), largest, scheme)
        return scales.where(largest > 0, 1), None
    most = 2**scheme.bits - 1
    low, high = low.clamp(max=0), high.clamp(min=0)
    scales = _stored((high - low) / most, largest, scheme).where(largest > 0, 1)
    return scales, torch.round(-low / scales).clamp(0, most).to(torch.int16)


def encode(
    part: Float[Tensor, "rows k"],
    scales: Float[Tensor, "#rows #k"],
    zero_points: Int16[Tensor, "#rows #k"] | None,
    scheme: Scheme,
) -> Integer[Tensor, "rows k"]:
    """The codes. Halfway between two integers: the even one; in a table: as `nearest` says."""
    if scheme.format in CODEBOOKS:
        return nearest(part / scales.where(scales > 0, 1), scheme.format)
    codes = torch.round(part / scales)
    if zero_points is None:
        most = 2 ** (scheme.bits - 1) - 1
        return codes.clamp_(-most, most).to(torch.int8)
    return codes.add_(zero_points).clamp_(0, 2**scheme.bits - 1).to(torch.uint8)


def decode(
    codes: Integer[Tensor, "rows k"],
    scales: Float[Tensor, "#rows #k"],
    zero_points: Int16[Tensor, "#rows #k"] | None,
    scheme: Scheme,
) -> Float[Tensor, "rows k"]:
    """The values back."""
    if scheme.format in CODEBOOKS:
        table = torch.tensor(CODEBOOKS[scheme.format], device=codes.device)
        return table[codes.int()].mul_(scales)
    values = codes.float()
    return (values if zero_points is None else values.sub_(zero_points)).mul_(scales)


def _dtype(scheme: Scheme) -> torch.dtype:
    return torch.int8 if scheme.format == "absmax" else torch.uint8


def _stored(scales: Tensor, largest: Tensor, scheme: Scheme) -> Tensor:
    """As a reader of the stored scales has them; one that would be 0 is the smallest normal number."""
    stored = scales.half().float() if scheme.scale_bits == 16 else scales
    if not stored.isfinite().all():
        worst = int(scales.argmax())
        raise ValueError(
            f"The scale of weights up to {float(largest.flatten()[worst]):.3g} cannot be stored as "
            f"float{scheme.scale_bits}: {float(scales.flatten()[worst]):.3g} becomes infinite."
        )
    least = torch.finfo(torch.float16 if scheme.scale_bits == 16 else torch.float32).smallest_normal
    return stored.where((stored > 0) | (largest == 0), least)


def _shorter_float(weight: Float[Tensor, "out in"], scheme: Scheme) -> Rounded:
    dtype = torch.float16 if scheme.format == "float16" else torch.bfloat16
    short = weight.detach().to(dtype)
    values = short.float()
    if not values.isfinite().all():
        raise ValueError(
            f"{scheme.format} ends at {torch.finfo(dtype).max:.5g}; the largest weight is "
            f"{float(weight.abs().max()):.5g}."
        )
    return Rounded(short.view(torch.int16), weight.new_empty(0, dtype=torch.float32), None, values)
