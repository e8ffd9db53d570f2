"""Codes, scales and bits of every scheme against torch, bitsandbytes, published tables and slow loops."""

import math
from dataclasses import replace
from fractions import Fraction

import bitsandbytes.functional as bnb
import numpy as np
import pytest
import torch

from demos.quantization import scheme as schemes
from demos.quantization.algorithm import quantize
from demos.quantization.awq import awq
from demos.quantization.codebooks import CODEBOOKS, levels, nearest
from demos.quantization.double_quantization import double_quantize, dynamic_map
from demos.quantization.gptq import gptq
from demos.quantization.packing import pack_trace, unpack
from demos.quantization.rounding import AT_ONCE, round_nearest

NEAREST = [scheme for scheme in schemes.SCHEMES.values() if scheme.method == "nearest"]
INTEGERS = [scheme for scheme in NEAREST if scheme.format in schemes.INTEGERS]
BLOCKS = [schemes.FP4, schemes.BNB_FP4, schemes.NF4, schemes.NF4_DOUBLE, schemes.MXFP4]

# From OCP MX 1.0, table 4, and from QLoRA, appendix E, typed again here.
E2M1_MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
NORMAL_FLOAT = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
]  # fmt: skip


def ids(scheme):
    return scheme.name


def weights(rows: int, columns: int, seed: int = 0, by: float = 0.05) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * by


def shared(scheme, weight: torch.Tensor) -> list[list[int]]:
    """Which weights of the flattened matrix have one scale, written as loops over rows and columns."""
    rows, columns = weight.shape
    if scheme.per == "tensor":
        return [list(range(rows * columns))]
    if scheme.per == "channel":
        return [[r * columns + c for c in range(columns)] for r in range(rows)]
    if scheme.per == "group":
        steps = range(0, columns, scheme.size)
        return [[r * columns + c + i for i in range(scheme.size)] for r in range(rows) for c in steps]
    n = rows * columns
    return [list(range(i, min(n, i + scheme.size))) for i in range(0, n, scheme.size)]


# Tables and their nearest levels


def test_tables_are_the_published_ones():
    assert CODEBOOKS["fp4"] == CODEBOOKS["mxfp4"] == (*E2M1_MAGNITUDES, *(-v for v in E2M1_MAGNITUDES))
    for code, value in enumerate(CODEBOOKS["fp4"]):  # sign, two bits of exponent, one of mantissa
        sign, exponent, mantissa = code >> 3, (code >> 1) & 3, code & 1
        magnitude = mantissa / 2 if exponent == 0 else (1 + mantissa / 2) * 2 ** (exponent - 1)
        assert value == (-1) ** sign * magnitude and math.copysign(1, value) == (-1) ** sign
    assert CODEBOOKS["nf4"] == tuple(NORMAL_FLOAT)
    for name, kind in (("nf4", "nf4"), ("bnb-fp4", "fp4")):
        code = bnb.quantize_4bit(torch.randn(1, 64), quant_type=kind)[1].code
        assert torch.equal(torch.tensor(CODEBOOKS[name]), code)


@pytest.mark.parametrize("format", CODEBOOKS)
def test_nearest_is_the_nearest_by_a_search_of_all_levels(format):
    table = np.array(CODEBOOKS[format])
    values = torch.cat([weights(1, 4000, by=0.6)[0] * table.max(), torch.linspace(-9, 9, 999)])
    got = nearest(values, format)
    distance = np.abs(values.double().numpy()[:, None] - table)
    chosen = distance[np.arange(len(values)), got.numpy()]
    assert (chosen <= distance.min(1) + 1e-7).all()
    clear = np.sort(distance, 1)[:, 1] - np.sort(distance, 1)[:, 0] > 1e-6
    assert (got.numpy()[clear] == distance.argmin(1)[clear]).all() and clear.sum() > 4000
    shape = values[:600].reshape(2, 3, 100)
    assert torch.equal(nearest(shape, format), got[:600].reshape(2, 3, 100))


def test_halfway_between_two_levels():
    """E2M1 as IEEE 754: mantissa bit 0. bitsandbytes takes the lower one, which we follow for its tables."""
    magnitudes = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
    even = [0, 1, 1, 2, 2, 4, 4]
    assert torch.tensor(CODEBOOKS["fp4"])[nearest(magnitudes, "fp4").int()].tolist() == even
    assert torch.tensor(CODEBOOKS["fp4"])[nearest(-magnitudes, "fp4").int()].abs().tolist() == even
    assert nearest(torch.tensor([0.0, -0.0, 0.2, -0.2]), "mxfp4").tolist() == [0, 0, 0, 8]
    for name, kind in (("nf4", "nf4"), ("bnb-fp4", "fp4")):
        at = torch.tensor(sorted(set(CODEBOOKS[name])))
        middles = (at[:-1] + at[1:]) / 2
        block = torch.cat([middles, torch.ones(64 - len(middles))])[None]
        theirs = bnb.dequantize_4bit(*bnb.quantize_4bit(block, quant_type=kind))[0, : len(middles)]
        ours = torch.tensor(CODEBOOKS[name])[nearest(middles, name).int()]
        assert torch.equal(ours, theirs) and torch.equal(ours, at[:-1])
    assert nearest(torch.zeros(1), "bnb-fp4").tolist() == [0]


@pytest.mark.parametrize("scheme", NEAREST, ids=ids)
def test_levels_are_all_that_a_weight_can_become(scheme):
    at = levels(scheme)
    assert torch.equal(at, at.unique())
    if scheme.format in schemes.FLOATS:
        info = torch.finfo(getattr(torch, scheme.format))
        assert (
            at[0] == -info.max
            and at[-1] == info.max
            and (2.0**-24 if scheme.format == "float16" else 2.0**-133) in at
        )
        # all patterns but those of infinity and NaN, and the two zeros are one
        assert len(at) == 2**16 - 2 * (2**10 if scheme.format == "float16" else 2**7) - 1
    elif scheme.format in schemes.INTEGERS:
        most = 2**scheme.bits - 1
        want = (
            list(range(most + 1))
            if scheme.format == "zero-point"
            else list(range(-(most // 2), most // 2 + 1))
        )
        assert at.tolist() == want
    else:
        assert set(at.tolist()) == {float(np.float32(v)) for v in CODEBOOKS[scheme.format]}


# Integers


def test_absmax_by_hand():
    """int4: s = 1.75/7 = 0.25, exact in float16; 0.375/0.25 = 1.5 and 0.625/0.25 = 2.5 go to the even 2."""
    weight = torch.tensor([[1.75, -0.3, 0.1, 0.375, 0.625, -1.75]])
    trace = quantize(weight, schemes.INT4_ABSMAX)
    assert trace.scales.tolist() == [[0.25]] and trace.codes.tolist() == [[7, -1, 0, 2, 2, -7]]
    assert trace.dequantized.tolist() == [[1.75, -0.25, 0, 0.5, 0.5, -1.75]]
    want = [0, 0.05, -0.1, 0.125, -0.125, 0]
    assert trace.error[0].tolist() == pytest.approx(want, abs=1e-7)
    noise = 0.05**2 + 0.1**2 + 2 * 0.125**2
    signal = 2 * 1.75**2 + 0.3**2 + 0.1**2 + 0.375**2 + 0.625**2
    assert trace.snr_db == pytest.approx(10 * math.log10(signal / noise), abs=1e-4)
    assert trace.error_per_row.tolist() == pytest.approx([math.sqrt(noise / 6)], abs=1e-6)
    assert trace.error_per_column.tolist() == pytest.approx([abs(v) for v in want], abs=1e-7)
    assert trace.bits_per_weight == (6 * 4 + 16) / 6 and trace.nbytes == 3 + 2


def test_zero_point_by_hand():
    """int4 on -0.5..3.25: s = 3.75/15 = 0.25, z = round(0.5/0.25) = 2."""
    trace = quantize(torch.tensor([[-0.5, 3.25, 0.0, 1.1]]), schemes.INT4_ZERO_POINT)
    assert trace.scales.tolist() == [[0.25]] and trace.zero_points.tolist() == [[2]]
    assert trace.codes.tolist() == [[0, 15, 2, 6]]
    assert trace.dequantized.tolist() == [[-0.5, 3.25, 0, 1]]
    assert trace.bits_per_weight == (4 * 4 + 16 + 4) / 4
    # the range is widened to contain 0: all positive, s = 3.75/15, z = 0; all negative, z = 15
    above = quantize(torch.tensor([[2.5, 3.75]]), schemes.INT4_ZERO_POINT)
    assert above.zero_points.tolist() == [[0]] and above.codes.tolist() == [[10, 15]]
    below = quantize(torch.tensor([[-2.5, -3.75]]), schemes.INT4_ZERO_POINT)
    assert below.zero_points.tolist() == [[15]] and below.codes.tolist() == [[5, 0]]


def test_a_zero_point_fits_its_bits_however_coarse_the_scale_is():
    """s = 8e-8 becomes 2^-24, the smallest float16: round(-min/s) would be 342."""
    trace = quantize(torch.tensor([[-255 * 8e-8, -100 * 8e-8]]), schemes.INT8_ZERO_POINT)
    assert trace.scales.tolist() == [[2.0**-24]] and trace.zero_points.tolist() == [[255]]
    assert trace.codes.tolist() == [[0, 255 - 134]] and "zero points" in pack_trace(trace)


@pytest.mark.parametrize("scheme", INTEGERS, ids=ids)
def test_scales_are_the_formulas_in_float64_as_float16(scheme):
    weight = weights(5, 256)
    trace = quantize(weight, scheme)
    flat, half, mine = weight.double().numpy().ravel(), [], []
    zeros = None if trace.zero_points is None else trace.zero_points.flatten().tolist()
    for i, part in enumerate(shared(scheme, weight)):
        w = flat[part]
        if scheme.format == "absmax":
            exact = np.abs(w).max() / (2 ** (scheme.bits - 1) - 1)
        else:
            exact = (max(w.max(), 0) - min(w.min(), 0)) / (2**scheme.bits - 1)
            assert zeros[i] == round(-min(w.min(), 0) / float(trace.scales.flatten()[i]))
        half.append(float(np.float16(exact)))
        mine.append(exact)
    assert trace.scales.flatten().tolist() == pytest.approx(half, rel=1e-7)
    assert trace.scales.flatten().tolist() == pytest.approx(mine, rel=2**-11 + 1e-6)


@pytest.mark.parametrize("scheme", [schemes.INT8_ABSMAX, schemes.INT8_ZERO_POINT], ids=ids)
@pytest.mark.parametrize("shape", [(7, 333), (1, 5), (64, 1)])
def test_int8_per_channel_equals_torchs_quantize_per_channel(scheme, shape):
    weight = weights(*shape, seed=3)
    trace = quantize(weight, scheme)
    zeros = torch.zeros(shape[0]) if trace.zero_points is None else trace.zero_points[:, 0]
    kind = torch.qint8 if scheme.format == "absmax" else torch.quint8
    theirs = torch.quantize_per_channel(weight, trace.scales[:, 0].double(), zeros.long(), 0, kind)
    place = weight.double() / trace.scales.double()
    tie = ((place - place.floor()) - 0.5).abs() < 1e-4
    differs = trace.codes != theirs.int_repr()
    assert not (differs & ~tie).any()
    same = ~differs
    torch.testing.assert_close(trace.dequantized[same], theirs.dequantize()[same], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("scheme", INTEGERS, ids=ids)
def test_codes_are_the_nearest_integers_by_a_loop(scheme):
    weight = weights(3, 256, seed=4)
    trace = quantize(weight, scheme)
    flat, got, back = weight.flatten().tolist(), trace.codes.flatten().tolist(), trace.dequantized.flatten()
    zeros = torch.zeros_like(trace.scales) if trace.zero_points is None else trace.zero_points
    low, high = (
        (0, 2**scheme.bits - 1)
        if trace.zero_points is not None
        else (1 - 2 ** (scheme.bits - 1), 2 ** (scheme.bits - 1) - 1)
    )
    for s, z, part in zip(
        trace.scales.flatten().tolist(), zeros.flatten().tolist(), shared(scheme, weight), strict=True
    ):
        for i in part:
            place = Fraction(flat[i]) / Fraction(s)
            want = min(max(round(place) + int(z), low), high)
            assert got[i] == want or abs(abs(place - math.floor(place)) - Fraction(1, 2)) < 1e-5
            assert float(back[i]) == pytest.approx(s * (got[i] - int(z)), rel=1e-6)


# Blocks and their tables


@pytest.mark.parametrize(("scheme", "kind"), [(schemes.NF4, "nf4"), (schemes.BNB_FP4, "fp4")])
@pytest.mark.parametrize("shape", [(64, 128), (6, 688), (3, 50)])
def test_blocks_equal_bitsandbytes(scheme, kind, shape):
    weight = weights(*shape, seed=5)
    trace = quantize(weight, scheme)
    # flat, as their dequantization on the CPU mistakes rows that are no whole number of blocks
    packed, state = bnb.quantize_4bit(weight.flatten(), quant_type=kind, blocksize=64)
    back = bnb.dequantize_4bit(packed, state).reshape(shape)
    torch.testing.assert_close(trace.scales, state.absmax, rtol=0, atol=0)
    torch.testing.assert_close(trace.dequantized, back, rtol=1e-6, atol=0)
    theirs = unpack(packed.flatten(), 4, False, weight.numel()).reshape(shape)
    zero = torch.tensor(CODEBOOKS[scheme.format])[theirs.int()] == 0  # their table has two zeros
    assert torch.equal(trace.codes[~zero], theirs[~zero])
    if kind == "nf4":
        assert torch.equal(trace.codes, theirs)
        assert torch.equal(pack_trace(trace)["codes"], packed.flatten())


@pytest.mark.parametrize("scheme", BLOCKS, ids=ids)
@pytest.mark.parametrize("shape", [(4, 688), (1, 1), (5, 13)])
def test_blocks_against_a_search_of_the_table(scheme, shape):
    weight = weights(*shape, seed=6)
    trace = quantize(weight, scheme)
    table, flat = np.array(CODEBOOKS[scheme.format]), weight.double().numpy().ravel()
    codes = trace.codes.flatten().numpy()
    parts = shared(scheme, weight)
    assert trace.scales.shape == (len(parts),)
    for i, part in enumerate(parts):
        w = flat[part]
        if scheme.format == "mxfp4":
            s = 2.0 ** (math.floor(math.log2(np.abs(w).max())) - 2)
            assert float(trace.scales[i]) == s
        else:
            s = np.abs(w).max() / table.max()
            if not scheme.double:
                assert float(trace.scales[i]) == pytest.approx(s, rel=1e-6)
        distance = np.abs(w[:, None] / s - table)
        assert (distance[np.arange(len(w)), codes[part]] <= distance.min(1) + 1e-5).all()
        back = table[codes[part]] * float(trace.scales[i])
        assert trace.dequantized.flatten()[part].tolist() == pytest.approx(list(back), rel=1e-5)


def slow_mxfp4(block: list[float]) -> tuple[int, list[float]]:
    """OCP MX 1.0, section 6.3, for one block: the exponent of the scale, and the values back."""
    largest = max(abs(v) for v in block)
    exponent = math.frexp(largest)[1] - 1 - 2
    back = []
    for v in block:
        scaled = Fraction(abs(v)) / Fraction(2) ** exponent
        best = min(range(8), key=lambda c: (abs(scaled - Fraction(E2M1_MAGNITUDES[c])), c % 2))
        back.append(math.copysign(E2M1_MAGNITUDES[best] * 2.0**exponent, v))
    return exponent, back


@pytest.mark.parametrize("by", [1e-30, 0.02, 1.0, 3e30])
def test_mxfp4_equals_a_scalar_reference(by):
    weight = weights(8, 64, seed=7, by=by)
    if by == 1.0:
        weight = (weight * 16).round() / 16  # many weights lie halfway between two levels
    trace = quantize(weight, schemes.MXFP4)
    assert (torch.frexp(trace.scales).mantissa == 0.5).all()  # powers of two
    stored = pack_trace(trace)["scales"]
    for i, block in enumerate(weight.reshape(-1, 32).tolist()):
        exponent, back = slow_mxfp4(block)
        assert int(stored[i]) == exponent + 127 and float(trace.scales[i]) == 2.0**exponent
        assert trace.dequantized.reshape(-1, 32)[i].tolist() == back


def test_mxfp4s_scales_end_where_their_exponents_do():
    trace = quantize(torch.full((1, 32), 2.0**-140), schemes.MXFP4)
    assert float(trace.scales[0]) == 2.0**-127 and pack_trace(trace)["scales"].tolist() == [0]
    largest = quantize(torch.full((1, 32), torch.finfo(torch.float32).max), schemes.MXFP4)
    assert float(largest.scales[0]) == 2.0**125 and float(largest.dequantized[0, 0]) == 6 * 2.0**125


# Double quantization


def test_dynamic_map_equals_bitsandbytes():
    assert torch.equal(dynamic_map(), bnb.create_dynamic_map())


def test_double_quantization_is_the_nearest_value_and_never_farther_than_bitsandbytes():
    """bitsandbytes' search on the CPU misses the nearest value now and then; ours must not."""
    scales = weights(1, 1000, seed=8, by=0.01)[0].abs() + 0.05
    got = double_quantize(scales)
    codes, state = bnb.quantize_blockwise(scales - scales.mean(), blocksize=256)
    torch.testing.assert_close(got.scales, state.absmax, rtol=0, atol=0)
    assert float(got.mean) == pytest.approx(float(scales.double().mean()), rel=1e-6)
    theirs = bnb.dequantize_blockwise(codes, state) + scales.mean()
    same = got.codes == codes
    assert same.float().mean() > 0.97
    torch.testing.assert_close(got.values[same], theirs[same], rtol=0, atol=1e-8)
    assert ((got.values - scales).abs() <= (theirs - scales).abs() + 1e-8).all()
    table = bnb.create_dynamic_map().double().numpy()
    centred = (scales - scales.mean()).double().numpy()
    for i in range(0, 1000, 7):
        c1 = np.abs(centred[i // 256 * 256 : i // 256 * 256 + 256]).max()
        distance = np.abs(centred[i] / c1 - table)
        assert distance[int(got.codes[i])] <= distance.min() + 1e-6


def test_nf4_with_double_quantization_has_nf4s_codes_and_the_scales_that_are_stored():
    weight = weights(300, 256, seed=9)
    plain, double = quantize(weight, schemes.NF4), quantize(weight, schemes.NF4_DOUBLE)
    assert torch.equal(plain.codes, double.codes)
    assert torch.equal(double.scales, double.double.values) and not torch.equal(plain.scales, double.scales)
    packed, state = bnb.quantize_4bit(weight, quant_type="nf4", blocksize=64, compress_statistics=True)
    theirs = bnb.dequantize_4bit(packed, state)
    blocks = (state.absmax == double.double.codes).repeat_interleave(64).reshape(weight.shape)
    assert blocks.float().mean() > 0.97
    torch.testing.assert_close(double.dequantized[blocks], theirs[blocks], rtol=1e-5, atol=1e-8)
    assert float(state.offset) == pytest.approx(float(double.double.mean), rel=1e-6)


def test_scales_all_alike_survive_double_quantization():
    trace = quantize(torch.full((4, 64), 0.5), schemes.NF4_DOUBLE)
    assert torch.equal(trace.dequantized, torch.full((4, 64), 0.5)) and trace.snr_db == math.inf
    assert (dynamic_map()[trace.double.codes.int()] == 0).all() and not trace.double.scales.any()


# Floats


@pytest.mark.parametrize("scheme", [schemes.FLOAT16, schemes.BFLOAT16], ids=ids)
def test_floats_are_torchs_casts(scheme):
    weight, dtype = weights(5, 7), getattr(torch, scheme.format)
    trace = quantize(weight, scheme)
    assert torch.equal(trace.dequantized, weight.to(dtype).float())
    assert torch.equal(trace.codes.view(dtype), weight.to(dtype))
    assert trace.bits_per_weight == 16 and trace.nbytes == 70 and trace.scales.shape == (0,)


# Methods that choose by inputs


def test_methods_are_the_ones_of_their_files():
    weight, x = weights(16, 128), weights(200, 128, seed=2, by=1.0)
    for scheme in (schemes.GPTQ4, schemes.GPTQ3_G128):
        want, got = gptq(weight, scheme, x), quantize(weight, scheme, x)
        assert torch.equal(got.codes, want.codes) and torch.equal(got.dequantized, want.dequantized)
        assert not torch.equal(got.codes, round_nearest(weight, scheme).codes)
        assert torch.equal(got.error, got.dequantized - weight) and got.column_scales is None
    want, got = awq([weight], schemes.AWQ3, x), quantize(weight, schemes.AWQ3, x)
    assert torch.equal(got.dequantized, want.rounded[0].dequantized)
    assert torch.equal(got.column_scales, want.column_scales) and got.searched == want.searched


# Any shape, and what is refused


def matrices() -> dict[str, torch.Tensor]:
    return {
        "1x1": torch.tensor([[-0.37]]),
        "1xN": weights(1, 640),
        "Nx1": weights(7, 1),
        "688": weights(3, 688),
        "zeros": torch.zeros(4, 128),
        "constant": torch.full((3, 128), 0.25),
        "negative": -weights(5, 128).abs() - 0.01,
        "one row of zeros": torch.cat([torch.zeros(1, 128), weights(2, 128)]),
        "no copy": weights(128, 6).T,
        "bfloat16": weights(4, 128).bfloat16(),
    }


@pytest.mark.parametrize("scheme", NEAREST, ids=ids)
@pytest.mark.parametrize("name", matrices())
def test_every_weight_is_a_level_and_as_near_as_half_a_step(scheme, name):
    weight = matrices()[name]
    if scheme.per == "group" and weight.shape[1] % scheme.size:
        with pytest.raises(ValueError, match=f"{scheme.size} do not divide rows of {weight.shape[1]}"):
            quantize(weight, scheme)
        return
    trace = quantize(weight, scheme)
    assert trace.codes.shape == trace.dequantized.shape == trace.error.shape == weight.shape
    assert torch.equal(trace.error, trace.dequantized - weight)
    assert pack_trace(trace).keys() == trace.stored.keys()
    if name == "zeros":
        assert not trace.dequantized.any() and trace.snr_db == math.inf
    if scheme.format in schemes.FLOATS:
        return
    at = levels(scheme).double()
    for i, part in enumerate(shared(scheme, weight)):
        s, z = float(trace.scales.flatten()[i]), 0.0
        if trace.zero_points is not None:
            z = float(trace.zero_points.flatten()[i])
        places = (at - z) * s
        w, back = (t.double().reshape(-1)[part] for t in (weight, trace.dequantized))
        gap = (places.diff().abs().max() / 2) + abs(places[-1]) * 2e-3 + 1e-9
        if scheme.double:  # chosen with the scale before it was quantized
            gap += abs(s - w.abs().max())
        if scheme.format == "mxfp4":
            gap = 2 * s  # 8 is the first that does not occur, and goes to 6
        assert ((back - w).abs() <= gap).all()
        assert ((back[:, None] - places).abs().min(1).values <= 1e-5 * abs(s) * at[-1]).all()


@pytest.mark.parametrize("scheme", [s for s in NEAREST if s.format not in schemes.FLOATS], ids=ids)
def test_zeros_have_the_code_of_0_and_a_finite_scale(scheme):
    trace = quantize(torch.zeros(2, 128), scheme)
    free = scheme.format in ("fp4", "bnb-fp4", "nf4")  # as bitsandbytes' absmax; others are divided by
    assert (trace.scales == (0 if free else 1)).all() and trace.codes.unique().numel() == 1
    code = int(trace.codes[0, 0])
    assert (CODEBOOKS[scheme.format][code] if scheme.format in CODEBOOKS else code) == 0
    assert trace.zero_points is None or not trace.zero_points.any()


def test_the_matrix_handed_in_is_not_changed():
    weight, x = weights(8, 128), weights(50, 128, by=3.0)
    before = weight.clone(), x.clone()
    for scheme in schemes.SCHEMES.values():
        trace = quantize(weight, scheme, x)
        assert trace.dequantized.data_ptr() != weight.data_ptr()
    assert torch.equal(weight, before[0]) and torch.equal(x, before[1])
    parameter = torch.nn.Parameter(weight)
    assert not quantize(parameter, schemes.INT4_G128).error.requires_grad


@pytest.mark.parametrize(
    "scheme", [schemes.INT4_G128, schemes.NF4_DOUBLE, schemes.INT8_TENSOR, schemes.INT4_ZERO_POINT], ids=ids
)
def test_large_matrices_worked_on_in_pieces_are_the_same(scheme):
    weight = weights(1300, 1024)  # more than AT_ONCE, and no whole number of it
    assert weight.numel() > AT_ONCE and weight.numel() % AT_ONCE
    trace = quantize(weight, scheme)
    rows = [0, 1023, 1024, 1299]
    if scheme.per == "tensor":
        place = weight / trace.scales
        assert (trace.codes - place).abs().max() <= 0.5 + 1e-4
    else:
        for row in rows:
            alone = quantize(weight[row : row + 1], replace(scheme, double=False))
            assert torch.equal(alone.codes, trace.codes[row : row + 1])
    np.testing.assert_allclose(trace.weight.numpy(), weight.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("weight", "scheme", "words"),
    [
        (torch.zeros(2, 3, 4), schemes.NF4, r"A matrix \[out, in\] is expected; got the shape \[2, 3, 4\]"),
        (torch.zeros(5), schemes.NF4, r"shape \[5\]"),
        (torch.zeros(0, 4), schemes.INT8_ABSMAX, r"shape \[0, 4\]"),
        (torch.tensor([[1.0, math.inf, math.nan]]), schemes.INT8_ABSMAX, "2 of 3 are infinite or NaN"),
        (torch.tensor([[1.0, math.nan]]), schemes.FLOAT16, "1 of 2 are"),
        (torch.zeros(2, 688), schemes.INT4_G128, "Groups of 128 do not divide rows of 688 weights"),
        (
            torch.full((1, 2), 1e7),
            schemes.INT4_ABSMAX,
            r"up to 1e\+07 cannot be stored as float16: .* becomes infinite",
        ),
        (torch.tensor([[3e38, -3e38]]), schemes.INT8_ZERO_POINT, r"up to 3e\+38 cannot be stored"),
        (torch.full((1, 2), 7e4), schemes.FLOAT16, "float16 ends at 65504; the largest weight is 70000"),
    ],
)
def test_what_cannot_be_quantized_is_refused(weight, scheme, words):
    with pytest.raises(ValueError, match=words):
        quantize(weight, scheme)


@pytest.mark.parametrize("scheme", [schemes.LLM_INT8, schemes.GPTQ4, schemes.AWQ4], ids=ids)
def test_inputs_that_do_not_fit_are_refused(scheme):
    weight = weights(4, 8)
    with pytest.raises(ValueError, match=rf"{scheme.name} needs inputs of the matrix, \[n, 8\]; got none"):
        quantize(weight, scheme)
    with pytest.raises(ValueError, match=r"\[n, 8\] are expected, as wide as the weights; got \[5, 9\]"):
        quantize(weight, scheme, torch.ones(5, 9))
    with pytest.raises(ValueError, match=r"got \[0, 8\]"):
        quantize(weight, scheme, torch.ones(0, 8))
    bad = torch.ones(2, 8)
    bad[1, 2] = math.inf
    with pytest.raises(ValueError, match="1 of 16 are infinite or NaN"):
        quantize(weight, scheme, bad)


@pytest.mark.parametrize("scheme", [schemes.INT8_ABSMAX, schemes.INT4_ZERO_POINT, schemes.INT4_G32])
def test_weights_too_small_for_a_float16_scale_become_0_and_the_others_stay(scheme):
    weight = torch.linspace(-1, 1, 64).repeat(2, 1)
    weight[1] *= 1e-9
    trace, alone = quantize(weight, scheme), quantize(weight[:1], scheme)
    assert trace.dequantized[0].equal(alone.dequantized[0])
    assert not trace.dequantized[1].any() and trace.dequantized.isfinite().all()
