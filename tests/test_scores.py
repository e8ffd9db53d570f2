"""Perplexity and divergence against transformers' own loss and torch's own divergence."""

import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence
from transformers import LlamaConfig, LlamaForCausalLM

from demos.kit.scores import Score, score


def tiny(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        initializer_range=0.3,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


IDS = torch.randint(0, 50, (7, 23), generator=torch.Generator().manual_seed(5))


def test_losses_are_transformers():
    changed, full = tiny(0), tiny(1)
    *_, last = score(changed, full, IDS, at_once=3)
    with torch.no_grad():
        assert last.loss == pytest.approx(float(changed(input_ids=IDS, labels=IDS).loss), rel=1e-5)
        assert last.full_loss == pytest.approx(float(full(input_ids=IDS, labels=IDS).loss), rel=1e-5)
    assert last.perplexity == pytest.approx(math.exp(last.loss))
    assert last.full_perplexity == pytest.approx(math.exp(last.full_loss))
    assert last.tokens == 7 * 22


def test_divergence_is_torchs_and_has_a_direction():
    changed, full = tiny(0), tiny(1)
    *_, last = score(changed, full, IDS)
    with torch.no_grad():
        p, q = (Categorical(logits=m(input_ids=IDS).logits[:, :-1].double()) for m in (full, changed))
    assert last.divergence == pytest.approx(float(kl_divergence(p, q).mean()), rel=1e-4)
    assert last.divergence != pytest.approx(float(kl_divergence(q, p).mean()), rel=1e-2)
    same = (p.probs.argmax(-1) == q.probs.argmax(-1)).double().mean()
    assert last.same == pytest.approx(float(same))


def test_a_model_is_not_far_from_itself():
    model = tiny(0)
    *_, last = score(model, model, IDS)
    assert last.divergence == 0 and last.same == 1 and last.loss == last.full_loss


def test_the_score_so_far_is_that_of_the_sequences_read():
    changed, full = tiny(0), tiny(1)
    states = list(score(changed, full, IDS, at_once=3))
    assert [state.tokens for state in states] == [66, 132, 154]
    *_, alone = score(changed, full, IDS[:3])
    assert states[0].loss == pytest.approx(alone.loss) and states[0].same == pytest.approx(alone.same)


def test_a_stop_comes_before_the_pass():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(score(tiny(0), tiny(0), IDS, before_pass=stop))


def test_one_token_foretells_nothing():
    with pytest.raises(ValueError, match="at least 2 tokens; got 1"):
        next(score(tiny(0), tiny(0), IDS[:, :1]))


def test_a_loss_beyond_all_numbers_is_an_infinite_perplexity():
    assert Score(1, 800.0, 1.0, 1.0, 0.0).perplexity == math.inf
