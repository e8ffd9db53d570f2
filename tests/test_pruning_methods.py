"""Pruning of whole models, what is really removed, and what is really stored, against torch and numpy."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.sparse._semi_structured_conversions import sparse_semi_structured_from_dense_cutlass
from transformers import (
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from demos.kit.blocks import matrices, reading, walk, weight_of
from demos.kit.models import load
from demos.kit.zoo import MODELS
from demos.pruning import storage
from demos.pruning.algorithm import METHODS, output_error, prune, weight_scores
from demos.pruning.network import prune_model
from demos.pruning.storage import bitmask, csr, dense, median_ms, restore, time_products, two_of_four
from demos.pruning.structure import HEADS, UNITS, count, prune_groups, remove, survivors

TEXT = Path(__file__).parents[1] / "assets" / "text" / "fairy.safetensors"


def shaken(model, by: float = 0.1):
    """No parameter, no bias and no norm is left at 0 or 1, where a forgotten one would not be missed."""
    torch.manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(by * torch.randn_like(p))
    return model.eval().requires_grad_(False)


SIZES = dict(
    vocab_size=61, hidden_size=48, intermediate_size=40, num_hidden_layers=3, head_dim=8,
    max_position_embeddings=64, eos_token_id=None, bos_token_id=None, pad_token_id=0,
)  # fmt: skip


def llama(heads: int = 4, shared: int = 4, **options) -> LlamaForCausalLM:
    return shaken(
        LlamaForCausalLM(
            LlamaConfig(num_attention_heads=heads, num_key_value_heads=shared, **SIZES, **options)
        )
    )


def qwen() -> Qwen3ForCausalLM:
    return shaken(Qwen3ForCausalLM(Qwen3Config(num_attention_heads=6, num_key_value_heads=3, **SIZES)))


def qwen2() -> Qwen2ForCausalLM:
    """Its config has no head_dim of its own."""
    sizes = {name: size for name, size in SIZES.items() if name != "head_dim"}
    return shaken(Qwen2ForCausalLM(Qwen2Config(num_attention_heads=6, num_key_value_heads=3, **sizes)))


def gpt2() -> GPT2LMHeadModel:
    return shaken(GPT2LMHeadModel(GPT2Config(vocab_size=61, n_positions=64, n_embd=16, n_layer=2, n_head=2)))


@pytest.fixture(scope="module")
def pocket():
    with load(MODELS["fairy-target"]) as loaded:
        yield loaded.model


@pytest.fixture(scope="module")
def calibration() -> torch.Tensor:
    return load_file(TEXT)["calibration"].long()


def ids(n: int = 3, length: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randint(1, 61, (n, length), generator=torch.Generator().manual_seed(seed))


def batches(n: int = 2) -> list[dict[str, torch.Tensor]]:
    return [{"input_ids": ids(seed=i)} for i in range(n)]


def pruned(model, *arguments, **options):
    """(a pruned copy of the model, its traces by the matrix's name)."""
    changed = copy.deepcopy(model)
    return changed, {m.name: trace for m, trace in prune_model(changed, *arguments, **options)}


# --- SparseGPT on real layers


def test_sparsegpt_loses_least_on_every_matrix_of_the_pocket_target(pocket, calibration):
    seen = 0
    for _, read in walk(pocket, [{"input_ids": calibration[::16]}]):
        for name, X in read.items():
            W = pocket.get_submodule(name).weight
            lost = {
                m: output_error(W, prune(W, m, 0.5, activations=X).pruned, X)
                for m in ("magnitude", "wanda", "sparsegpt")
            }
            assert 0 < lost["sparsegpt"] < min(lost["wanda"], lost["magnitude"]) < 1, (name, lost)
            seen += 1
    assert seen == 42


@pytest.mark.parametrize("sparsity", [0.1, 0.8])
def test_sparsegpt_loses_less_than_magnitude_at_other_sparsities(pocket, calibration, sparsity):
    _, read = next(walk(pocket, [{"input_ids": calibration[::16]}]))
    for name, X in read.items():
        W = pocket.get_submodule(name).weight
        lost = {m: output_error(W, prune(W, m, sparsity, activations=X).pruned, X) for m in METHODS}
        assert lost["sparsegpt"] < lost["magnitude"] < lost["random"], (name, lost)


# --- a whole model


@pytest.mark.parametrize("make", [llama, gpt2], ids=["llama", "gpt2"])
@pytest.mark.parametrize("method", METHODS)
def test_the_model_has_what_the_traces_show(make, method):
    model = make()
    changed, traces = pruned(model, method, 0.5, "unstructured", batches())
    assert list(traces) == [m.name for m in matrices(model)]
    for name, trace in traces.items():
        assert torch.equal(trace.weight, weight_of(model.get_submodule(name)))
        assert torch.equal(trace.pruned, weight_of(changed.get_submodule(name)))
        assert abs(trace.achieved - 0.5) < 0.02
    assert not torch.equal(changed(ids()).logits, model(ids()).logits)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pattern", ["unstructured", "heads"])
def test_what_was_not_asked_for_is_not_touched(method, pattern):
    model = llama()
    changed, traces = pruned(model, method, {1: 0.5}, pattern, batches())
    assert {name.split(".")[2] for name in traces} == {"1"}
    assert len(traces) == (7 if pattern == "unstructured" else 4)
    after = changed.state_dict()
    for name, before in model.state_dict().items():
        assert torch.equal(before, after[name]) == (name.removesuffix(".weight") not in traces), name
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in changed.modules())


def test_each_layer_has_its_own_sparsity():
    _, traces = pruned(llama(), "magnitude", {0: 0.25, 2: 0.75})
    assert {(name.split(".")[2], trace.achieved) for name, trace in traces.items()} == {
        ("0", 0.25),
        ("2", 0.75),
    }


@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_a_layer_reads_what_the_pruned_layers_before_it_write(method):
    model = llama()
    _, traces = pruned(model, method, 0.5, "unstructured", batches())
    last = {m.name: m for m in matrices(model) if m.layer == 2}
    half = copy.deepcopy(model)  # the first two layers pruned, the third not yet
    for name, trace in traces.items():
        if name not in last:
            half.get_submodule(name).weight.copy_(trace.pruned)
    with reading({name: half.get_submodule(name) for name in last}) as read:
        for batch in batches():
            half(**batch)
    for name, xs in read.items():
        want = prune(half.get_submodule(name).weight, method, 0.5, activations=torch.cat(xs))
        assert torch.equal(traces[name].mask, want.mask)
        torch.testing.assert_close(traces[name].pruned, want.pruned, rtol=0, atol=1e-5)
    stale = prune(weight_of(model.get_submodule(name)), method, 0.5, activations=_reads(model, name))
    assert not torch.equal(traces[name].mask, stale.mask)


def _reads(model, name: str) -> torch.Tensor:
    with reading({name: model.get_submodule(name)}) as read:
        for batch in batches():
            model(**batch)
    return torch.cat(read[name])


def test_random_cuts_each_matrix_differently_and_its_seed_decides():
    model = llama()
    a, b, c = (pruned(model, "random", 0.5, seed=seed)[1] for seed in (1, 1, 2))
    q, k = (f"model.layers.0.self_attn.{x}_proj" for x in "qk")
    assert torch.equal(a[q].mask, b[q].mask) and not torch.equal(a[q].mask, c[q].mask)
    assert not torch.equal(a[q].mask, a[k].mask)


def test_sparsity_zero_leaves_the_model_as_it_is():
    model = llama()
    for method in METHODS:
        changed, _ = pruned(model, method, 0.0, "unstructured", batches())
        assert torch.equal(changed(ids()).logits, model(ids()).logits)


def test_refusals_come_before_any_change():
    for arguments, sentence in (
        (("magnitude", 1.5), "Sparsity must lie between 0 and 1; got 1.5."),
        (("magnitude", {3: 0.5}), "Layers are numbered from 0 to 2; got 3."),
        (("wanda", 0.5), "wanda reads activations, so batches of inputs are needed; got none."),
        (("hessian", 0.5), "The method must be one of magnitude, random, wanda, sparsegpt; got hessian."),
        (
            ("magnitude", 0.5, "columns"),
            "The pattern must be one of unstructured, 2:4, 4:8, rows; got columns.",
        ),
        (("magnitude", 1.5, "heads"), "Sparsity must lie between 0 and 1; got 1.5."),
    ):
        with pytest.raises(ValueError) as refusal:
            next(prune_model(llama(), *arguments))
        assert str(refusal.value) == sentence
    # The last matrix cannot take 2:4, the ones before it could.
    model = shaken(LlamaForCausalLM(LlamaConfig(**{**SIZES, "intermediate_size": 42}, num_attention_heads=4)))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="2:4 needs rows of a multiple of 4 weights; got 42."):
        list(prune_model(model, "magnitude", 0.5, "2:4"))
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    with pytest.raises(
        ValueError, match="heads are found in layers like Llama's; GPT2Block has no self_attn.q_proj."
    ):
        next(prune_model(gpt2(), "magnitude", 0.5, "heads"))


# --- heads and units


def by_loop(layer, scores, structure: str) -> list[float]:
    """The sum of the scores of all weights that belong to each group, weight by weight."""
    groups, total = count(layer, structure), {}
    for kind, axis in {"heads": HEADS, "units": UNITS}[structure].items():
        each = scores[kind].shape[axis] // groups
        for i, row in enumerate(scores[kind].tolist()):
            for j, score in enumerate(row):
                g = (i, j)[axis] // each
                total[g] = total.get(g, 0.0) + score
    return [total[g] for g in range(groups)]


@pytest.mark.parametrize("structure", ["heads", "units"])
@pytest.mark.parametrize("make", [llama, lambda: llama(6, 3), qwen], ids=["llama", "shared", "qwen"])
def test_groups_by_loop(make, structure):
    layer = make().model.layers[0]
    kinds = HEADS if structure == "heads" else UNITS
    scores = {kind: weight_scores(layer.get_submodule(kind).weight, "magnitude") for kind in kinds}
    trace = prune_groups(layer, structure, scores, 0.3)
    want = torch.tensor(by_loop(layer, scores, structure))
    torch.testing.assert_close(trace.scores, want, rtol=1e-5, atol=0)
    gone = want.argsort()[: round(0.3 * len(want))]
    assert sorted((~trace.kept).nonzero()[:, 0].tolist()) == sorted(gone.tolist()) != []
    for kind, axis in kinds.items():
        mask = trace.masks[kind]
        assert mask.shape == scores[kind].shape
        per_group = mask.movedim(axis, 0).reshape(len(want), -1)
        assert torch.equal(per_group.all(1), trace.kept) and torch.equal(per_group.any(1), trace.kept)


def test_a_head_by_hand():
    # Two heads of one dimension, width 2: head 1 has the larger sum, though not in q.
    sizes = {**SIZES, "hidden_size": 2, "intermediate_size": 3, "head_dim": 2}
    layer = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2)).model.layers[0]
    one = torch.ones(2, 2)
    scores = {
        "self_attn.q_proj": torch.cat([5 * one, 0 * one]),
        "self_attn.k_proj": torch.cat([0 * one, 2 * one]),
        "self_attn.v_proj": torch.cat([0 * one, 1 * one]),
        "self_attn.o_proj": torch.cat([1 * one, 4 * one], 1),
    }
    trace = prune_groups(layer, "heads", scores, 0.5)
    assert trace.scores.tolist() == [24, 28] and trace.kept.tolist() == [False, True]
    scores = {
        "mlp.gate_proj": torch.tensor([[1.0, 1], [4, 0], [2, 2]]),
        "mlp.up_proj": torch.tensor([[1.0, 1], [0, 0], [2, 2]]),
        "mlp.down_proj": torch.tensor([[3.0, 0, 0], [0, 0, 1]]),
    }
    trace = prune_groups(layer, "units", scores, 1 / 3)
    assert trace.scores.tolist() == [7, 4, 9] and trace.kept.tolist() == [True, False, True]
    assert trace.masks["mlp.down_proj"].tolist() == [[True, False, True]] * 2


def test_magnitude_heads_are_cut_where_wandas_inputs_do_not_matter():
    model = llama()
    _, magnitude = pruned(model, "magnitude", 0.5, "heads")
    _, wanda = pruned(model, "wanda", 0.5, "heads", batches())
    for traces in (magnitude, wanda):
        for layer in range(3):
            v, o = (traces[f"model.layers.{layer}.self_attn.{x}_proj"].mask for x in "vo")
            assert torch.equal(v.all(1), o.all(0)) and v.all(1).sum() == 16
            assert traces[f"model.layers.{layer}.self_attn.v_proj"].pattern == "heads"
    name = "model.layers.1.mlp.down_proj"
    _, units = pruned(model, "wanda", 0.25, "units", batches())
    X = _reads(pruned(model, "wanda", {0: 0.25}, "units", batches())[0], name)
    torch.testing.assert_close(
        units[name].scores,
        model.get_submodule(name).weight.abs() * X.square().sum(0).sqrt(),
        rtol=1e-4,
        atol=1e-6,
    )
    assert not units[name].next_cut(50.0).any() and units[name].mask.all(0).sum() == 30


CASES = {
    "plain": lambda: llama(),
    "shared": lambda: llama(6, 3, attention_bias=True, mlp_bias=True),
    "eager": lambda: llama(4, 2, attn_implementation="eager"),
    "qwen": qwen,
    "qwen2": qwen2,
}


@pytest.mark.parametrize("case", CASES)
def test_the_smaller_model_computes_what_the_masked_one_does(case):
    model = CASES[case]()
    groups = model.config.num_key_value_heads
    masked = copy.deepcopy(model)
    for n, (heads, units) in enumerate(((0.0, 0.5), (1 / groups, 0.25), (1.0, 1.0))):
        for pattern, sparsity in (("heads", heads), ("units", units)):
            list(prune_model(masked, "random", {n: sparsity}, pattern, seed=n))
    heads, units = survivors(masked, "heads"), survivors(masked, "units")
    assert [int(h.sum()) for h in heads] == [groups, groups - 1, 0]
    assert [int(u.sum()) for u in units] == [20, 30, 0]
    before = copy.deepcopy(masked.state_dict())
    for source in (masked, model):  # what is removed may still have weights
        small = remove(source, heads, units)
        torch.testing.assert_close(small(ids()).logits, masked(ids()).logits, rtol=0, atol=1e-4)
    assert (small(ids()).logits - model(ids()).logits).abs().max() > 0.01

    layer, dim = small.model.layers, model.model.layers[0].self_attn.head_dim
    share = model.config.num_attention_heads // groups
    assert layer[1].self_attn.q_proj.weight.shape == ((groups - 1) * share * dim, 48)
    assert layer[1].self_attn.v_proj.weight.shape == ((groups - 1) * dim, 48)
    assert layer[1].self_attn.o_proj.weight.shape == (48, (groups - 1) * share * dim)
    assert layer[2].self_attn.k_proj.weight.shape == (dim, 48)  # one head of zeros
    assert layer[0].mlp.up_proj.weight.shape == (20, 48) and layer[0].mlp.down_proj.in_features == 20
    assert layer[2].mlp.gate_proj.weight.shape == (1, 48)
    assert all(torch.equal(t, before[name]) for name, t in masked.state_dict().items())

    prompt = ids(2, 6, seed=9)
    options = {"max_new_tokens": 12, "do_sample": False}
    want = masked.generate(prompt, use_cache=False, **options)
    assert torch.equal(small.generate(prompt, use_cache=True, **options), want)
    assert torch.equal(small.generate(prompt, use_cache=False, **options), want)
    kept = DynamicCache()
    small(prompt[:, :5], cache=kept)
    step = small(prompt[:, 5:], cache=kept).logits
    torch.testing.assert_close(step, masked(prompt).logits[:, 5:], rtol=0, atol=1e-4)


def test_the_pocket_target_is_really_smaller(pocket):
    masked = copy.deepcopy(pocket)
    list(prune_model(masked, "magnitude", {0: 0.25, 3: 0.75}, "heads"))
    list(prune_model(masked, "magnitude", 0.4, "units"))
    small = remove(pocket, survivors(masked, "heads"), survivors(masked, "units"))
    text = load_file(TEXT)["held_out"][:2, :64].long()
    torch.testing.assert_close(small(text).logits, masked(text).logits, rtol=0, atol=1e-4)
    gone = 4 * 64 * 4 * 256 + 6 * round(0.4 * 688) * 3 * 256
    size = sum(p.numel() for p in pocket.parameters())
    assert sum(p.numel() for p in small.parameters()) == size - gone
    options = {"max_new_tokens": 20, "do_sample": False, "use_cache": True}
    assert torch.equal(small.generate(text[:1, :8], **options), masked.generate(text[:1, :8], **options))
    assert small.lm_head.weight is small.model.embed_tokens.weight  # still tied
    assert small.config.intermediate_size == 688  # the layers differ: no config can say it
    rest = [torch.zeros(len(h), dtype=torch.bool) for h in survivors(small, "heads")]
    none = [torch.zeros(len(u), dtype=torch.bool) for u in survivors(small, "units")]
    bare = remove(
        remove(small, rest, none),
        [torch.zeros(1, dtype=torch.bool)] * 6,
        [torch.zeros(1, dtype=torch.bool)] * 6,
    )
    torch.testing.assert_close(
        bare(text).logits, bare.lm_head(bare.model.norm(bare.model.embed_tokens(text)))
    )
    again = remove(small, survivors(small, "heads"), survivors(small, "units"))
    assert torch.equal(again(text).logits, small(text).logits)


@pytest.mark.parametrize("make", [lambda: llama(6, 3), qwen2], ids=["llama", "qwen2"])
def test_a_copy_of_equal_layers_can_be_saved_and_loaded(tmp_path, make):
    model = make()
    heads, units = [torch.tensor([True, False, True])] * 3, [torch.arange(40) % 4 > 0] * 3
    small = remove(model, heads, units)
    small.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(ids()).logits, small(ids()).logits, rtol=0, atol=1e-6)
    config = loaded.config
    assert (config.num_attention_heads, config.num_key_value_heads, config.intermediate_size) == (4, 2, 30)
    assert model.config.num_attention_heads == 6


def test_a_group_with_some_weights_survives():
    model = llama()
    list(prune_model(model, "random", 0.6))
    assert all(h.all() for h in survivors(model, "heads"))
    model.model.layers[1].mlp.down_proj.weight[:, 3] = 0
    assert [int((~u).sum()) for u in survivors(model, "units")] == [0, 1, 0]


def test_structure_refuses():
    model = llama()
    all_heads, all_units = [torch.ones(4, dtype=torch.bool)] * 3, [torch.ones(40, dtype=torch.bool)] * 3
    for call, sentence in (
        (
            lambda: count(model.model.layers[0], "layers"),
            "The structure must be one of heads, units; got layers.",
        ),
        (
            lambda: survivors(gpt2(), "units"),
            "units are found in layers like Llama's; GPT2Block has no mlp.gate_proj.",
        ),
        (
            lambda: remove(model, all_heads[:2], all_units),
            "heads were expected for [4, 4, 4], layer by layer; got [4, 4].",
        ),
        (
            lambda: remove(model, all_heads, [*all_units[:2], torch.ones(39, dtype=torch.bool)]),
            "units were expected for [40, 40, 40], layer by layer; got [40, 40, 39].",
        ),
        (
            lambda: prune_groups(model.model.layers[0], "heads", {}, -0.5),
            "Sparsity must lie between 0 and 1; got -0.5.",
        ),
    ):
        with pytest.raises(ValueError) as refusal:
            call()
        assert str(refusal.value) == sentence


# --- what is stored

FORMATS = {"dense": dense, "CSR": csr, "bitmask": bitmask, "2:4": two_of_four}


def sparse(rows: int = 7, columns: int = 12, pattern: str = "2:4") -> torch.Tensor:
    W = torch.randn(rows, columns, generator=torch.Generator().manual_seed(3))
    return prune(W, "random", 0.5, pattern).pruned


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_back_the_matrix(name, dtype):
    for W in (
        sparse(),
        sparse(1, 4),
        torch.zeros(3, 4),
        sparse(33, 132),
        sparse() * (torch.rand(7, 12) > 0.5),
    ):
        stored = FORMATS[name](W, dtype)
        back = restore(stored)
        assert back.dtype == dtype and torch.equal(back, W.to(dtype))
        assert stored.format == name and stored.nbytes == sum(t.nbytes for t in stored.tensors.values())
    if name != "2:4":
        for W in (torch.tensor([[2.5]]), torch.zeros(1, 1), torch.randn(5, 7), torch.ones(3, 9)):
            assert torch.equal(restore(FORMATS[name](W, dtype)), W.to(dtype))


def test_bytes_by_hand():
    W = sparse(8, 16)  # 128 weights, 64 of them 0
    f16, f32 = torch.float16, torch.float32
    assert dense(W, f32).nbytes == 512 and dense(W, f16).nbytes == 256
    assert csr(W, f32).nbytes == 64 * (4 + 4) + 9 * 4 and csr(W, f16).nbytes == 64 * (2 + 4) + 9 * 4
    assert bitmask(W, f32).nbytes == 64 * 4 + 16 and bitmask(W, f16).nbytes == 64 * 2 + 16
    assert two_of_four(W, f32).nbytes == 64 * 4 + 16 and two_of_four(W, f16).nbytes == 64 * 2 + 16
    # 15 weights: 2 bytes of bits; 3 groups of 2 places of 2 bits: 2 bytes.
    assert bitmask(torch.ones(3, 5)).nbytes == 15 * 4 + 2
    assert two_of_four(torch.tensor([[0.0, 1, 0, 2] * 3])).nbytes == 6 * 4 + 2


def test_csr_by_hand():
    stored = csr(torch.tensor([[0.0, 3, 0], [0, 0, 0], [1, 0, 2]]))
    assert {name: t.tolist() for name, t in stored.tensors.items()} == {
        "values": [3, 1, 2], "columns": [1, 0, 2], "rows": [0, 1, 1, 3],
    }  # fmt: skip
    assert stored.tensors["rows"].dtype == stored.tensors["columns"].dtype == torch.int32


def test_two_of_four_by_hand():
    stored = two_of_four(torch.tensor([[0.0, 7, 0, 5, 0, 0, 3, 0]]))
    assert stored.tensors["values"].tolist() == [[7, 5, 0, 3]]
    # Places 1 and 3, then 0 and 2 for a zero and the lone weight, in order.
    assert stored.tensors["places"].tolist() == [1 + 3 * 4 + 0 * 16 + 2 * 64]


def test_two_of_four_equals_torchs_own_compression():
    W = prune(torch.randn(32, 128), "magnitude", 0.5, "2:4").pruned.half()
    values, places = sparse_semi_structured_from_dense_cutlass(W)
    stored = two_of_four(W, torch.float16)
    assert torch.equal(stored.tensors["values"], values)
    # torch's words of 16 bits stand in the order its kernel reads them.
    ours = stored.tensors["places"].view(torch.int16).sort().values
    assert torch.equal(ours, places.flatten().sort().values)


def test_bits_equal_numpys():
    W = sparse(5, 21, "unstructured")
    want = np.packbits((W != 0).numpy().flatten(), bitorder="little")
    assert bitmask(W).tensors["bits"].tolist() == want.tolist()
    assert torch.equal(bitmask(W).tensors["values"], W[W != 0])


def test_csr_equals_torchs():
    W = sparse(9, 20, "unstructured")
    theirs, ours = W.to_sparse_csr(), csr(W).tensors
    assert ours["rows"].tolist() == theirs.crow_indices().tolist()
    assert ours["columns"].tolist() == theirs.col_indices().tolist()
    assert torch.equal(ours["values"], theirs.values())


def test_storage_refuses():
    for W, store, sentence in (
        (torch.ones(2, 6), two_of_four, "2:4 needs rows of a multiple of 4 weights; got 6."),
        (
            torch.tensor([[0.0] * 8, [0.0, 0, 1, 1, 1, 0, 2, 3]]),
            two_of_four,
            "2:4 holds 2 weights of every 4; row 1 has 3 in columns 4 to 7.",
        ),
        (
            torch.tensor([[70000.0, 0, 1, 0]]),
            lambda W: csr(W, torch.float16),
            "torch.float16 holds up to 65504; the largest weight is 70000.",
        ),
    ):
        with pytest.raises(ValueError) as refusal:
            store(W)
        assert str(refusal.value) == sentence


# --- what a product takes


@pytest.mark.parametrize("n", [1, 5])
def test_both_products_are_the_product(monkeypatch, n):
    calls = {}

    def keep(given, seconds):
        calls.update(given)
        return dict.fromkeys(given, 1.0)

    monkeypatch.setattr(storage, "median_ms", keep)
    W, X = sparse(9, 20, "unstructured"), torch.randn(n, 20)
    assert list(time_products(W, X)) == ["dense", "CSR"]
    for call in calls.values():
        torch.testing.assert_close(call(), torch.einsum("oi,ni->no", W, X))


def test_times_are_medians_taken_in_turns(monkeypatch):
    clock, order = [0.0], []
    costs = {
        "a": iter([9.0, 0.001, 0.002, 5.0] + [0.002] * 99),
        "b": iter([9.0, 0.004, 0.003, 0.003] + [0.003] * 99),
    }

    def call(name):
        def run():
            order.append(name)
            clock[0] += next(costs[name])

        return run

    monkeypatch.setattr(storage.time, "perf_counter", lambda: clock[0])
    got = median_ms({name: call(name) for name in costs}, 0.0)
    assert order == ["a", "b"] * 4  # the first round is not counted
    assert got == {"a": pytest.approx(2), "b": pytest.approx(3)}


def test_time_is_measured():
    W = prune(torch.randn(256, 256), "magnitude", 0.9).pruned
    times = time_products(W, torch.randn(1, 256), 0.02)
    assert all(0 < ms < 100 for ms in times.values())
