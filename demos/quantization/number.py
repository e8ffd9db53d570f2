"""One weight on its way to a level: where the levels of its scale lie, what each place on the line becomes.

Letters: w, s, z, q as in rounding.py; u = w / s (+ z), the weight in units of its scale, before rounding.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from demos.quantization.algorithm import QuantTrace
from demos.quantization.codebooks import CODEBOOKS
from demos.quantization.rounding import decode, encode
from demos.quantization.scheme import FLOATS

PLACES = 481  # of the slider
BEYOND = 1.15  # the line goes on past the outermost level
NEIGHBOURS = 6  # levels of a float that are shown on either side: it has 65,536


@dataclass(frozen=True)
class Number:
    """One weight [row, column] and the number line around it.

    weight, code, back, scale: of the weight as the scheme left it; unit: the weight in units of the scale,
    before rounding; scale nan where there is none, zero_point None where there is none. levels [L], codes
    [L]: all values that its scale can give, ascending, of a
    float those around the weight. places, units, rounded, numbers [P]: points of the line, the same in units
    of the scale, the level that is nearest to each, and that level's code. bits: of a code.
    stretched: AWQ's factor of the column, 1 without it; the line is that of the weight times this factor.
    """

    row: int
    column: int
    weight: float
    code: int
    back: float
    scale: float
    unit: float
    zero_point: int | None
    stretched: float
    bits: int
    levels: Float[Tensor, " L"]
    codes: Int[Tensor, " L"]
    places: Float[Tensor, " P"]
    units: Float[Tensor, " P"]
    rounded: Float[Tensor, " P"]
    numbers: Int[Tensor, " P"]


def number(trace: QuantTrace, row: int, column: int) -> Number:
    """The number line of one entry. Raises ValueError for a place that the matrix does not have."""
    rows, columns = trace.codes.shape
    if not (0 <= row < rows and 0 <= column < columns):
        raise ValueError(f"An entry of {rows} x {columns} is expected; got row {row}, column {column}.")
    stretched = 1.0 if trace.column_scales is None else float(trace.column_scales[column])
    weight = float(trace.weight[row, column])
    spared = trace.outliers is not None and bool(trace.outliers[column])
    line = _float_line if spared or trace.scheme.format in FLOATS else _scaled_line
    return line(trace, row, column, weight, stretched)


def pattern(code: int, bits: int, signed: bool) -> str:
    """The code's bits, the highest first; a signed code in two's complement."""
    least = -(2 ** (bits - 1)) if signed else 0
    if not least <= code < least + 2**bits:
        raise ValueError(f"A code of {bits} bits is expected; got {code}.")
    return format(code % 2**bits, f"0{bits}b")


def in_units(trace: QuantTrace) -> Float[Tensor, "out in"]:
    """Every weight in units of its own scale, before rounding and zero point.

    Floats have no scale: they are in units of the largest weight. Weights that AWQ stretched are so here.
    Where a scale is 0 all its weights are.
    """
    weight = trace.weight if trace.column_scales is None else trace.weight * trace.column_scales
    if trace.scheme.format in FLOATS:
        return weight / weight.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    scales = trace.scales
    if trace.scheme.per == "group":
        scales = scales.repeat_interleave(trace.scheme.size, dim=1)
    elif trace.scheme.per == "block":
        scales = scales.repeat_interleave(trace.scheme.size)[: weight.numel()].reshape(weight.shape)
    return weight / scales.where(scales > 0, 1)


def _scaled_line(trace: QuantTrace, row: int, column: int, weight: float, stretched: float) -> Number:
    scheme = trace.scheme
    s, z = (_of(part, trace, row, column) for part in (trace.scales, trace.zero_points))
    if scheme.format in CODEBOOKS:
        codes = torch.arange(16, dtype=torch.uint8)
    elif z is None:
        most = 2 ** (scheme.bits - 1) - 1
        codes = torch.arange(-most, most + 1, dtype=torch.int8)
    else:
        codes = torch.arange(2**scheme.bits, dtype=torch.uint8)
    levels = decode(codes[None], s, z, scheme)[0]
    levels, order = levels.sort(stable=True)
    most = float(max(levels.abs().max(), abs(weight * stretched))) * BEYOND or 1.0
    places = torch.arange(-(PLACES // 2), PLACES // 2 + 1) * (most / (PLACES // 2))
    numbers = encode(places[None], s, z, scheme)[0]
    unit = (weight * stretched / float(s) if s[0, 0] else 0.0) + (0 if z is None else int(z))
    divided = places / s[0, 0] if s[0, 0] else torch.zeros_like(places)
    return Number(
        row, column, weight, int(trace.codes[row, column]), float(trace.dequantized[row, column]),
        float(s), unit, None if z is None else int(z), stretched, scheme.bits, levels, codes[order].long(),
        places, divided if z is None else divided + z[0, 0], decode(numbers[None], s, z, scheme)[0],
        numbers.long(),
    )  # fmt: skip


def _float_line(trace: QuantTrace, row: int, column: int, weight: float, stretched: float) -> Number:
    """Around the weight, where a float's levels are as far apart as its exponent says."""
    dtype = torch.bfloat16 if trace.scheme.format == "bfloat16" else torch.float16
    back = torch.tensor(float(trace.dequantized[row, column])).to(dtype)
    up, down, levels = back, back, [back]
    for _ in range(NEIGHBOURS):
        up, down = (
            torch.nextafter(at, torch.tensor(end, dtype=dtype))
            for at, end in ((up, torch.inf), (down, -torch.inf))
        )
        levels += [up, down]
    levels = torch.stack(levels)
    levels = levels[levels.isfinite()].sort().values
    places = torch.linspace(float(levels[0]), float(levels[-1]), PLACES)
    rounded = places.to(dtype)
    codes, numbers = (_pattern_of(x) for x in (levels, rounded))
    return Number(
        row, column, weight, int(_pattern_of(back[None])), float(back), float("nan"), weight, None, stretched,
        16, levels.float(), codes, places, places, rounded.float(), numbers,
    )  # fmt: skip


def _pattern_of(x: Tensor) -> Int[Tensor, " n"]:
    """The 16 bits of each float as a whole number."""
    return x.view(torch.int16).long() % 2**16


def _of(part: Tensor | None, trace: QuantTrace, row: int, column: int) -> Tensor | None:
    """The scale or zero point of one weight, [1, 1]."""
    if part is None:
        return None
    columns = trace.codes.shape[1]
    scheme = trace.scheme
    if scheme.per == "block":
        value = part[(row * columns + column) // scheme.size]
    else:
        value = {
            "tensor": lambda: part[0, 0],
            "channel": lambda: part[row, 0],
            "group": lambda: part[row, column // max(scheme.size, 1)],
        }[scheme.per]()
    return value.reshape(1, 1).cpu()
