"""GPTQ and AWQ against slow references in float64, written from the papers; whole models requantized."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from demos.kit.blocks import matrices, reading, walk, weight_of
from demos.kit.models import load
from demos.kit.zoo import MODELS
from demos.quantization.algorithm import quantize
from demos.quantization.awq import awq, column_scales, output_loss
from demos.quantization.gptq import gptq, hessian, inverse_root
from demos.quantization.network import fallback, output_error, requantize
from demos.quantization.rounding import round_nearest
from demos.quantization.scheme import (
    AWQ4,
    FLOAT16,
    GPTQ3,
    GPTQ4,
    GPTQ4_G128,
    INT3_ABSMAX,
    INT4_ABSMAX,
    INT4_G32,
    INT4_ZERO_POINT,
    INT8_ABSMAX,
    LLM_INT8,
    NF4,
    Scheme,
)

TEXT = Path(__file__).parents[1] / "assets" / "text" / "fairy.safetensors"
SCHEMES = {
    f"{bits} bits, {form}, {per} {size or ''}": Scheme("test", form, bits, per, size)
    for bits, form, per, size in (
        (4, "absmax", "channel", 0), (3, "absmax", "tensor", 0), (3, "absmax", "group", 32),
        (2, "zero-point", "channel", 0), (4, "zero-point", "tensor", 0), (4, "zero-point", "group", 96),
    )
}  # fmt: skip


def made(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def activations(seed: int, n: int, columns: int) -> torch.Tensor:
    """Columns that depend on each other and differ in size, as what a layer reads does."""
    x = made(seed, n, columns) @ (made(seed + 1, columns, columns) / math.sqrt(columns) + torch.eye(columns))
    return x * made(seed + 2, columns).exp()


# What the papers' formulas say, in float64, without the algorithm's own functions.


def scale(part: np.ndarray, scheme: Scheme) -> tuple[float, int, int, int]:
    """Scale as float16, zero point, smallest and largest code of the weights of one part."""
    if scheme.format == "absmax":
        most = 2 ** (scheme.bits - 1) - 1
        return float(np.float16(np.abs(part).max() / most)), 0, -most, most
    most = 2**scheme.bits - 1
    low, high = min(part.min(), 0.0), max(part.max(), 0.0)
    s = float(np.float16((high - low) / most))
    return s, round(-low / s), 0, most


def level(w: np.ndarray, fitted: tuple[float, int, int, int]) -> np.ndarray:
    s, z, least, most = fitted
    return s * (np.clip(np.round(w / s) + z, least, most) - z)


def nearest(weight: np.ndarray, scheme: Scheme) -> np.ndarray:
    if scheme.per == "tensor":
        return level(weight, scale(weight, scheme))
    size = scheme.size or weight.shape[1]
    parts = weight.reshape(-1, size)
    return np.stack([level(part, scale(part, scheme)) for part in parts]).reshape(weight.shape)


def slow_gptq(weight: torch.Tensor, scheme: Scheme, x: torch.Tensor) -> np.ndarray:
    """Frantar et al. 2023, equations 2 and 3, one column after the other, the inverse by elimination."""
    W, X = weight.double().numpy().copy(), x.double().numpy()
    H = 2 / len(X) * sum(np.outer(row, row) for row in X)
    H += 0.01 * np.diag(H).mean() * np.eye(len(H))
    inverse, Q = np.linalg.inv(H), np.zeros_like(W)
    size = scheme.size or W.shape[1]
    if scheme.per == "tensor":
        fitted = [scale(W, scheme)] * len(W)
    for j in range(W.shape[1]):
        if scheme.per != "tensor" and j % size == 0:
            fitted = [scale(row, scheme) for row in W[:, j : j + size]]
        Q[:, j] = [level(w, its) for w, its in zip(W[:, j], fitted, strict=True)]
        error = (W[:, j] - Q[:, j]) / inverse[j, j]
        W[:, j:] -= np.outer(error, inverse[j, j:])
        inverse -= np.outer(inverse[:, j], inverse[j]) / inverse[j, j]
    return Q


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_gptq_equals_the_slow_reference(scheme):
    weight, x = made(1, 12, 288), activations(2, 400, 288)
    got, want = gptq(weight, scheme, x), slow_gptq(weight, scheme, x)
    np.testing.assert_allclose(got.dequantized, want, rtol=0, atol=1e-5)
    assert np.abs(want - nearest(weight.double().numpy(), scheme)).max() > 0.1, "the feed forward is seen"


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_gptqs_codes_and_scales_give_its_values(scheme):
    got = gptq(made(1, 12, 288), scheme, activations(2, 400, 288))
    size = {"tensor": (1, 1), "channel": (12, 1), "group": (12, 288 // (scheme.size or 1))}[scheme.per]
    assert got.scales.shape == size
    groups = got.codes.double().reshape(12, size[1], -1)
    if got.zero_points is None:
        assert scheme.format == "absmax" and got.codes.dtype == torch.int8
    else:
        assert got.zero_points.shape == size and got.codes.dtype == torch.uint8
        groups = groups - got.zero_points[:, :, None]
    values = (groups * got.scales[:, :, None]).reshape(12, 288)
    torch.testing.assert_close(got.dequantized.double(), values, rtol=0, atol=1e-6)
    if scheme.per != "group":
        assert torch.equal(got.scales, round_nearest(made(1, 12, 288), scheme).scales), "of the first weights"


@pytest.mark.parametrize("scheme", [GPTQ4, replace(GPTQ4, per="group", size=48)], ids=["channel", "group"])
def test_the_block_changes_nothing(scheme):
    weight, x = made(3, 8, 144), activations(4, 300, 144)
    whole = gptq(weight, scheme, x, block=144)
    for block in (1, 50, 100, 128, 1000):
        assert torch.equal(gptq(weight, scheme, x, block).codes, whole.codes)


def test_the_hessian_by_hand_and_its_inverse():
    H = hessian(torch.tensor([[1.0, 0.0, 2.0], [3.0, 0.0, -2.0]]))
    # 2/n XᵀX = [[10, 0, -4], [0, 0, 0], [-4, 0, 8]]; the mean of its diagonal is 6; the empty column gets 1.
    want = [[10.06, 0, -4], [0, 1.06, 0], [-4, 0, 8.06]]
    torch.testing.assert_close(H, torch.tensor(want, dtype=torch.float64))
    H = hessian(activations(5, 50, 20))
    U = inverse_root(H)
    torch.testing.assert_close(U.T @ U @ H, torch.eye(20, dtype=torch.float64))
    assert torch.equal(U, U.triu())


def test_where_columns_do_not_depend_on_each_other_gptq_is_rounding_to_nearest():
    hadamard = torch.ones(1, 1)
    for _ in range(6):
        hadamard = torch.cat([torch.cat([hadamard, hadamard], 1), torch.cat([hadamard, -hadamard], 1)])
    weight = made(6, 16, 64)
    for scheme in (GPTQ4, GPTQ3, replace(GPTQ4, per="group", size=32), replace(GPTQ4, format="zero-point")):
        for x in (3 * hadamard, torch.zeros(5, 64)):
            got, want = gptq(weight, scheme, x), round_nearest(weight, scheme)
            assert torch.equal(got.codes, want.codes) and torch.equal(got.dequantized, want.dequantized)


def test_columns_that_are_never_read_are_rounded_to_nearest_and_do_not_touch_the_others():
    weight, x = made(7, 6, 40), activations(8, 100, 40)
    x[:, 3:18:7] = 0
    weight[:, 3:18:7] = weight[:, 3:18:7].clamp(-0.5, 0.5)  # no largest weight of its row, so no scale
    got, other = gptq(weight, GPTQ4, x).dequantized, weight.clone()
    assert torch.equal(got[:, 3:18:7], round_nearest(weight, GPTQ4).dequantized[:, 3:18:7])
    other[:, 3:18:7] *= -0.5
    rest = x.any(0)
    assert torch.equal(gptq(other, GPTQ4, x).dequantized[:, rest], got[:, rest])


@pytest.mark.parametrize(
    ("weight", "scheme", "x", "words"),
    [
        (made(1, 4, 6), NF4, made(2, 9, 6), "nf4 per block"),
        (made(1, 4, 6), replace(INT4_ABSMAX, per="block", size=6), made(2, 9, 6), "absmax per block"),
        (made(1, 4, 6), replace(GPTQ4, per="group", size=4), made(2, 9, 6), "Groups of 4 .* 6"),
        (made(1, 4, 6), GPTQ4, made(2, 9, 5), r"\[n, 6\].*got \[9, 5\]"),
        (made(1, 4, 6), GPTQ4, made(2, 0, 6), r"got \[0, 6\]"),
        (made(1, 4, 6), GPTQ4, torch.full((9, 6), math.inf), "54 of 54"),
        (made(1, 4, 6), GPTQ4, 1e30 * made(2, 9, 6), "6 of 6 columns"),
        (torch.full((4, 6), math.nan), GPTQ4, made(2, 9, 6), "24 of 24"),
    ],
)
def test_gptq_refuses_what_it_cannot_take(weight, scheme, x, words):
    with pytest.raises(ValueError, match=words):
        gptq(weight, scheme, x)


@pytest.mark.parametrize("value", [0.0, 0.25])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5)])
def test_one_weight_zeros_and_a_constant_matrix_work(value, shape):
    weight, x = torch.full(shape, value), made(1, 7, shape[1])
    for form in ("absmax", "zero-point"):
        scheme = replace(GPTQ4, format=form)
        for got in (gptq(weight, scheme, x), awq([weight], scheme, x).rounded[0]):
            torch.testing.assert_close(got.dequantized, weight, rtol=2e-3, atol=0)


def slow_awq(weights, scheme: Scheme, x, r: float) -> tuple[np.ndarray, list[np.ndarray], float]:
    """Lin et al. 2024, equations 4 and 5: s, what acts on the unchanged input, the error of the outputs."""
    X = x.double().numpy()
    s = np.abs(X).mean(0) ** r
    s = (s / np.sqrt(s.max() * s.min())).astype(np.float16).astype(np.float64)  # as they are stored
    acts = [nearest(W.double().numpy() * s, scheme) / s for W in weights]
    loss = sum(np.sum((X @ W.double().numpy().T - X @ A.T) ** 2) for W, A in zip(weights, acts, strict=True))
    return s, acts, loss


@pytest.mark.parametrize("n", [30, 400], ids=["fewer positions than columns", "more"])
@pytest.mark.parametrize("per", ["tensor", "channel", "group"])
@pytest.mark.parametrize("form", ["absmax", "zero-point"])
def test_awqs_search_equals_the_formulas(n, per, form):
    scheme = Scheme("test", form, 4, per, 32 if per == "group" else 0)
    weights, x = [made(1, 10, 64), made(2, 6, 64)], activations(3, n, 64)
    got = awq(weights, scheme, x, steps=8)
    assert [r for r, _ in got.searched] == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]
    slow = {r: slow_awq(weights, scheme, x, r) for r, _ in got.searched}
    for r, loss in got.searched:
        assert loss == pytest.approx(slow[r][2], rel=1e-4), r
    assert got.exponent == min(slow, key=lambda r: slow[r][2]) > 0
    s, acts, _ = slow[got.exponent]
    np.testing.assert_allclose(got.column_scales, s, rtol=1e-5)
    for its, want, weight in zip(got.rounded, acts, weights, strict=True):
        np.testing.assert_allclose(its.dequantized, want, rtol=0, atol=1e-5)
        assert torch.equal(its.codes, round_nearest(weight * got.column_scales, scheme).codes)


def test_the_output_loss_is_the_same_by_either_form():
    x, D = activations(4, 90, 64), made(5, 7, 64)
    direct = float((x.double() @ D.double().T).square().sum())
    assert output_loss(x)(D) == pytest.approx(direct, rel=1e-5)
    assert output_loss(x[:64])(D) + output_loss(x[64:])(D) == pytest.approx(direct, rel=1e-5)


def test_awq_without_a_stretch_is_rounding_to_nearest_and_nothing_is_worse():
    for seed in range(6):
        weights = [made(seed, 9, 32), made(seed + 100, 5, 32)]
        x = activations(seed, 200, 32) if seed % 2 else made(seed, 200, 32)
        got = awq(weights, AWQ4, x)
        plain = [round_nearest(W, AWQ4).dequantized for W in weights]
        losses = [
            sum(float((x @ (W - Q).T).square().sum()) for W, Q in zip(weights, Qs, strict=True))
            for Qs in (plain, [its.dequantized for its in got.rounded])
        ]
        assert got.searched[0] == (0, pytest.approx(losses[0], rel=1e-5))
        assert losses[1] <= losses[0] * (1 + 1e-6)
        if got.exponent == 0:
            assert all(torch.equal(its.dequantized, Q) for its, Q in zip(got.rounded, plain, strict=True))
    assert torch.equal(column_scales(x, 0.0), torch.ones(32))
    # No stretch helps where every column reads the same: s is 1 for every r, and the first r is kept.
    assert awq([made(1, 4, 8)], AWQ4, torch.ones(20, 8)).exponent == 0


def test_awq_saves_the_columns_that_large_inputs_meet():
    weight, x = made(1, 64, 128), made(2, 512, 128)
    x[:, [5, 40, 77]] *= 40
    got = awq([weight], AWQ4, x)
    stretched, plain = got.rounded[0].dequantized, round_nearest(weight, AWQ4).dequantized
    assert output_error(weight, stretched, x) < 0.5 * output_error(weight, plain, x)
    assert got.column_scales.topk(3).indices.sort().values.tolist() == [5, 40, 77]


def test_awqs_scales_stay_finite_where_inputs_are_zero():
    x = made(1, 50, 8)
    x[:, 2] = 0
    for r in (0.0, 0.5, 1.0):
        s = column_scales(x, r)
        assert s.isfinite().all() and s.min() > 0
        assert float(s.max() * s.min()) == pytest.approx(1, rel=2**-10)  # each is rounded to float16
        # a column that is never read counts as 1e-4 of the largest mean
        assert float(s[2] / s.max()) == pytest.approx(1e-4**r, rel=2**-10)
        torch.testing.assert_close(column_scales(1e-9 * x, r), s, rtol=2**-10, atol=0)
    assert torch.equal(column_scales(torch.zeros(4, 8), 0.5), torch.ones(8))


@pytest.mark.parametrize(
    ("weights", "x", "steps", "words"),
    [
        ([], made(1, 5, 4), 20, "got 0 and 20"),
        ([made(1, 3, 4)], made(1, 5, 4), 0, "got 1 and 0"),
        ([made(1, 3, 4), made(1, 3, 6)], made(1, 5, 4), 20, r"\[n, 6\].*got \[5, 4\]"),
        ([made(1, 3, 4)], made(1, 0, 4), 20, r"got \[0, 4\]"),
        ([made(1, 3, 4)], torch.full((5, 4), math.nan), 20, "20 of 20"),
        ([made(1, 3, 4)], 1e25 * torch.ones(5, 4), 20, "largest is 1e\\+25"),
    ],
)
def test_awq_refuses_what_it_cannot_take(weights, x, steps, words):
    with pytest.raises(ValueError, match=words):
        awq(weights, AWQ4, x, steps)


# Whole models.


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50, n_positions=32, n_embd=32, n_layer=3, n_head=4, initializer_range=0.3)
    return GPT2LMHeadModel(config).eval()


MAKERS = {"llama": llama, "gpt2": gpt2}
BATCHES = [
    {"input_ids": torch.randint(50, (3, 20), generator=torch.Generator().manual_seed(seed))}
    for seed in (0, 1)
]


def kept(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def changed(model, before) -> set[str]:
    return {
        name.removesuffix(".weight")
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    "scheme",
    [GPTQ4, AWQ4, LLM_INT8, INT4_ZERO_POINT, NF4, FLOAT16, replace(GPTQ4, per="group", size=16)],
    ids=lambda scheme: f"{scheme.name} {scheme.per}",
)
def test_only_the_named_matrices_change_and_to_what_their_traces_say(make, scheme):
    model = make()
    before, all_of_them = kept(model), matrices(model)
    named = [matrix for n, matrix in enumerate(all_of_them) if n % 3]
    plan = {matrix.name: scheme if matrix in named else None for matrix in all_of_them[:-1]}
    named = [matrix for matrix in named if plan.get(matrix.name)]
    done = list(requantize(model, plan, BATCHES))
    assert sorted(each.matrix.name for each in done) == sorted(matrix.name for matrix in named)
    assert changed(model, before) == {matrix.name for matrix in named}
    for each in done:
        assert each.scheme == scheme
        assert torch.equal(weight_of(model.get_submodule(each.matrix.name)), each.trace.dequantized)
    assert all(layer in {each.matrix.layer for each in done} for layer in range(3))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_plan_of_none_leaves_every_bit(make):
    model = make()
    before = kept(model)
    plan = dict.fromkeys((matrix.name for matrix in matrices(model)), None)
    assert not list(requantize(model, plan, BATCHES)) and not list(requantize(model, {}, []))
    assert not changed(model, before)


def test_without_calibration_no_pass_is_made(monkeypatch):
    model = llama()
    plan = {matrix.name: INT8_ABSMAX for matrix in matrices(model)}
    monkeypatch.setattr(model.model.layers[0], "forward", None)
    originals = kept(model)
    for each in requantize(model, plan, BATCHES):
        want = round_nearest(originals[f"{each.matrix.name}.weight"], INT8_ABSMAX).dequantized
        assert torch.equal(each.trace.dequantized, want)


def test_no_layer_behind_the_last_of_the_plan_runs(monkeypatch):
    model = llama()
    monkeypatch.setattr(model.model.layers[2], "forward", None)
    plan = {matrix.name: GPTQ4 for matrix in matrices(model) if matrix.layer == 1}
    assert len(list(requantize(model, plan, BATCHES))) == 7


def read_by(model, names: list[str]) -> dict[str, torch.Tensor]:
    with torch.no_grad(), reading({name: model.get_submodule(name) for name in names}) as read:
        for batch in BATCHES:
            model(**batch)
    return {name: torch.cat(xs) for name, xs in read.items()}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("scheme", [GPTQ3, LLM_INT8])
def test_a_layer_is_calibrated_on_what_the_changed_layers_before_it_give(make, scheme):
    original, model = make(), make()
    plan = {matrix.name: scheme for matrix in matrices(model)}
    if scheme is LLM_INT8:  # so that layer 0 changes much
        plan |= {matrix.name: replace(GPTQ3, bits=2) for matrix in matrices(model) if not matrix.layer}
    done = list(requantize(model, plan, BATCHES))
    for layer in range(3):
        stage = copy.deepcopy(original)
        for each in done:
            if each.matrix.layer < layer:
                weight_of(stage.get_submodule(each.matrix.name)).copy_(each.trace.dequantized)
        names = [each.matrix.name for each in done if each.matrix.layer == layer]
        read, plain = read_by(stage, names), read_by(original, names)
        differs = False
        for each in (each for each in done if each.matrix.layer == layer):
            weight = weight_of(original.get_submodule(each.matrix.name))
            want = quantize(weight, plan[each.matrix.name], read[each.matrix.name])
            torch.testing.assert_close(each.trace.dequantized, want.dequantized, rtol=0, atol=1e-6)
            before = quantize(weight, plan[each.matrix.name], plain[each.matrix.name])
            differs |= not torch.allclose(before.dequantized, want.dequantized, rtol=0, atol=1e-3)
        assert differs == (layer > 0), "calibration on the unchanged model would have given something else"


def test_matrices_that_read_the_same_share_one_search():
    original, model = llama(), llama()
    names = [matrix.name for matrix in matrices(model) if matrix.layer == 0]
    other = replace(AWQ4, name="another", bits=3)
    plan = dict.fromkeys(names, AWQ4) | {name: other for name in names if "v_proj" in name}
    got = {each.matrix.kind: each.trace for each in requantize(model, plan, BATCHES)}
    read = read_by(original, names)
    for kinds in (("q", "k"), ("v",), ("o",), ("gate", "up"), ("down",)):
        sharing = [name for name in names if name.endswith(tuple(f"{kind}_proj" for kind in kinds))]
        weights = [weight_of(original.get_submodule(name)) for name in sharing]
        search = awq(weights, plan[sharing[0]], read[sharing[0]])
        for name, rounded in zip(sharing, search.rounded, strict=True):
            kind = name.removeprefix("model.layers.0.")
            torch.testing.assert_close(got[kind].dequantized, rounded.dequantized, rtol=0, atol=1e-6)
            torch.testing.assert_close(got[kind].column_scales, search.column_scales)
            weight = weight_of(original.get_submodule(name))
            torch.testing.assert_close(got[kind].error, got[kind].dequantized - weight)


def test_stopping_early_leaves_the_rest_as_it_was():
    model = llama()
    before = kept(model)
    plan = {matrix.name: GPTQ4 for matrix in matrices(model)}
    steps = requantize(model, plan, BATCHES)
    names = {next(steps).matrix.name for _ in range(9)}
    steps.close()
    assert changed(model, before) == names and len(names) == 9


def test_a_model_in_bfloat16_gets_the_values_in_its_own_type():
    model = llama().to(torch.bfloat16)
    plan = {matrix.name: GPTQ4 for matrix in matrices(model)}
    for each in requantize(model, plan, BATCHES):
        assert each.trace.dequantized.dtype == torch.float32
        weight = weight_of(model.get_submodule(each.matrix.name))
        assert weight.dtype == torch.bfloat16 and torch.equal(weight, each.trace.dequantized.bfloat16())


def test_requantize_refuses_unknown_names_and_missing_text():
    model = llama()
    before = kept(model)
    with pytest.raises(ValueError, match="1 of 2 .*lm_head"):
        list(requantize(model, {"lm_head": INT8_ABSMAX, "model.layers.0.mlp.up_proj": GPTQ4}, BATCHES))
    with pytest.raises(ValueError, match="got 0"):
        list(requantize(model, {"model.layers.0.mlp.up_proj": GPTQ4}, []))
    assert not changed(model, before)


def test_fallback_keeps_what_fits_and_says_what_does_not():
    assert fallback(GPTQ4_G128, 256) is GPTQ4_G128 and fallback(INT4_ABSMAX, 7) is INT4_ABSMAX
    got = fallback(GPTQ4_G128, 688)
    assert (got.per, got.size, got.method, got.bits) == ("channel", 0, "gptq", 4)
    assert got.name.startswith(GPTQ4_G128.name) and "688" in got.name
    assert fallback(INT4_G32, 48).per == "channel" and fallback(NF4, 48) is NF4


def test_output_error_by_hand():
    weight, other = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    x = torch.tensor([[1.0, 1.0], [2.0, 0.0]])
    # outputs [[3, 1], [2, 0]] become [[2, 1], [2, 0]]: 1 of 14 is lost
    assert output_error(weight, other, x) == pytest.approx(1 / 14)
    assert output_error(weight, weight, x) == 0 and output_error(0 * weight, 0 * weight, x) == 0
    assert output_error(0 * weight, other, x) == math.inf


# The pocket model.


@pytest.fixture(scope="module")
def read():
    """What each matrix of the pocket target reads on 8 sequences of the calibration text; its weights."""
    ids = load_file(TEXT)["calibration"][::16].long()
    with load(MODELS["fairy-target"]) as loaded:
        model = loaded.model
        return {
            name: (weight_of(model.get_submodule(name)), x)
            for _, inputs in walk(model, [{"input_ids": ids}])
            for name, x in inputs.items()
        }


@pytest.mark.parametrize(("scheme", "plain"), [(GPTQ4, INT4_ABSMAX), (GPTQ3, INT3_ABSMAX)], ids=["4", "3"])
def test_gptq_is_below_rounding_to_nearest_on_every_pocket_matrix(read, scheme, plain):
    assert len(read) == 42
    for name, (weight, x) in read.items():
        errors = [
            output_error(weight, changed, x)
            for changed in (gptq(weight, scheme, x).dequantized, round_nearest(weight, plain).dequantized)
        ]
        assert errors[0] < 0.8 * errors[1], name


def test_awq_is_never_above_rounding_to_nearest_on_the_pocket_model(read):
    ratios = []
    for name, (weight, x) in read.items():
        got, plain = awq([weight], AWQ4, x).rounded[0], round_nearest(weight, AWQ4)
        errors = [output_error(weight, each.dequantized, x) for each in (got, plain)]
        assert errors[0] <= errors[1] * (1 + 1e-6), name
        ratios.append(errors[0] / errors[1])
    assert min(ratios) < 0.95
