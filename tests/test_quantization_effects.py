"""One number's line, kernels, caches, activations, bytes and times, against torch, transformers and loops."""

import copy
import math
import struct
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from demos.kit.blocks import matrices, weight_of
from demos.kit.language import sequences
from demos.kit.models import load
from demos.kit.timing import ROUNDS, WARM, rest_of, token_times
from demos.kit.zoo import MODELS
from demos.quantization import scheme as schemes
from demos.quantization.algorithm import quantize
from demos.quantization.cached import FORETOLD, recall, rounded_activations
from demos.quantization.codebooks import CODEBOOKS
from demos.quantization.kernels import GROUP, Int4Linear, Int8Linear, nbytes, with_kernels
from demos.quantization.number import BEYOND, NEIGHBOURS, PLACES, in_units, number, pattern


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def draft():
    with load(MODELS["fairy-draft"]) as loaded:
        yield loaded.model


@pytest.fixture(scope="module")
def text():
    with load(MODELS["fairy-draft"]) as loaded:
        return sequences(loaded, "held_out", 6)


def named(scheme):
    return scheme.name


def weights(rows=6, columns=128, seed=0, by=0.05):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * by


def trace_of(scheme, rows=6, columns=128):
    x = weights(40, columns, seed=3, by=1.0)
    x[:, 7], x[5, 11] = x[:, 7] * 10, 9.0  # AWQ has a reason to stretch, LLM.int8 an outlier
    return quantize(weights(rows, columns), scheme, x)


# One number


def scale_of(trace, row, column):
    """(scale, zero point) of an entry, by hand."""
    scheme, columns = trace.scheme, trace.codes.shape[1]
    place = {
        "tensor": (0, 0),
        "channel": (row, 0),
        "group": (row, column // max(1, scheme.size)),
        "block": ((row * columns + column) // max(1, scheme.size),),
    }[scheme.per]
    z = None if trace.zero_points is None else int(trace.zero_points[place])
    return float(trace.scales[place]), z


def levels_of(scheme, s, z):
    """code -> level, by the formulas."""
    if scheme.format in CODEBOOKS:
        return {code: s * level for code, level in enumerate(CODEBOOKS[scheme.format])}
    if scheme.format == "absmax":
        most = 2 ** (scheme.bits - 1) - 1
        return {q: s * q for q in range(-most, most + 1)}
    return {q: s * (q - z) for q in range(2**scheme.bits)}


SCALED = [scheme for scheme in schemes.SCHEMES.values() if scheme.format not in schemes.FLOATS]


@pytest.mark.parametrize("scheme", SCALED, ids=named)
def test_the_line_has_all_levels_and_each_place_goes_to_the_nearest(scheme):
    trace = trace_of(scheme)
    for row, column in ((0, 0), (5, 127), (3, 70), (2, 7 if scheme.method == "awq" else 9)):
        got = number(trace, row, column)
        s, z = scale_of(trace, row, column)
        assert (got.row, got.column, got.zero_point, got.bits) == (row, column, z, scheme.bits)
        assert got.scale == pytest.approx(s, rel=1e-6)
        table = levels_of(scheme, s, z)
        assert sorted(got.codes.tolist()) == sorted(table)
        assert got.levels.tolist() == sorted(got.levels.tolist())
        for code, level in zip(got.codes.tolist(), got.levels.tolist(), strict=True):
            assert level == pytest.approx(table[code], rel=1e-5, abs=1e-9)
        places = got.places.double().numpy()
        assert len(places) == PLACES and places[0] == -places[-1] and abs(places[PLACES // 2]) < 1e-7
        stretch = 1.0 if trace.column_scales is None else float(trace.column_scales[column])
        assert got.stretched == pytest.approx(stretch)
        reach = max(*map(abs, table.values()), abs(got.weight * stretch))
        assert places[-1] == pytest.approx(BEYOND * reach, rel=1e-5)
        units = places / s + (0 if z is None else z)
        np.testing.assert_allclose(got.units.double().numpy(), units, rtol=1e-4, atol=1e-4)
        # The nearest level of each place: none is nearer, and the code is that level's.
        values, codes = np.array(list(table.values())), list(table)
        away = np.abs(values[None] - places[:, None]).min(1)
        mine = np.array([table[code] for code in got.numbers.tolist()])
        assert (np.abs(mine - places) <= away + 1e-6 * reach).all() and set(got.numbers.tolist()) <= set(
            codes
        )
        np.testing.assert_allclose(got.rounded.double().numpy(), mine, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("scheme", schemes.SCHEMES.values(), ids=named)
def test_the_weight_its_code_and_its_value_back_are_the_traces(scheme):
    trace, weight = trace_of(scheme), weights()
    for row, column in ((0, 0), (4, 100), (2, 7)):
        got = number(trace, row, column)
        assert got.weight == pytest.approx(float(weight[row, column]), rel=1e-5, abs=1e-7)
        assert got.back == pytest.approx(float(trace.dequantized[row, column]), rel=1e-6)
        if trace.outliers is not None and bool(trace.outliers[column]):
            assert got.code == bits_of(got.back, "float16")
        elif scheme.format in schemes.FLOATS:
            assert got.code == int(trace.codes[row, column]) % 2**16
        else:
            assert got.code == int(trace.codes[row, column])
            s, z = scale_of(trace, row, column)
            level = levels_of(scheme, s, z)[got.code]
            assert got.back * got.stretched == pytest.approx(level, rel=1e-4, abs=1e-8)


def test_a_code_by_hand():
    """Row [0.5, -1.27, 0.03]: scale 1.27 / 127 = 0.01 as float16; codes 50, -127, 3."""
    trace = quantize(torch.tensor([[0.5, -1.27, 0.03]]), schemes.INT8_ABSMAX)
    got = number(trace, 0, 2)
    s = float(np.float16(0.01))
    assert got.code == 3 and got.scale == s and got.back == pytest.approx(3 * s)
    assert pattern(number(trace, 0, 0).code, 8, True) == "00110010"
    assert pattern(number(trace, 0, 1).code, 8, True) == "10000001"


@pytest.mark.parametrize(
    "code, bits, signed, bitsof",
    [
        (0, 4, True, "0000"), (7, 4, True, "0111"), (-1, 4, True, "1111"), (-7, 4, True, "1001"),
        (-8, 4, True, "1000"), (-3, 3, True, "101"), (1, 2, True, "01"), (-1, 2, True, "11"),
        (15, 4, False, "1111"), (8, 4, False, "1000"), (255, 8, False, "11111111"),
        (-127, 8, True, "10000001"), (0x3C00, 16, False, "0011110000000000"), (2, 8, False, "00000010"),
    ],
)  # fmt: skip
def test_a_codes_bits_are_twos_complement(code, bits, signed, bitsof):
    assert pattern(code, bits, signed) == bitsof


@pytest.mark.parametrize("code, bits, signed", [(8, 4, True), (-9, 4, True), (16, 4, False), (-1, 4, False)])
def test_a_code_that_does_not_fit_its_bits_is_refused(code, bits, signed):
    with pytest.raises(ValueError, match=f"A code of 4 bits is expected; got {code}."):
        pattern(code, bits, signed)


def bits_of(value: float, kind: str) -> int:
    """The 16 bits of a float, by struct: of bfloat16 the upper half of a float32's."""
    if kind == "float16":
        return struct.unpack("<H", struct.pack("<e", value))[0]
    return struct.unpack("<I", struct.pack("<f", value))[0] >> 16


@pytest.mark.parametrize("scheme", [schemes.FLOAT16, schemes.BFLOAT16], ids=named)
@pytest.mark.parametrize("value", [0.7134, -3.3e-3, 0.0, 1.0, -1.9999])
def test_a_floats_line_has_its_neighbours_and_their_bits(scheme, value):
    trace = quantize(torch.tensor([[value, 0.5]]), scheme)
    got = number(trace, 0, 0)
    dtype = getattr(torch, scheme.format)
    middle = torch.tensor(value).to(dtype)
    want, up, down = [middle], middle, middle
    for _ in range(NEIGHBOURS):
        up = torch.nextafter(up, torch.tensor(math.inf, dtype=dtype))
        down = torch.nextafter(down, torch.tensor(-math.inf, dtype=dtype))
        want = [down, *want, up]
    want = [float(level) for level in want]
    assert got.levels.tolist() == want and len(got.levels) == 2 * NEIGHBOURS + 1
    assert [code for code, level in zip(got.codes.tolist(), want, strict=True) if level] == [
        bits_of(level, scheme.format) for level in want if level
    ]
    assert math.isnan(got.scale) and got.zero_point is None and got.bits == 16
    assert got.back == float(middle) and got.code == bits_of(float(middle), scheme.format)
    assert (float(got.places[0]), float(got.places[-1])) == pytest.approx((want[0], want[-1]), rel=1e-6)
    away = (got.places[:, None].double() - torch.tensor(want).double()).abs()
    ours = (got.places.double() - got.rounded.double()).abs()
    assert torch.equal(got.units, got.places) and set(got.rounded.tolist()) <= set(want)
    assert (ours <= away.min(1).values + 1e-12).all()
    assert [bits_of(level, scheme.format) for level in got.rounded.tolist() if level] == [
        code for code, level in zip(got.numbers.tolist(), got.rounded.tolist(), strict=True) if level
    ]


def test_the_greatest_float_has_no_neighbour_above():
    trace = quantize(torch.tensor([[65504.0, 1.0]]), schemes.FLOAT16)
    got = number(trace, 0, 0)
    assert float(got.levels[-1]) == 65504.0 and len(got.levels) == NEIGHBOURS + 1


def test_awqs_line_is_that_of_the_stretched_weight():
    trace, weight = trace_of(schemes.AWQ4), weights()
    assert float(trace.column_scales[7]) > 1.2 * float(trace.column_scales.median())
    got = number(trace, 2, 7)
    s, stretch = float(trace.scales[2, 0]), float(trace.column_scales[7])
    code = round(float(weight[2, 7]) * stretch / s)
    assert got.code == code and got.stretched == pytest.approx(stretch)
    assert got.back == pytest.approx(code * s / stretch, rel=1e-5)
    # A column that is shrunk: its largest weight lies on the line's last level, not beyond.
    weight[0, 0] = 0.5
    x = weights(40, 128, seed=3, by=1.0)
    x[:, 7] *= 10
    trace = quantize(weight, schemes.AWQ4, x)
    got = number(trace, 0, 0)
    assert got.stretched < 0.97 and got.code == 7
    assert float(got.places[-1]) == pytest.approx(BEYOND * 7 * float(trace.scales[0, 0]), rel=2e-3)


def test_a_column_that_llm_int8_spares_is_a_float16():
    trace, weight = trace_of(schemes.LLM_INT8), weights()
    assert bool(trace.outliers[11]) and not bool(trace.outliers[12])
    got = number(trace, 3, 11)
    half = float(weight[3, 11].half())
    assert got.back == half and got.bits == 16 and math.isnan(got.scale)
    assert got.code == bits_of(half, "float16")
    assert number(trace, 3, 12).bits == 8


def test_a_block_of_zeros_has_a_line():
    got = number(quantize(torch.zeros(2, 64), schemes.NF4), 1, 3)
    assert got.scale == got.back == 0.0 and not got.levels.any() and not got.units.any()
    assert float(got.places[0]) == -1.0
    got = number(quantize(torch.zeros(2, 64), schemes.INT8_ABSMAX), 1, 3)
    assert got.scale == 1.0 and got.code == 0


@pytest.mark.parametrize("row, column", [(6, 0), (0, 128), (-1, 0), (0, -1)])
def test_an_entry_outside_is_refused_with_the_size(row, column):
    with pytest.raises(ValueError, match=f"An entry of 6 x 128 is expected; got row {row}, column {column}."):
        number(trace_of(schemes.INT8_ABSMAX), row, column)


@pytest.mark.parametrize("scheme", schemes.SCHEMES.values(), ids=named)
def test_units_are_weights_over_their_own_scale(scheme):
    trace, weight = trace_of(scheme), weights()
    got = in_units(trace)
    most = float(weight.abs().max())
    for row in range(0, 6, 2):
        for column in range(0, 128, 9):
            w = float(weight[row, column])
            if trace.column_scales is not None:
                w *= float(trace.column_scales[column])
            s = most if scheme.format in schemes.FLOATS else scale_of(trace, row, column)[0]
            assert float(got[row, column]) == pytest.approx(w / s, rel=1e-4, abs=1e-5)


def test_units_of_zeros_are_zeros():
    for scheme in (schemes.FLOAT16, schemes.NF4, schemes.INT4_G64):
        assert not in_units(quantize(torch.zeros(2, 64), scheme)).any()


# Kernels


def bound(x, weight):
    """Of a product whose inputs, scales and output are bfloat16: 2^-9 each of the sum of magnitudes."""
    return 4 * 2**-9 * (x.abs() @ weight.abs().T) + 1e-6


@pytest.mark.parametrize(
    "kernel, scheme", [(Int8Linear, schemes.INT8_ABSMAX), (Int4Linear, schemes.INT4_G32)]
)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows, columns", [(96, 256), (256, 96)])
def test_a_kernel_multiplies_the_dequantized_weights(kernel, scheme, bias, rows, columns):
    weight, x = weights(rows, columns), weights(10, columns, seed=2, by=1.0).reshape(2, 5, columns).bfloat16()
    added = weights(1, rows, seed=5, by=1.0)[0].bfloat16() if bias else None
    values = quantize(weight, scheme).dequantized
    want = x.float() @ values.T + (added.float() if bias else 0)
    got = kernel(weight, added)(x)
    assert got.shape == (2, 5, rows) and got.dtype == torch.bfloat16
    limit = bound(x.float(), values) + 2**-8 * want.abs()
    assert ((got.float() - want).abs() <= limit).all()
    # It is the product of these weights, not of others: the full ones are farther away.
    plain = x.float() @ weight.T + (added.float() if bias else 0)
    if kernel is Int4Linear:
        assert (got.float() - want).norm() < 0.2 * (got.float() - plain).norm()


def test_a_model_with_kernels_computes_what_its_rounded_weights_give(draft, text):
    for bits, scheme in ((8, schemes.INT8_ABSMAX), (4, schemes.INT4_G32)):
        before = {name: p.clone() for name, p in draft.named_parameters()}
        made, left = with_kernels(draft, bits)
        assert left == [] and all(torch.equal(p, before[name]) for name, p in draft.named_parameters())
        rounded = copy.deepcopy(draft)
        for matrix in matrices(draft):
            weight = weight_of(rounded.get_submodule(matrix.name))
            weight.copy_(quantize(weight, scheme).dequantized)
        with torch.no_grad():
            want, got = rounded(input_ids=text[:2]).logits, made(input_ids=text[:2]).logits.float()
            plain = draft(input_ids=text[:2]).logits
        assert (got - want).norm() < 0.02 * want.norm()
        if bits == 4:
            assert (got - want).norm() < 0.5 * (got - plain).norm()


def test_conv1d_and_its_bias_and_matrices_that_are_left():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50, n_positions=16, n_embd=48, n_layer=2, n_head=2, n_inner=64)
    model = GPT2LMHeadModel(config).eval().requires_grad_(False)
    for matrix in matrices(model):
        model.get_submodule(matrix.name).bias.copy_(torch.randn(matrix.rows))
    made, left = with_kernels(model, 4)
    assert {m.kind for m in left} == {"attn.c_attn", "attn.c_proj", "mlp.c_fc"} and len(
        left
    ) == 6  # 48 inputs
    assert all(type(made.get_submodule(m.name)).__name__ == "Conv1D" for m in left)
    assert isinstance(made.transformer.h[1].mlp.c_proj, Int4Linear)
    made, left = with_kernels(model, 8)
    assert left == [] and isinstance(made.transformer.h[0].attn.c_attn, Int8Linear)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        want, got = model(input_ids=ids).logits, made(input_ids=ids).logits.float()
    assert (got - want).norm() < 0.05 * want.norm()
    with pytest.raises(ValueError, match="kernels for 8 and 4 bits; got 3"):
        with_kernels(model, 3)


def test_bytes_of_the_forms_by_hand(draft):
    """Fairy draft: 2 layers of 4 x 96 x 96 and 3 x 96 x 256; embedding 4096 x 96, norms 5 x 96."""
    weights, rows = 2 * (4 * 96 * 96 + 3 * 96 * 256), 2 * (4 * 96 + 2 * 256 + 96)
    rest = 4096 * 96 + 5 * 96
    buffers = sum({b.data_ptr(): b.nbytes for b in draft.buffers()}.values())
    assert nbytes(draft) == 4 * (weights + rest) + buffers
    half = sum({b.data_ptr(): b.nbytes for b in copy.deepcopy(draft).bfloat16().buffers()}.values())
    eight, four = with_kernels(draft, 8)[0], with_kernels(draft, 4)[0]
    assert nbytes(eight) == weights + 2 * rows + 2 * rest + half
    # a scale and a zero for each group of 32
    assert nbytes(four) == weights // 2 + 4 * (weights // GROUP) + 2 * rest + half


def test_what_is_packed_nowhere_is_the_rest():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 4))
    rest = rest_of(model, {"0": {"codes": torch.zeros(1)}})
    assert set(rest) == {"0.bias", "1.weight", "1.bias", "2.weight", "2.bias"}
    assert all(t.dtype == torch.bfloat16 for t in rest.values())
    assert torch.equal(rest["2.weight"], model[2].weight.bfloat16())


# Times


class Ticking(nn.Module):
    """A model that takes `seconds` of a clock of its own."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.read = seconds, []

    def forward(self, input_ids, use_cache, cache=None):
        self.read.append((input_ids.shape[1], cache))
        Ticking.clock += self.seconds[min(len(self.read), len(self.seconds)) - 1]
        return type("Out", (), {"cache": len(self.read)})()


def test_times_are_medians_of_single_tokens_in_turns(monkeypatch):
    Ticking.clock = 0.0
    monkeypatch.setattr("demos.kit.timing.time.perf_counter", lambda: Ticking.clock)
    slow = [99.0] * (1 + WARM) + [0.002, 0.009, 0.004] + [0.004] * 40  # the prompt and the warm ones
    one, other, checks = Ticking(slow), Ticking([0.001]), []
    times = list(token_times([one, other], torch.ones(1, 5, dtype=torch.long), lambda: checks.append(1)))
    assert len(times) == ROUNDS - WARM and len(checks) == ROUNDS
    assert [t[0] for t in times[:3]] == pytest.approx([2.0, 5.5, 4.0])
    assert all(t[1] == pytest.approx(1.0) for t in times)
    assert [length for length, _ in one.read] == [5] + [1] * ROUNDS
    assert [cache for _, cache in one.read] == [None, *range(1, ROUNDS + 1)]


def test_times_stop_before_a_token():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(token_times([Ticking([0.0])], torch.ones(1, 2, dtype=torch.long), stop))


# Cache and activations


def half_losses(model, ids, without):
    """Mean loss of the tokens that are foretold, from whole passes: after the first half, or without it."""
    half = ids.shape[1] // 2
    end = half + FORETOLD
    with torch.no_grad():
        logits = model(input_ids=ids[:, half:end] if without else ids[:, :end], use_cache=False).logits
    logits = logits[:, :-1] if without else logits[:, half:-1]
    law = logits.double().log_softmax(-1)
    return float(-law.gather(-1, ids[:, half + 1 : end, None]).mean())


def test_a_cache_of_16_bits_is_a_whole_pass_and_none_is_the_second_half_alone(draft, text):
    for length in (256, 80, 9, 4):
        ids = text[:, :length]
        got = recall(draft, ids, 16)
        assert got.loss == pytest.approx(half_losses(draft, ids, False), rel=1e-4)
        assert got.tokens == len(ids) * (min(FORETOLD, length - length // 2) - 1)
        # 2 layers, keys and values, 96 numbers of a position, 2 bytes
        assert got.nbytes == 2 * 2 * 96 * 2 * len(ids) * (length // 2)
        none = recall(draft, ids, 0)
        assert none.loss == pytest.approx(half_losses(draft, ids, True), rel=1e-4) and none.nbytes == 0
    assert recall(draft, text, 0).loss > recall(draft, text, 16).loss + 0.05


def rounded_by_loop(x, bits, per):
    """KIVI's formula, part by part in float64."""
    out = x.double().numpy().copy()
    n, heads, T, d = out.shape
    for i in range(n):
        for h in range(heads):
            for part in range(T if per == "token" else d):
                at = (i, h, part) if per == "token" else (i, h, slice(None), part)
                v = out[at]
                z = float(np.float16(v.min()))
                s = float(np.float16((v.max() - v.min()) / (2**bits - 1))) or 1.0
                out[at] = np.clip(np.round((v - z) / s), 0, 2**bits - 1) * s + z
    return torch.from_numpy(out).float()


@pytest.mark.parametrize("keys, values", [("token", "token"), ("channel", "token"), ("token", "channel")])
def test_a_quantized_cache_is_transformers_own_with_rounded_keys_and_values(draft, text, keys, values):
    """Layer by layer through transformers' cache, and the second half token by token."""
    ids, bits = text[:2, :40], 2
    with torch.no_grad():
        cache = draft(input_ids=ids[:, :20], use_cache=True).cache
        for layer in cache.layers:
            layer.keys = rounded_by_loop(layer.keys, bits, keys)
            layer.values = rounded_by_loop(layer.values, bits, values)
        losses = []
        for n in range(20, 39):
            out = draft(input_ids=ids[:, n : n + 1], cache=cache, use_cache=True)
            cache = out.cache
            losses.append(nn.functional.cross_entropy(out.logits[:, -1], ids[:, n + 1], reduction="none"))
    got = recall(draft, ids, bits, keys, values)
    assert got.loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)
    # 2 layers, 2 sequences of 3 heads, 20 positions of 32 channels: codes of 2 bits, 4 bytes for each part
    parts = {"token": 20, "channel": 32}
    assert got.nbytes == 2 * 6 * (2 * 20 * 32 // 4 + 4 * (parts[keys] + parts[values]))
    assert got.loss != pytest.approx(recall(draft, ids, 16).loss, rel=1e-3)


def test_more_bits_are_never_much_worse(draft, text):
    for keys in ("token", "channel"):
        losses = [recall(draft, text, bits, keys).loss for bits in (2, 3, 4, 8, 16)]
        assert all(more <= fewer + 0.02 for fewer, more in pairwise(losses)), losses
        assert losses[-2] == pytest.approx(losses[-1], abs=5e-3)


def test_too_short_a_text_is_refused(draft, text):
    with pytest.raises(ValueError, match="at least 4 tokens; got 3"):
        recall(draft, text[:, :3], 8)


@pytest.mark.parametrize("per", ["token", "tensor"])
def test_activations_are_rounded_at_every_matrix_and_only_in_the_block(draft, text, per):
    model, ids = copy.deepcopy(draft), text[:2, :16]
    plain = model(input_ids=ids).logits

    class Rounding(nn.Module):
        """A linear map whose inputs are rounded by the formula, whatever runs it."""

        def __init__(self, linear):
            super().__init__()
            self.linear = linear

        def forward(self, x):
            most = x.abs().amax(-1, keepdim=True) if per == "token" else x.abs().max()
            s = most / 7
            return self.linear(torch.round(x / s) * s)

    slow = copy.deepcopy(draft)
    for layer in slow.model.layers:
        for block in (layer.self_attn, layer.mlp):
            for name, module in list(block.named_children()):
                if isinstance(module, nn.Linear):
                    setattr(block, name, Rounding(module))
    with rounded_activations(model, 4, per):
        got = model(input_ids=ids).logits
    want = slow(input_ids=ids).logits
    # A value halfway between two levels may go either way.
    assert (got - want).norm() < 0.05 * (got - plain).norm()
    assert torch.equal(model(input_ids=ids).logits, plain)
    with pytest.raises(KeyboardInterrupt), rounded_activations(model, 4, per):
        raise KeyboardInterrupt
    assert torch.equal(model(input_ids=ids).logits, plain)


def test_schemes_of_the_number_line_can_have_any_threshold():
    trace = trace_of(replace(schemes.LLM_INT8, threshold=0.0))
    assert trace.outliers.all() and number(trace, 0, 0).bits == 16
