"""Structured pruning by gates against closed forms, plain loops in float64 and transformers' own models."""

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file
from torch import Tensor

from demos.kit.models import load
from demos.kit.torchvision_shim import register_missing_operators
from demos.kit.zoo import MODELS
from demos.pruning.gates import Gates, expected, final, sample
from demos.pruning.masking import Kept, gated, masked, shear
from demos.pruning.shape import Shape, shape_of
from demos.pruning.shearing import (
    PHI,
    START,
    ascend,
    constraints,
    counts,
    decide,
    final_gates,
    opened,
    penalty,
    shear_search,
)
from demos.pruning.training import continue_training, draw, from_scratch, next_token_loss, update
from training.shear import held_out_loss, windows_of

register_missing_operators()

from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM  # noqa: E402

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "assets" / "pocket" / "fairy-sheared"
TINY = Shape(3, 24, 4, 32)


def llama(shape: Shape = TINY, seed: int = 0, **options) -> LlamaForCausalLM:
    """No parameter is left at 0 or 1; heads of 6 dimensions, 40 tokens."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=40, hidden_size=shape.width, intermediate_size=shape.units,
            num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
            num_key_value_heads=options.pop("shared", shape.heads), head_dim=6, max_position_embeddings=64,
            bos_token_id=0, eos_token_id=0, initializer_range=0.3, tie_word_embeddings=True, **options
        )
    )  # fmt: skip
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model.eval().requires_grad_(False)


def random_cut(source: Shape, target: Shape, seed: int = 0) -> tuple[Kept, Gates]:
    """Any parts of the target's counts, other ones in each layer, and gates between 0.1 and 1."""
    g = torch.Generator().manual_seed(seed)
    leaning = opened(source, torch.device("cpu")).map(lambda t: torch.randn(t.shape, generator=g))
    return decide(leaning, target), leaning.map(lambda t: 0.1 + 0.9 * torch.rand(t.shape, generator=g))


def ids_of(model, n: int = 2, length: int = 11) -> Tensor:
    return torch.randint(model.config.vocab_size, (n, length), generator=torch.Generator().manual_seed(5))


def digest(model) -> str:
    whole = hashlib.sha256(repr(model.config).encode())
    for name, tensor in model.state_dict().items():
        whole.update(name.encode() + tensor.numpy().tobytes())
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
    return f"{whole.hexdigest()} {hooks} {any(p.requires_grad for p in model.parameters())}"


# --- gates


def test_gates_by_hand():
    # (ln(0.3 / 0.7) + 0.5) / (2 / 3) = -0.520947; its sigmoid 0.372630; times 1.2, less 0.1: 0.347156
    z = sample(torch.tensor([0.5, 0.5, -2.0]), torch.tensor([0.3, 0.95, 0.1]))
    assert z.tolist() == pytest.approx([0.347156, 1.0, 0.0], abs=1e-5)
    keep = torch.tensor([True, True, True, False])
    assert final(torch.tensor([0.0, 3.0, -1.0, 3.0]), keep).tolist() == pytest.approx(
        [0.5, 1, 0.22273, 0], abs=1e-5
    )
    assert expected(torch.tensor([0.0])).item() == pytest.approx(1 / (1 + (0.1 / 1.1) ** (2 / 3)), abs=1e-6)
    assert expected(torch.tensor([0.0])).item() == pytest.approx(0.832, abs=5e-4)


@pytest.mark.parametrize("leaning", [-2.0, 0.0, 1.5])
def test_gates_against_a_million_samples(leaning):
    n = 1_000_000
    log_alpha = torch.full((n,), leaning)
    z = sample(log_alpha, torch.rand(n, generator=torch.Generator().manual_seed(3)))
    assert z.min() >= 0 and z.max() <= 1
    p = expected(log_alpha[:1]).item()
    # z = 1 where s > (1 - gamma) / (zeta - gamma) = 11 / 12, whose odds are 11
    whole = 1 / (1 + math.exp(-(leaning - 2 / 3 * math.log(11))))
    for share, truth in (((z > 0).float().mean(), p), ((z == 1).float().mean(), whole)):
        assert abs(share.item() - truth) < 5 * math.sqrt(truth * (1 - truth) / n)
    if leaning == 0:
        assert abs(z.mean().item() - 0.5) < 5 * z.std().item() / math.sqrt(n)


def test_gates_have_the_gradient_of_their_formula():
    u = torch.tensor([0.2, 0.5, 0.7], dtype=torch.float64)
    log_alpha = torch.tensor([0.3, -0.4, 0.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: sample(a, u), log_alpha)
    assert torch.autograd.gradcheck(expected, log_alpha)


# --- shapes


@pytest.mark.parametrize("shape", [TINY, Shape(1, 3, 2, 4), Shape(2, 7, 1, 1)])
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_those_of_the_real_model(shape, tied):
    config = LlamaConfig(
        vocab_size=40, hidden_size=8, intermediate_size=shape.units, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, head_dim=6, tie_word_embeddings=tied,
    )  # fmt: skip
    config.hidden_size = shape.width  # transformers refuses 3 over 2 heads when the config is made
    model = LlamaForCausalLM(config)
    assert (
        shape.parameters(40, 6, tied) == model.num_parameters() == sum(p.numel() for p in model.parameters())
    )
    assert shape_of(model) == shape


@pytest.mark.parametrize("numbers", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, -2, 1), (1, 1, 1, 0)])
def test_a_shape_has_numbers_from_one(numbers):
    with pytest.raises(ValueError, match=r"(layers|width|heads|units) must be at least 1; got (0|-2)"):
        Shape(*numbers)


def test_what_cannot_be_sheared_is_refused():
    model, windows = llama(), torch.zeros(2, 20, dtype=torch.int64)
    for target, words in (
        (Shape(4, 24, 4, 32), "layers must be in 1..3; got 4"),
        (Shape(3, 25, 4, 32), "width must be in 1..24; got 25"),
        (Shape(3, 24, 5, 32), "heads must be in 1..4; got 5"),
        (Shape(3, 24, 4, 33), "units must be in 1..32; got 33"),
    ):
        with pytest.raises(ValueError, match=words):
            next(shear_search(model, target, windows, length=8))
    with pytest.raises(ValueError, match=r"as many key-value heads as heads are expected; got 2 for 4"):
        shape_of(llama(shared=2))
    with pytest.raises(ValueError, match=r"a Llama was expected; got a model of the type 'Linear'"):
        shape_of(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"more than 20 tokens are expected; got \[2, 20\]"):
        next(shear_search(model, TINY, windows, length=20))
    with pytest.raises(ValueError, match=r"more than 8 tokens are expected; got \[0, 20\]"):
        next(continue_training(model, windows[:0], length=8))
    with pytest.raises(ValueError, match=r"0..39; got 0..40"):
        next(continue_training(model, windows.index_fill(1, torch.tensor([3]), 40), length=8))
    for options in ({"steps": 0}, {"warm": 0.0}, {"warm": 1.5}):
        with pytest.raises(ValueError, match=r"at least 1 step and a warm share"):
            next(shear_search(model, TINY, windows, length=8, **options))


# --- masked and sheared


def reference(model, ids: Tensor, kept: Kept, gates: Gates) -> Tensor:
    """The logits of the gated Llama for one sequence, in float64, position by position and head by head."""
    W = {name: t.double() for name, t in model.state_dict().items()}
    dims, eps, size = kept.width.tolist(), model.config.rms_norm_eps, model.config.head_dim
    z = torch.zeros(len(gates.width), dtype=torch.float64)
    z[dims] = gates.width[dims].double()

    def norm(x: Tensor, name: str) -> Tensor:
        mean = sum(x[:, i] ** 2 for i in dims) / len(dims)
        return x / (mean + eps).sqrt()[:, None] * W[f"{name}.weight"]

    def turned(x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for position, half in ((p, h) for p in range(len(x)) for h in range(size // 2)):
            angle = position * 10000.0 ** (-2 * half / size)
            a, b = x[position, half], x[position, half + size // 2]
            out[position, half] = a * math.cos(angle) - b * math.sin(angle)
            out[position, half + size // 2] = b * math.cos(angle) + a * math.sin(angle)
        return out

    x = W["model.embed_tokens.weight"][ids] * z
    for n in kept.layers.tolist():
        at, gate = f"model.layers.{n}", gates.layers[n].double()
        y = norm(x, f"{at}.input_layernorm")
        for h in kept.heads[n].tolist():
            rows = slice(h * size, (h + 1) * size)
            q, k, v = (y @ W[f"{at}.self_attn.{kind}_proj.weight"][rows].T for kind in "qkv")
            scores = turned(q) @ turned(k).T / math.sqrt(size)
            later = torch.ones(len(y), len(y)).triu(1).bool()
            out = scores.masked_fill(later, -math.inf).softmax(-1) @ v * gates.heads[n, h].double()
            x = x + gate * z * (out @ W[f"{at}.self_attn.o_proj.weight"][:, rows].T)
        y = norm(x, f"{at}.post_attention_layernorm")
        for u in kept.units[n].tolist():
            up, open_ = (y @ W[f"{at}.mlp.{kind}_proj.weight"][u] for kind in ("up", "gate"))
            unit = F.silu(open_) * up * gates.units[n, u].double()
            x = x + gate * z * unit[:, None] * W[f"{at}.mlp.down_proj.weight"][:, u]
    return norm(x, "model.norm") * z @ W["lm_head.weight"].T


SHAPES = [TINY, Shape(2, 13, 3, 20), Shape(2, 3, 2, 4), Shape(1, 1, 1, 1), Shape(3, 24, 1, 32)]


@pytest.mark.parametrize("target", SHAPES, ids=str)
@torch.no_grad()
def test_masked_and_sheared_equal_the_gated_llama_in_loops(target):
    model = llama()
    kept, gates = random_cut(TINY, target)
    ids, before = ids_of(model), digest(model)
    truth = torch.stack([reference(model, row, kept, gates) for row in ids]).float()
    small = shear(model, kept, gates)
    assert shape_of(small) == kept.shape == target
    assert small.num_parameters() == target.parameters(40, 6)
    assert (masked(model, kept, gates)(input_ids=ids).logits - truth).abs().max() < 1e-4
    assert (small(input_ids=ids).logits - truth).abs().max() < 1e-4
    assert truth.abs().max() > 0.1 and digest(model) == before


@pytest.mark.parametrize("options", [{"tie": False}, {"attention_bias": True, "mlp_bias": True}], ids=str)
@torch.no_grad()
def test_masked_equals_sheared_for_other_llamas(options):
    model = llama(**options) if "tie" not in options else llama_untied()
    kept, gates = random_cut(TINY, Shape(2, 14, 2, 9), seed=2)
    ids = ids_of(model)
    wide, small = (cut(model, kept, gates)(input_ids=ids).logits for cut in (masked, shear))
    assert (wide - small).abs().max() < 1e-4 < (wide - model(input_ids=ids).logits).abs().max()


def llama_untied() -> LlamaForCausalLM:
    config = llama().config
    config.tie_word_embeddings = False
    torch.manual_seed(1)
    return LlamaForCausalLM(config).eval().requires_grad_(False)


@pytest.mark.parametrize("target", [Shape(4, 192, 3, 512), Shape(2, 3, 2, 4)], ids=str)
@torch.no_grad()
def test_masked_equals_sheared_on_the_pocket_target(target):
    with load(MODELS["fairy-target"]) as loaded:
        model = loaded.model
        before, ids = digest(model), ids_of(model, 2, 60)
        kept, gates = random_cut(shape_of(model), target)
        wide, small = masked(model, kept, gates), shear(model, kept, gates)
        assert (wide(input_ids=ids).logits - small(input_ids=ids).logits).abs().max() < 1e-4
        assert small.num_parameters() == target.parameters(4096, 64)
        assert digest(model) == before
        got = [
            net.generate(ids[:1, :5], do_sample=False, max_new_tokens=12, use_cache=use_cache)
            for net, use_cache in ((small, True), (small, False), (wide, True))
        ]
    assert got[0].shape == (1, 17) and got[0].tolist() == got[1].tolist() == got[2].tolist()


@torch.no_grad()
def test_all_kept_and_open_is_the_model_itself():
    model = llama()
    kept, gates = random_cut(TINY, TINY)
    gates = gates.map(torch.ones_like)
    ids = ids_of(model)
    for cut in (masked, shear):
        same = cut(model, kept, gates)
        assert torch.equal(same(input_ids=ids).logits, model(input_ids=ids).logits)
    assert all(
        torch.equal(a, b)
        for a, b in zip(same.state_dict().values(), model.state_dict().values(), strict=True)
    )


@torch.no_grad()
def test_a_sheared_model_is_written_and_read_as_any_other(tmp_path):
    model = llama()
    small = shear(model, *random_cut(TINY, Shape(2, 12, 3, 5)))
    assert small.lm_head.weight is small.model.embed_tokens.weight
    small.save_pretrained(tmp_path)
    ids = ids_of(model)
    assert torch.equal(
        AutoModelForCausalLM.from_pretrained(tmp_path)(input_ids=ids).logits, small(input_ids=ids).logits
    )


def test_chance_elsewhere_is_left_alone_and_gates_leave_with_their_block():
    model = llama()
    kept, gates = random_cut(TINY, Shape(2, 12, 2, 5))
    state, before = torch.get_rng_state(), digest(model)
    shear(model, kept, gates)
    first, again, other = (from_scratch(model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert digest(first) == digest(again) != digest(other) and shape_of(first) == TINY
    with pytest.raises(RuntimeError), gated(model, gates, 3):
        raise RuntimeError
    assert digest(model) == before


# --- the search


def test_constraints_by_hand():
    excess, linear, quadratic = (torch.tensor(t) for t in ([0.1, -0.2], [2.0, 3.0], [10.0, 20.0]))
    assert penalty(excess, linear, quadratic).item() == pytest.approx(0.2 - 0.6 + 0.1 + 0.8)
    up = ascend(excess, linear, quadratic, 0.5)
    assert up[0].tolist() == pytest.approx([2.05, 2.9]) and up[1].tolist() == pytest.approx([10.005, 20.02])
    assert constraints(Shape(1, 9, 2, 5), 2).tolist() == [1, 9, 2, 2, 5, 5]
    gates = Gates(*(torch.full(s, v) for s, v in (((2,), 0.5), ((9,), 1.0), ((2, 3), 0.2), ((2, 4), 0.25))))
    assert counts(gates).tolist() == pytest.approx([1.0, 9.0, 0.6, 0.6, 1.0, 1.0])


def test_decide_takes_the_highest_and_of_equal_ones_the_first():
    leaning = Gates(
        torch.tensor([0.1, 3.0, 0.2]),
        torch.tensor([1.0, 1.0, 2.0, 1.0]),
        torch.tensor([[1.0, 2.0], [2.0, 1.0], [0.0, 0.0]]),
        torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0]]),
    )
    kept = decide(leaning, Shape(2, 3, 1, 2))
    assert kept.layers.tolist() == [1, 2] and kept.width.tolist() == [0, 1, 2]
    assert kept.heads.tolist() == [[1], [0], [0]] and kept.units.tolist() == [[1, 2], [0, 1], [1, 2]]
    z = final_gates(leaning, kept)
    assert z.layers.tolist() == pytest.approx([0, 1, 0.6 / (0.5 + 0.5 * math.exp(-0.2)) - 0.1])
    assert (z.width > 0).tolist() == [True, True, True, False]


def text(n: int = 40, length: int = 33) -> Tensor:
    """Sequences in which each token is the one before it plus 3, from any start."""
    start = torch.randint(40, (n, 1), generator=torch.Generator().manual_seed(8))
    return ((start + 3 * torch.arange(length)) % 40).to(torch.int16)


def search(model, target: Shape, **options):
    given = {"steps": 160, "gate_rate": 0.2, "batch": 2, "length": 12} | options
    return shear_search(model, target, text(), **given)


@pytest.mark.parametrize("target", [Shape(2, 12, 2, 10), Shape(2, 3, 2, 4)], ids=str)
def test_the_search_reaches_the_target(target):
    model = llama()
    before = digest(model)
    steps = list(search(model, target))
    first, last = steps[0], steps[-1]
    assert [s.number for s in steps] == list(range(1, 161)) and all(s.milliseconds > 0 for s in steps)
    assert last.goal.tolist() == constraints(target, 3).tolist()
    full = constraints(TINY, 3)
    assert first.goal.tolist() == pytest.approx((full + (last.goal - full) / 80).tolist())
    assert torch.equal(steps[79].goal, last.goal) and not torch.equal(steps[78].goal, last.goal)
    assert ((last.sizes - last.goal).abs() / full).max() < 0.08
    # the gates are what is decided on: those that are kept are open, the others shut
    kept = decide(last.log_alpha, target)
    assert kept.shape == target
    p = torch.cat([t.flatten() for t in last.probabilities.all()])
    keep = torch.cat([t.flatten() for t in kept.mask(last.log_alpha).all()])
    assert p[keep].mean() - p[~keep].mean() > 0.7
    assert digest(model) == before
    assert digest(last.model).split()[1] == "0"  # hooks
    assert all(s.model is last.model for s in steps)


def test_the_multipliers_of_a_search_ascend_from_the_constraints():
    steps = list(search(llama(), Shape(2, 12, 2, 10), steps=6, multiplier_rate=0.7))
    full = constraints(TINY, 3)
    linear, quadratic = torch.zeros_like(full), torch.full_like(full, PHI)
    for step in steps:
        excess = (step.sizes - step.goal) / full
        assert step.lagrangian == pytest.approx(
            float((linear * excess + quadratic * excess**2).sum()), abs=1e-5
        )
        linear, quadratic = linear + 0.7 * excess, quadratic + 0.7 * excess**2
        torch.testing.assert_close(step.linear, linear)
        torch.testing.assert_close(step.quadratic, quadratic)
    # s is measured before the gates' update: at first P(z != 0) at the start, then after the step before
    assert steps[0].sizes.tolist() == pytest.approx((full * expected(torch.tensor([START]))).tolist())
    torch.testing.assert_close(steps[3].sizes, counts(steps[2].probabilities))


@pytest.mark.parametrize("target, way", [(Shape(1, 2, 1, 3), -1), (TINY, 1)], ids=str)
def test_gates_move_to_the_target(target, way):
    """The loss is ln 40 for any gates; Adam's first step is the rate, against the gradient's sign."""
    model = llama_untied()
    model.lm_head.weight.zero_()
    (step,) = search(model, target, steps=1, gate_rate=0.05, warm=0.01)
    assert torch.equal(step.goal, constraints(target, 3))
    assert step.loss == pytest.approx(math.log(40), abs=1e-5)
    for t in step.log_alpha.all():
        torch.testing.assert_close(t, torch.full_like(t, START + way * 0.05), atol=1e-4, rtol=0)


def test_the_loss_of_a_step_is_that_of_the_gated_model(monkeypatch):
    """With gates that are told, not sampled, and one window that is read whole."""
    model, window = llama(), text(1, 13)
    kept, gates = random_cut(TINY, Shape(2, 10, 2, 12))
    told = gates.map(lambda z, keep: z * keep, kept.mask(gates))
    by_size = {z.shape: z for z in told.all()}
    monkeypatch.setattr("demos.pruning.shearing.sample", lambda log_alpha, _: by_size[log_alpha.shape])
    step = next(shear_search(model, TINY, window, steps=1, batch=1, length=12))
    assert step.loss == pytest.approx(next_token_loss(shear(model, kept, gates), window).item(), abs=1e-5)


def test_the_search_finds_what_the_model_does_not_use():
    """A model trained without layer 1, the even heads and the even units: their outputs are held at 0."""
    model, target = llama(), Shape(2, 24, 2, 16)
    for _ in continue_training(model, text(), steps=100, batch=4, length=16, rate=1e-2):
        for n, layer in enumerate(model.model.layers):
            layer.self_attn.o_proj.weight.data.unflatten(1, (4, 6))[:, ::2] = 0
            layer.mlp.down_proj.weight.data[:, ::2] = 0
            if n == 1:
                layer.self_attn.o_proj.weight.data.zero_()
                layer.mlp.down_proj.weight.data.zero_()
    *_, last = search(model, target, steps=80, weight_rate=0.0, batch=4)
    kept = decide(last.log_alpha, target)
    assert kept.layers.tolist() == [0, 2]
    for n in (0, 2):
        assert kept.heads[n].tolist() == [1, 3] and kept.units[n].tolist() == list(range(1, 32, 2))


def test_the_search_is_the_seeds_and_learns_the_weights():
    model = llama()
    one, same, other = (list(search(model, TINY, steps=8, seed=s, weight_rate=1e-2)) for s in (1, 1, 2))
    assert [s.loss for s in one] == [s.loss for s in same] != [s.loss for s in other]
    assert digest(one[-1].model) != digest(llama())
    assert one[-1].loss < one[0].loss
    (still,) = search(llama(), TINY, steps=1, weight_rate=0.0)
    for a, b in zip(still.model.parameters(), llama().parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_works_where_no_gradients_are_kept_and_in_bfloat16():
    with torch.inference_mode():
        model = llama()
        *_, last = search(model, Shape(2, 12, 2, 10), steps=3, dtype=torch.bfloat16)
        kept = decide(last.log_alpha, Shape(2, 12, 2, 10))
        small = shear(last.model, kept, final_gates(last.log_alpha, kept))
        after = list(continue_training(small, text(), steps=3, batch=2, length=12))
        wide = masked(last.model, kept, final_gates(last.log_alpha, kept))
        assert wide(input_ids=ids_of(model)).logits.isfinite().all()
    assert math.isfinite(last.loss) and len(after) == 3


# --- training


def test_pieces_of_windows_are_drawn_evenly():
    windows = torch.arange(60, dtype=torch.int16).reshape(3, 20)
    g = torch.Generator().manual_seed(0)
    pieces = draw(windows, 3000, 17, g)
    assert pieces.shape == (3000, 18) and (pieces.diff(dim=1) == 1).all()
    starts = pieces[:, 0].bincount(minlength=60).reshape(3, 20)
    assert (starts[:, 3:] == 0).all()
    assert (starts[:, :3] - 3000 / 9).abs().max() < 5 * math.sqrt(3000 / 9)


def test_an_update_clips_the_weights_gradient_only():
    model, gate = torch.nn.Linear(3, 1, bias=False), torch.zeros(1, requires_grad=True)
    start = model.weight.detach().clone()
    optimizers = torch.optim.SGD(model.parameters(), lr=1.0), torch.optim.SGD([gate], lr=1.0)
    for n in (1, 2):  # the gradient is (6, 0, 8), cut to the norm 1: (0.6, 0, 0.8)
        update((model.weight * torch.tensor([6.0, 0.0, 8.0])).sum() + 7 * gate.sum(), model, *optimizers)
        moved = n * torch.tensor([[0.6, 0.0, 0.8]])
        torch.testing.assert_close(start - model.weight.detach(), moved, atol=1e-5, rtol=0)
        assert gate.item() == -7 * n


def test_the_loss_is_transformers_own():
    model, ids = llama(), ids_of(llama(), 5, 12)
    theirs = model(input_ids=ids, labels=ids).loss
    torch.testing.assert_close(next_token_loss(model, ids.to(torch.int16)), theirs, atol=1e-5, rtol=0)
    twenty = ids_of(model, 20)
    assert held_out_loss(model, twenty) == pytest.approx(
        model(input_ids=twenty, labels=twenty).loss.item(), abs=1e-5
    )


def test_training_goes_on_and_a_model_from_scratch_sees_the_same_batches():
    seen = {}
    for name, model in (("sheared", llama()), ("scratch", from_scratch(llama(), 3))):
        seen[name] = []
        model.register_forward_pre_hook(
            lambda _, __, given, name=name: seen[name].append(given["input_ids"]), with_kwargs=True
        )
        options = {"steps": 60, "seed": 4, "batch": 4, "length": 16, "rate": 1e-2}
        losses = dict(continue_training(model, text(), **options))
        assert list(losses) == list(range(1, 61))
        assert losses[60] < 0.5 * losses[1]
        assert not any(p.requires_grad for p in model.parameters())
        assert next_token_loss(model, text()).item() < 0.5 * losses[1]  # in place
    assert len(seen["sheared"]) == 61
    assert all(torch.equal(a, b) for a, b in zip(seen["sheared"], seen["scratch"], strict=True))
    assert not torch.equal(seen["sheared"][0], seen["sheared"][1])
    next(continue_training(model, text(), **options | {"seed": 5}))
    assert not torch.equal(seen["scratch"][-1], seen["scratch"][0])


@pytest.mark.parametrize("steps", [1, 2, 3, 19, 20, 39])
def test_training_takes_any_number_of_steps(steps):
    model = llama()
    losses = list(continue_training(model, text(), steps=steps, batch=1, length=4, rate=1e-2))
    assert len(losses) == steps and digest(model) != digest(llama())


def test_windows_of_the_books_follow_each_other():
    texts = {"The-Magic-of-Oz": "zebra " * 2000, "b": "once upon a time " * 150, "a": "the king said " * 150}
    windows = windows_of(texts)
    assert windows.shape[1] == 257 and windows.dtype == torch.int16
    assert torch.equal(windows[1:, 0], windows[:-1, -1])
    with load(MODELS["fairy-target"]) as loaded:
        read = loaded.reader.decode(windows[:, :-1].flatten().tolist())
    assert read in texts["b"] + "<|endoftext|>" + texts["a"] + "<|endoftext|>"


# --- what is shipped


def test_the_prepared_run_is_what_its_card_says():
    card = json.loads((SHIPPED / "card.json").read_text())
    history = load_file(SHIPPED / "history.safetensors")
    model = AutoModelForCausalLM.from_pretrained(SHIPPED, dtype=torch.float32)
    target = Shape(*(card["target"][name] for name in ("layers", "width", "heads", "units")))
    losses = card["held_out_loss_per_token"]
    assert shape_of(model) == target
    assert model.num_parameters() == card["target"]["parameters"] == target.parameters(4096, 64)
    held_out = load_file(ROOT / "assets" / "text" / "fairy.safetensors")["held_out"]
    assert held_out_loss(model, held_out) == pytest.approx(losses["sheared_and_trained"], abs=0.01)
    assert losses["masked_after_the_search"] == pytest.approx(losses["sheared"], abs=1e-3)
    assert losses["sheared_and_trained"] < min(losses["sheared"], losses["from_scratch"])
    kept = Kept(*(history[f"kept.{name}"].long() for name in ("layers", "width", "heads", "units")))
    assert kept.shape == target
    assert history["search.goal"][-1].tolist() == constraints(target, card["source"]["layers"]).tolist()
    for name, size in (("layers", (6,)), ("width", (256,)), ("heads", (6, 4)), ("units", (6, 688))):
        assert history[f"probability.{name}"].shape == (len(history["search.number"]), *size)
        assert history[f"gate.{name}"].shape == size
    for name in ("sheared_and_trained", "from_scratch"):
        assert len(history[f"{name}.loss"]) == card["training"]["steps"]
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 10e6
