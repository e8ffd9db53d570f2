"""Bits and bytes counted by hand, packed codes, LLM.int8 and the cache, against numpy and loops."""

import math
from dataclasses import replace
from fractions import Fraction

import bitsandbytes.functional as bnb
import numpy as np
import pytest
import torch

from demos.quantization import scheme as schemes
from demos.quantization.algorithm import quantize
from demos.quantization.cache import cache_bytes, quantize_cache, round_activations
from demos.quantization.codebooks import CODEBOOKS
from demos.quantization.llm_int8 import llm_int8
from demos.quantization.packing import pack, pack_trace, unpack


def ids(scheme):
    return scheme.name


def weights(rows: int, columns: int, seed: int = 0, by: float = 0.05) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * by


# Bits and bytes


def hand_count(scheme, rows: int, columns: int) -> Fraction:
    n = rows * columns
    blocks = {"tensor": 1, "channel": rows}.get(scheme.per) or -(-n // scheme.size)
    if scheme.format in schemes.FLOATS:
        return Fraction(16)
    if scheme.double:
        total = n * 4 + blocks * 8 + -(-blocks // 256) * 32 + 32
    else:
        total = n * scheme.bits + blocks * scheme.scale_bits
    return Fraction(total + (blocks * scheme.bits if scheme.format == "zero-point" else 0), n)


@pytest.mark.parametrize("scheme", schemes.SCHEMES.values(), ids=ids)
@pytest.mark.parametrize("shape", [(3, 256), (5, 128), (1, 384)])
def test_bits_and_bytes_to_the_bit(scheme, shape):
    x = weights(40, shape[1], seed=11, by=1.0)
    x[7, 3], x[2, 100] = 6.0, -8.0
    trace = quantize(weights(*shape), scheme, x)
    want = hand_count(scheme, *shape)
    if scheme.method == "outliers":  # two columns leave 8 bits for 16, and an index of 16 bits each
        want += Fraction(2 * (8 * shape[0] + 16), shape[0] * shape[1])
    if scheme.method == "awq":
        want += Fraction(16 * shape[1], shape[0] * shape[1])
    assert trace.bits_per_weight == float(want)
    parts = pack_trace(trace)
    assert parts.keys() == trace.stored.keys()
    assert sum(part.nbytes for part in parts.values()) == trace.nbytes
    exact = want * trace.codes.numel() / 8
    assert 0 <= trace.nbytes - exact < len(parts)  # less than a byte of padding for each part


def test_bits_of_known_schemes():
    assert quantize(weights(64, 128), schemes.NF4).bits_per_weight == 4.5
    assert quantize(weights(64, 128), schemes.MXFP4).bits_per_weight == 4.25
    assert quantize(weights(64, 128), schemes.INT4_G128).bits_per_weight == 4.125
    # QLoRA, section 3: 0.127 bits of scales per weight where the mean of c2 is spread over many
    double = quantize(weights(1024, 1024), schemes.NF4_DOUBLE).bits_per_weight
    assert double == 4 + 8 / 64 + 32 / (64 * 256) + 32 / 2**20


@pytest.mark.parametrize("scheme", schemes.SCHEMES.values(), ids=ids)
def test_what_is_stored_gives_the_values_back(scheme):
    """A reader that has only the packed tensors, the shape and the scheme, and none of our decoding."""
    weight, x = weights(6, 384, seed=12), weights(30, 384, seed=13, by=1.5)
    x[0, 5] = 40.0
    trace = quantize(weight, scheme, x)
    parts = pack_trace(trace)
    got = read(parts, scheme, weight.shape)
    torch.testing.assert_close(got, trace.dequantized, rtol=1e-6, atol=1e-9)


def read(parts: dict[str, torch.Tensor], scheme, shape) -> torch.Tensor:
    rows, columns = shape
    if scheme.format in schemes.FLOATS:
        return parts["codes"].float()
    kept = torch.zeros(columns, dtype=torch.bool)
    if "outlier indices" in parts:
        kept[parts["outlier indices"].long()] = True
    stream = np.unpackbits(parts["codes"].numpy())
    n = rows * int((~kept).sum())
    codes = stream[: n * scheme.bits].reshape(n, scheme.bits) @ (2 ** np.arange(scheme.bits)[::-1])
    if scheme.format == "absmax":
        codes = np.where(codes >= 2 ** (scheme.bits - 1), codes - 2**scheme.bits, codes)
    scales = parts["scales"]
    if scheme.double:
        c1 = parts["scales of scales"].repeat_interleave(256)[: len(scales)]
        scales = bnb.create_dynamic_map()[scales.int()] * c1 + parts["mean of scales"]
    elif scheme.scale_bits == 8:
        scales = 2.0 ** (scales.double() - 127)
    scales = scales.double().numpy().ravel()
    values = codes.astype(np.float64)
    per = n // len(scales)
    if scheme.format in CODEBOOKS:
        values = np.array(CODEBOOKS[scheme.format])[codes]
    if "zero points" in parts:
        zeros = np.unpackbits(parts["zero points"].numpy())[: len(scales) * scheme.bits]
        values -= (zeros.reshape(-1, scheme.bits) @ (2 ** np.arange(scheme.bits)[::-1])).repeat(per)
    full = torch.empty(rows, columns)
    full[:, ~kept] = torch.tensor(values * scales.repeat(per)).float().reshape(rows, -1)
    if kept.any():
        full[:, kept] = parts["outlier columns"].float()
    return full / parts["column scales"].float() if "column scales" in parts else full


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_packed_codes_unpack_to_the_same(bits, signed):
    low = -(2 ** (bits - 1)) if signed else 0
    for n in (0, 1, 2, 3, 7, 8, 9, 64, 1001):
        codes = torch.randint(low, low + 2**bits, (n,), generator=torch.Generator().manual_seed(n))
        codes = codes.to(torch.int8 if signed else torch.uint8)
        packed = pack(codes, bits, signed)
        assert packed.dtype == torch.uint8 and len(packed) == math.ceil(n * bits / 8)
        assert torch.equal(unpack(packed, bits, signed, n), codes)


def test_packed_bits_lie_in_the_order_of_the_codes():
    assert pack(torch.tensor([1, 15, 7]), 4, False).tolist() == [0x1F, 0x70]
    assert pack(torch.tensor([3, 0, 1, 2, 1]), 2, False).tolist() == [0b11000110, 0b01000000]
    assert pack(torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 7]), 3, False).tolist() == [0x05, 0x39, 0x77, 0xE0]
    assert pack(torch.tensor([-1, -8, 7, 0]), 4, True).tolist() == [0xF8, 0x70]
    assert pack(torch.tensor([-127, 127]), 8, True).tolist() == [0x81, 0x7F]


# LLM.int8


def test_llm_int8_without_outliers_is_plain_int8_and_equals_bitsandbytes():
    x, weight = weights(9, 100, by=1.0), weights(20, 100, seed=1)
    trace = llm_int8(x, weight)
    assert not trace.outliers.any() and not trace.from_floats.any()
    xs, ws = x.abs().amax(1) / 127, weight.abs().amax(1) / 127
    a = np.round(x.numpy() / xs.numpy()[:, None]).astype(np.int64)
    b = np.round(weight.numpy() / ws.numpy()[:, None]).astype(np.int64)
    assert (trace.x_codes.numpy() == a).all() and (trace.weight_codes.numpy() == b).all()
    assert (trace.integers.numpy() == a @ b.T).all()
    want = (a @ b.T) * xs.double().numpy()[:, None] * ws.double().numpy()
    np.testing.assert_allclose(trace.output.numpy(), want, rtol=1e-5, atol=1e-7)
    ca, sa, _ = bnb.int8_vectorwise_quant(x.clone())
    cb, sb, _ = bnb.int8_vectorwise_quant(weight.clone())
    assert (trace.x_codes != ca).sum() + (trace.weight_codes != cb).sum() <= 2  # at ties
    product = bnb.int8_linear_matmul(ca, cb)
    theirs = bnb.int8_mm_dequant(product, sa, sb).float()
    torch.testing.assert_close(trace.output, theirs, rtol=2e-3, atol=2e-3)


def test_llm_int8_with_threshold_0_is_the_float_product():
    x, weight = weights(9, 100, by=3.0), weights(20, 100, seed=1)
    trace = llm_int8(x, weight, threshold=0.0)
    assert trace.outliers.all() and not trace.integers.any()
    assert torch.equal(trace.output, x @ weight.T)


def test_llm_int8_splits_at_the_threshold():
    x, weight = weights(9, 100, by=0.5), weights(20, 100, seed=1)
    x[3, 10], x[0, 50], x[1, 60] = 6.0, -60.0, 5.99
    weight[:, 50] *= 100  # what stays in floating point must not stretch the scales of the rest
    trace = llm_int8(x, weight)
    assert trace.outliers.nonzero().flatten().tolist() == [10, 50]
    inside = [c for c in range(100) if c not in (10, 50)]
    plain = llm_int8(x[:, inside], weight[:, inside])
    assert torch.equal(plain.integers, trace.integers)
    want = plain.output + x[:, [10, 50]] @ weight[:, [10, 50]].T
    torch.testing.assert_close(trace.output, want, rtol=1e-6, atol=1e-6)
    exact = x @ weight.T
    all_int8 = llm_int8(x, weight, threshold=math.inf).output
    assert (trace.output - exact).norm() < 0.1 * (all_int8 - exact).norm()


def test_integers_do_not_overflow_what_float32_holds():
    """Sums beyond 2^24, where float32 would round: 127 * 127 * 3001 + 1."""
    x, weight = torch.full((1, 3002), 127.0), torch.full((1, 3002), 127.0)
    x[0, 0] = weight[0, 0] = 1.0
    assert llm_int8(x, weight, math.inf).integers.tolist() == [[127 * 127 * 3001 + 1]]


def test_weights_of_outlier_columns_stay_float16():
    weight, x = weights(6, 50), weights(8, 50, by=1.0)
    weight[:, 7] *= 50
    x[2, 7] = -6.0
    trace = quantize(weight, schemes.LLM_INT8, calibration=x)
    assert trace.outliers.nonzero().flatten().tolist() == [7]
    assert torch.equal(trace.dequantized[:, 7], weight[:, 7].half().float())
    rest = weight.clone()
    rest[:, 7] = 0
    plain = quantize(rest, schemes.INT8_ABSMAX)
    others = [c for c in range(50) if c != 7]
    assert torch.equal(trace.dequantized[:, others], plain.dequantized[:, others])
    assert torch.equal(trace.codes, plain.codes) and not trace.codes[:, 7].any()


def test_llm_int8_all_or_no_columns_outliers():
    weight, x = weights(4, 30), weights(5, 30, by=0.1)
    assert torch.equal(
        quantize(weight, schemes.LLM_INT8, x).dequantized, quantize(weight, schemes.INT8_ABSMAX).dequantized
    )
    trace = quantize(weight, schemes.LLM_INT8, x + 10)
    assert trace.outliers.all() and torch.equal(trace.dequantized, weight.half().float())
    assert "codes" not in trace.stored and trace.nbytes == sum(p.nbytes for p in pack_trace(trace).values())


def test_the_schemes_threshold_decides():
    weight, x = weights(4, 30), weights(5, 30, by=0.1)
    x[1, 4], x[2, 9] = 3.0, 2.99
    trace = quantize(weight, replace(schemes.LLM_INT8, threshold=3.0), x)
    assert trace.outliers.nonzero().flatten().tolist() == [4]


def test_indices_of_wide_matrices_have_32_bits():
    weight, x = weights(1, 2**15 + 1), torch.zeros(1, 2**15 + 1)
    x[0, 2**15] = 7
    trace = quantize(weight, schemes.LLM_INT8, x)
    assert trace.stored["outlier indices"] == (1, 32)
    assert pack_trace(trace)["outlier indices"].tolist() == [2**15]


# Cache and activations


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("per", ["token", "channel"])
def test_cache_equals_a_loop(bits, per):
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(1)) + 0.7
    got = quantize_cache(x, bits, per)
    for n in range(2):
        for h in range(3):
            for part in range(5 if per == "token" else 7):
                at = (n, h, part) if per == "token" else (n, h, slice(None), part)
                values = x[at].double().numpy()
                z = float(np.float16(values.min()))
                s = float(np.float16((values.max() - values.min()) / (2**bits - 1)))
                want = np.clip(np.round((values - z) / s), 0, 2**bits - 1) * s + z
                np.testing.assert_allclose(got[at].numpy(), want, rtol=0, atol=1e-5)
    assert (got - x).abs().max() < (0.6 * (x.max() - x.min()) / (2**bits - 1)) + 2e-3


def test_cache_by_hand_and_its_bytes():
    keys = torch.tensor([[0.0, 1.0, 3.0], [-2.0, -2.0, -2.0]])
    assert quantize_cache(keys, 2, "token").tolist() == keys.tolist()
    assert quantize_cache(keys[:1], 2, "channel").tolist() == keys[:1].tolist()
    assert quantize_cache(keys.half(), 4, "token").dtype == torch.float16
    # 2*4 heads of 10 positions by 16 channels in 4 bits, and 4 bytes for each position or channel
    assert cache_bytes((2, 4, 10, 16), 4, "token") == 640 + 80 * 4
    assert cache_bytes((2, 4, 10, 16), 4, "channel") == 640 + 128 * 4
    assert cache_bytes((3, 3), 2, "token") == 3 + 12


def test_activations_are_absmax_per_token_or_tensor():
    x = torch.tensor([[[1.21, -0.3, 0.004], [2.54, 0.01, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.1]]])
    token = round_activations(x, 8, "token")
    for i in range(2):
        for j in range(2):
            s = float(x[i, j].abs().max()) / 127
            want = [round(v / s) * s if s else 0.0 for v in x[i, j].tolist()]
            assert token[i, j].tolist() == pytest.approx(want, abs=1e-6)
    tensor = round_activations(x, 8, "tensor")
    want = [round(v / 0.02) * 0.02 for v in x.flatten().tolist()]
    assert tensor.flatten().tolist() == pytest.approx(want, abs=1e-6)
    four = round_activations(x, 4, "tensor")
    assert len(four.unique()) <= 15 and float(four.abs().max()) == pytest.approx(2.54)
    assert round_activations(x.bfloat16(), 8, "token").dtype == torch.bfloat16


def test_other_refusals():
    with pytest.raises(ValueError, match="float16 ends at 65504; a weight is 70000"):
        quantize(torch.full((1, 2), 7e4), schemes.LLM_INT8, torch.full((1, 2), 9.0))
    with pytest.raises(ValueError, match="threshold of 0 or above is expected; got -1"):
        llm_int8(weights(2, 4), weights(3, 4), -1.0)
    with pytest.raises(ValueError, match="threshold of 0 or above is expected; got nan"):
        llm_int8(weights(2, 4), weights(3, 4), math.nan)
    with pytest.raises(ValueError, match="up to 133144 products; got 133145 columns"):
        llm_int8(torch.ones(1, 133145), torch.ones(1, 133145))
    with pytest.raises(ValueError, match="from -8 to 7 are expected for 4 bits; got 0 to 8"):
        pack(torch.tensor([0, 8]), 4, True)
    with pytest.raises(ValueError, match="2, 3, 4 or 8 bits are expected; got 5"):
        pack(torch.tensor([0, 8]), 5, True)
    with pytest.raises(ValueError, match="2 bytes are expected for 3 codes of 4 bits; got 3"):
        unpack(torch.zeros(3, dtype=torch.uint8), 4, False, 3)
    with pytest.raises(ValueError, match="that float16 holds are expected; got -1e"):
        quantize_cache(torch.tensor([[-1e6, 1.0]]), 4, "token")
