"""Two texts with the same draws, against transformers' own generation and whole passes of both models."""

import copy

import pytest
import torch

from demos.kit.blocks import matrices, weight_of
from demos.kit.comparing import parting_words, reading_value
from demos.kit.models import load
from demos.kit.pairs import SHOWN, Pair, Parting, continue_both
from demos.kit.sampling import Sampling
from demos.kit.zoo import MODELS

GREEDY = Sampling(0.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def full():
    with load(MODELS["fairy-draft"]) as loaded:
        yield loaded.model


@pytest.fixture(scope="module")
def changed(full):
    """The same with a little noise in its matrices, so that the texts part after some tokens."""
    model, noise = copy.deepcopy(full), torch.Generator().manual_seed(4)
    for matrix in matrices(model):
        weight = weight_of(model.get_submodule(matrix.name))
        weight += 0.05 * weight.std() * torch.randn(weight.shape, generator=noise)
    return model


@pytest.fixture(scope="module")
def prompt():
    with load(MODELS["fairy-draft"]) as loaded:
        return loaded.reader("Once upon a time there was a king who", return_tensors="pt")["input_ids"]


def last(full, changed, ids, n=40, sampling=GREEDY, seed=1, **more) -> Pair:
    *_, pair = continue_both(full, changed, ids, max_new_tokens=n, sampling=sampling, seed=seed, **more)
    return pair


def tokens(side):
    return [token for token, _ in side]


def laws(model, ids, new):
    """The law of each of the new tokens, from one whole pass, [n, V]."""
    whole = torch.cat([ids, torch.tensor([new])], dim=1)
    with torch.no_grad():
        return model(input_ids=whole).logits[0, ids.shape[1] - 1 : -1].softmax(-1)


def test_greedy_texts_are_transformers_own(full, changed, prompt):
    pair = last(full, changed, prompt)
    for model, side in ((full, pair.full), (changed, pair.changed)):
        want = model.generate(prompt, do_sample=False, max_new_tokens=40)[0, prompt.shape[1] :]
        assert tokens(side) == want.tolist()
    assert pair.done and pair.parting is not None


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(0.9), Sampling(1.3, top_k=30)])
def test_each_tokens_probability_is_its_own_models_before_any_temperature(full, changed, prompt, sampling):
    pair = last(full, changed, prompt, 24, sampling, seed=5)
    for model, side in ((full, pair.full), (changed, pair.changed)):
        p = laws(model, prompt, tokens(side))
        want = p[torch.arange(len(side)), torch.tensor(tokens(side))]
        assert [q for _, q in side] == pytest.approx(want.tolist(), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("temperature, seed", [(0.0, 1), (0.8, 2), (1.2, 3)])
def test_the_parting_has_both_laws_of_the_common_prefix(full, changed, prompt, temperature, seed):
    pair = last(full, changed, prompt, 40, Sampling(temperature), seed)
    one, other = tokens(pair.full), tokens(pair.changed)
    at = next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    parting = pair.parting
    assert parting.index == at and parting.taken == (one[at], other[at])
    p, q = (laws(model, prompt, [*one[:at], 0])[-1] for model in (full, changed))
    assert list(parting.p) == pytest.approx(p[list(parting.tokens)].tolist(), rel=1e-3, abs=1e-6)
    assert list(parting.q) == pytest.approx(q[list(parting.tokens)].tolist(), rel=1e-3, abs=1e-6)
    want = {*p.topk(SHOWN).indices.tolist(), *q.topk(SHOWN).indices.tolist(), one[at], other[at]}
    assert set(parting.tokens) == want and len(parting.tokens) == len(want)
    assert list(parting.p) == sorted(parting.p, reverse=True)


def test_the_same_model_twice_never_parts(full, prompt):
    for temperature in (0.0, 1.0, 1.5):
        pair = last(full, full, prompt, 30, Sampling(temperature), seed=7)
        assert pair.full == pair.changed and pair.parting is None and len(pair.full) == 30


def test_the_draws_are_those_of_the_seed(full, changed, prompt):
    """Each token is the one in whose interval of its law the seed's next number falls."""
    for seed in (1, 2):
        pair = last(full, changed, prompt, 12, Sampling(1.0), seed)
        random = torch.Generator().manual_seed(seed)
        numbers = [float(torch.rand((), generator=random, dtype=torch.float64)) for _ in range(12)]
        for model, side in ((full, pair.full), (changed, pair.changed)):
            cumulative = laws(model, prompt, tokens(side)).double().cumsum(-1)
            for u, token, up_to in zip(numbers, tokens(side), cumulative, strict=True):
                low = float(up_to[token - 1]) if token else 0.0
                assert low - 1e-5 <= u <= float(up_to[token]) + 1e-5
    one, other = (last(full, changed, prompt, 12, Sampling(1.0), seed) for seed in (1, 2))
    assert one.full != other.full and one == last(full, changed, prompt, 12, Sampling(1.0), 1)


def test_texts_grow_a_token_of_each_at_a_time(full, changed, prompt):
    states = list(continue_both(full, changed, prompt, max_new_tokens=20, sampling=GREEDY, seed=1))
    assert [len(state.full) for state in states] == [*range(1, 21), 20]
    assert [len(state.changed) for state in states] == [*range(1, 21), 20]
    assert [state.done for state in states] == [False] * 20 + [True]
    for state in states:
        assert (state.parting is not None) == (
            state.full != () and tokens(state.full) != tokens(state.changed)
        )
    assert len({state.parting for state in states if state.parting}) == 1


def test_a_text_ends_at_its_end_token_and_the_other_goes_on(full, changed, prompt, monkeypatch):
    free = last(full, changed, prompt, 20)
    at = free.parting.index
    end = free.parting.taken[0]
    assert end not in tokens(free.full)[:at] and end not in tokens(free.changed)
    monkeypatch.setattr(full.generation_config, "eos_token_id", [end, 4095])
    pair = last(full, changed, prompt, 20)
    assert pair.full == free.full[: at + 1] and pair.changed == free.changed
    assert pair.parting == free.parting
    early = last(full, full, prompt, 20)
    assert len(early.full) == len(early.changed) == at + 1 and early.parting is None and early.done


def test_a_full_context_ends_both(full, changed):
    ids = torch.randint(5, 4000, (1, full.config.max_position_embeddings - 2))
    pair = last(full, changed, ids, 20)
    assert len(pair.full) == len(pair.changed) == 3


def test_stop_comes_before_a_pass(full, changed, prompt):
    passes = []

    def check():
        passes.append(1)
        if len(passes) > 6:
            raise KeyboardInterrupt

    grown = []
    with pytest.raises(KeyboardInterrupt):
        for pair in continue_both(
            full, changed, prompt, max_new_tokens=9, sampling=GREEDY, seed=1, before_pass=check
        ):
            grown.append(pair)
    assert len(grown) == 3  # two passes for each state


@pytest.mark.parametrize(
    "length, n, said",
    [(0, 5, "1 to 1024 tokens; got 0"), (1025, 5, "1 to 1024 tokens; got 1025"), (3, 0, "got 0")],
)
def test_what_cannot_be_continued_is_refused(full, changed, length, n, said):
    with pytest.raises(ValueError, match=said):
        last(full, changed, torch.ones(1, length, dtype=torch.long), n)


# The value of the component


class Both:
    def __init__(self, pair, prompt="A king"):
        self.pair, self.prompt = pair, prompt
        self.words = {n: f" w{n}" for n in range(20)}


PARTED = Pair(
    ((1, 0.5), (2, 0.25), (3, 0.1)),
    ((1, 0.4), (4, 0.3)),
    Parting(1, (2, 4, 9), (0.25, 0.2, 0.05), (0.1, 0.3, 0.15), (2, 4)),
    False,
)


def test_the_pictures_value_is_the_pair():
    value = reading_value(Both(PARTED), ("full", "few bits"))
    assert value["prompt"] == "A king" and value["parts"] == 1 and value["done"] is False
    assert value["sides"] == [
        {
            "name": "full",
            "tokens": [{"text": t, "p": p} for t, p in ((" w1", 0.5), (" w2", 0.25), (" w3", 0.1))],
        },
        {"name": "few bits", "tokens": [{"text": t, "p": p} for t, p in ((" w1", 0.4), (" w4", 0.3))]},
    ]
    laws = value["laws"]
    assert laws["after"] == " w1" and laws["taken"] == [" w2", " w4"]
    assert laws["rows"] == [
        {"token": word, "p": p}
        for word, p in ((" w2", [0.25, 0.1]), (" w4", [0.2, 0.3]), (" w9", [0.05, 0.15]))
    ]
    assert laws["rest"] == pytest.approx([0.5, 0.45])
    assert parting_words(Both(PARTED)) == (1, " w2", " w4")


def test_texts_that_have_not_parted_have_no_laws():
    pair = Pair(((1, 0.5),), ((1, 0.4),), None, True)
    value = reading_value(Both(pair), ("a", "b"))
    assert value["parts"] is None and value["laws"] is None and value["done"] is True
    assert parting_words(Both(pair)) is None


def test_the_words_before_a_parting_are_the_last_of_the_text_or_of_the_prompt():
    first = Pair(((1, 0.5),), ((2, 0.4),), Parting(0, (1, 2), (0.7, 0.3), (0.2, 0.81), (1, 2)), True)
    value = reading_value(Both(first, "x" * 50 + "end"), ("a", "b"))["laws"]
    assert value["after"] == "x" * 37 + "end"
    assert value["rest"] == pytest.approx([0, 0], abs=1e-9) and min(value["rest"]) >= 0
    long = Pair(
        tuple((n, 0.1) for n in range(12)), tuple((n, 0.1) for n in (*range(11), 15)),
        Parting(11, (11, 15), (0.5, 0.4), (0.4, 0.5), (11, 15)), True,
    )  # fmt: skip
    after = reading_value(Both(long), ("a", "b"))["laws"]["after"]
    assert after == "".join(f" w{n}" for n in range(3, 11))
