"""What the matrices of a model read, against plain hooks of torch, layer by layer and between threads."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from demos.kit.blocks import inputs_of, matrices, reading, stack, walk, weight_of
from demos.kit.models import load
from demos.kit.zoo import MODELS


def pocket(slug):
    with load(MODELS[slug]) as loaded:
        return loaded.model


def gpt2():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=60, n_positions=32, n_embd=24, n_layer=3, n_head=2, initializer_range=0.3)
    return GPT2LMHeadModel(config).eval().requires_grad_(False)


def words(vocabulary, rows=3, length=9, seed=0):
    return torch.randint(0, vocabulary, (rows, length), generator=torch.Generator().manual_seed(seed))


def inputs(slug):
    """A model and two batches of its inputs."""
    if slug == "cifar-vit":
        pictures = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        return pocket(slug), [{"pixel_values": pictures[:2]}, {"pixel_values": pictures[2:]}]
    model = gpt2() if slug == "gpt2" else pocket(slug)
    assert model.config.use_cache  # else nothing is shown about caches
    ids = words(model.config.vocab_size)
    return model, [{"input_ids": ids[:2]}, {"input_ids": ids[2:]}]


def by_hooks(model, batches):
    """Name of a linear map -> what it reads in whole passes, [n, in], by torch's hooks alone."""
    read, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D":
            handles.append(
                module.register_forward_hook(
                    lambda _, given, out, name=name: read.setdefault(name, []).append(given[0].clone())
                )
            )
    with torch.no_grad():
        for batch in batches:
            model(**batch)
    for handle in handles:
        handle.remove()
    return {name: torch.cat([x.flatten(0, -2) for x in xs]) for name, xs in read.items()}


KINDS = {
    "fairy-target": ("model.layers", 6, 7, {"self_attn.q_proj": (256, 256), "mlp.down_proj": (256, 688)}),
    "gpt2": ("transformer.h", 3, 4, {"attn.c_attn": (72, 24), "mlp.c_proj": (24, 96)}),
    "cifar-vit": (None, 6, 6, {}),
}


@pytest.mark.parametrize("slug", KINDS)
def test_the_matrices_are_the_linear_maps_of_the_layers(slug):
    model, _ = inputs(slug)
    prefix, layers, each, shapes = KINDS[slug]
    found = matrices(model)
    assert len(found) == layers * each and len({matrix.name for matrix in found}) == len(found)
    assert stack(model)[0] == (prefix or found[0].name.split(".0.")[0])
    for matrix in found:
        module = model.get_submodule(matrix.name)
        rows, columns = (
            module.weight.shape if isinstance(module, nn.Linear) else reversed(module.weight.shape)
        )
        assert (matrix.rows, matrix.columns) == (rows, columns) == tuple(weight_of(module).shape)
        assert matrix.name.endswith(f".{matrix.layer}.{matrix.kind}")
        assert shapes.get(matrix.kind, (rows, columns)) == (rows, columns)
    assert [m.layer for m in found] == sorted(m.layer for m in found)
    outside = {n for n, m in model.named_modules() if isinstance(m, nn.Linear)} - {m.name for m in found}
    assert outside <= {"lm_head", "classifier"}


def test_written_weights_are_the_models_own():
    model = gpt2()
    module = model.get_submodule("transformer.h.1.mlp.c_fc")
    before = module.weight.clone()
    weight_of(module)[5, 2] = 7.0
    assert float(module.weight[2, 5]) == 7.0 and (module.weight != before).sum() == 1


@pytest.mark.parametrize("slug", KINDS)
def test_what_is_read_equals_torchs_hooks(slug):
    model, batches = inputs(slug)
    want, found = by_hooks(model, batches), matrices(model)
    walked = {}
    for n, (layer, read) in enumerate(walk(model, batches)):
        assert layer == n and read.keys() == {m.name for m in found if m.layer == layer}
        walked |= read
    with reading({m.name: model.get_submodule(m.name) for m in found}) as read, torch.no_grad():
        for batch in batches:
            model(**batch)
    for matrix in found:
        name = matrix.name
        assert torch.equal(torch.cat(read[name]), want[name]) and len(read[name]) == len(batches)
        torch.testing.assert_close(walked[name], want[name], rtol=1e-4, atol=1e-4)
    for name in (found[0].name, found[-1].name, found[len(found) // 2].name):
        assert torch.equal(inputs_of(model, name, batches), want[name])
    assert all(not module._forward_pre_hooks for module in model.modules())  # nothing is left behind


@pytest.mark.parametrize("slug", KINDS)
def test_after_a_layer_was_changed_the_next_is_shown_what_it_really_reads(slug):
    model, batches = inputs(slug)
    model = copy.deepcopy(model)
    before = by_hooks(model, batches)
    walked = {}
    for layer, read in walk(model, batches):
        walked |= {name: x.clone() for name, x in read.items()}
        for name in read:
            weight_of(model.get_submodule(name)).mul_(1 + 0.1 * (layer + 1))
    after = by_hooks(model, batches)
    first = [m.name for m in matrices(model) if m.layer == 0]
    for name, x in walked.items():
        if name in first:  # shown before its own layer was changed
            torch.testing.assert_close(x, before[name], rtol=1e-4, atol=1e-4)
    # What enters a layer is made by the layers before it alone, which are all changed by then.
    entering = [m for m in matrices(model) if m.layer > 0 and m.kind == matrices(model)[0].kind]
    for matrix in entering:
        torch.testing.assert_close(walked[matrix.name], after[matrix.name], rtol=1e-3, atol=1e-3)
        assert not torch.allclose(after[matrix.name], before[matrix.name], rtol=1e-2, atol=1e-2)


def test_a_pass_goes_no_further_than_to_the_matrix():
    model, batches = inputs("gpt2")
    ran = []
    for n, layer in enumerate(model.transformer.h):
        layer.register_forward_pre_hook(lambda _, given, n=n: ran.append(n))
    inputs_of(model, "transformer.h.1.attn.c_attn", batches[:1])
    assert ran == [0, 1]


def test_two_threads_on_one_model_do_not_see_nor_end_each_others_passes():
    """One reads a matrix of layer 2, one of layer 0, one runs whole passes, all inside the model at once."""
    model = gpt2()
    jobs = {
        "deep": ("transformer.h.2.mlp.c_proj", words(60, rows=2, length=11, seed=1)),
        "shallow": ("transformer.h.0.attn.c_attn", words(60, rows=1, length=5, seed=2)),
        "whole": (None, words(60, rows=4, length=7, seed=3)),
        "kept": ("transformer.h.1.mlp.c_fc", words(60, rows=3, length=6, seed=4)),
    }
    alone = {}
    for job, (name, ids) in jobs.items():
        with torch.no_grad():
            alone[job] = (
                model(input_ids=ids).logits if name is None else inputs_of(model, name, [{"input_ids": ids}])
            )
    # All wait before the first layer until all hooks are set, so that each pass meets those of the others.
    meet = threading.Barrier(len(jobs))
    seen = set()

    def wait(*_):
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            meet.wait(30)

    model.transformer.wte.register_forward_pre_hook(wait)

    def run(job, name, ids):
        with torch.no_grad():
            if job == "whole":
                return model(input_ids=ids).logits
            if job == "kept":
                with reading({name: model.get_submodule(name)}) as read:
                    model(input_ids=ids)
                (x,) = read[name]
                return x
            return inputs_of(model, name, [{"input_ids": ids}])

    with ThreadPoolExecutor(len(jobs)) as pool:
        futures = {job: pool.submit(run, job, *given) for job, given in jobs.items()}
        got = {job: future.result(60) for job, future in futures.items()}
    for job, x in got.items():
        torch.testing.assert_close(x, alone[job], rtol=1e-5, atol=1e-5)


def test_a_model_without_layers_is_refused():
    with pytest.raises(ValueError, match="A stack of layers was expected; Linear has none."):
        stack(nn.Linear(2, 2))
    mixed = nn.ModuleDict({"a": nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])})
    with pytest.raises(ValueError, match="A stack of layers was expected; ModuleDict has none."):
        matrices(mixed)
