"""The court: each rule's samples against the law it follows in closed form, and the verdicts."""

import pytest
import torch

from demos.speculative_decoding.algorithm import residual
from demos.speculative_decoding.court import EXACT, MATCH, RULES, distance, hear, judge, noise
from demos.speculative_decoding.sampling import Sampling
from tests.test_speculative_algorithm import (  # noqa: F401
    DRAFT,
    NARROW,
    TARGET,
    WIDE,
    one_thread,
    p_value,
    prompt,
)

N = 40_000


def laws(seed: int = 0, v: int = 12):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, v, generator=g) * 1.2
    p, q, _ = logits.softmax(-1)
    return p, q, (logits[1] * 0.5).softmax(-1)


def closed_form(rule, p, q, drawn) -> torch.Tensor:
    kept = torch.minimum(torch.ones(()), p / q)
    best = torch.nn.functional.one_hot(q.argmax(), len(q)).float()
    after = {
        EXACT: q * kept + (1 - (q * kept).sum()) * residual(p, q),
        "resample from p": q * kept + (1 - (q * kept).sum()) * p,
        "argmax draft": best * kept + (1 - (best * kept).sum()) * residual(p, q),
        "temperature on one side": drawn * kept + (1 - (drawn * kept).sum()) * residual(p, q),
        "always accept": q,
        MATCH: p,
    }
    return after[rule]


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_follows_its_law_in_closed_form(rule):
    p, q, drawn = laws()
    rows = (law.expand(N, -1) for law in (p, q, drawn))
    tokens, ok = judge(rule, *rows, torch.Generator().manual_seed(1))
    expected = closed_form(rule, p, q, drawn)
    seen = torch.bincount(tokens, minlength=len(p))
    assert p_value(seen.float(), expected) > 1e-3
    if rule in (EXACT, MATCH):
        torch.testing.assert_close(expected, p, atol=1e-6, rtol=1e-5)
        share = float(torch.minimum(p, q).sum() if rule == EXACT else (p * q).sum())
        assert float(ok.float().mean()) == pytest.approx(share, abs=4 * (share / N) ** 0.5)
    else:
        assert distance(expected, p) > 0.02


def test_noise_is_what_multinomial_samples_do():
    p, _, _ = laws(v=50)
    g = torch.Generator().manual_seed(2)
    median, high = noise(p, 5000, g)
    counts = torch.distributions.Multinomial(5000, p).sample((400,))
    distances = (counts / 5000 - p).abs().sum(1) / 2
    assert median == pytest.approx(float(distances.median()), rel=0.08)
    assert high == pytest.approx(float(distances.quantile(0.99)), rel=0.12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pair", [(TARGET, DRAFT), (WIDE, NARROW)], ids=["same", "padded"])
def test_the_right_rules_stay_in_the_band_and_the_wrong_ones_leave_it(rule, pair):
    # Another temperature than 1, or the rule about temperature would be the right one.
    options = {"sampling": Sampling(0.7), "samples": 30_000, "seed": 0, "batch": 15_000}
    *_, last = hear(*pair, prompt(4), rule=rule, **options)
    assert last.samples == 30_000
    assert last.lossless == (rule in (EXACT, MATCH))


def test_exact_match_accepts_less():
    options = {"sampling": Sampling(1.0), "samples": 10_000, "seed": 0}
    accepted = {
        rule: list(hear(TARGET, DRAFT, prompt(4), rule=rule, **options))[-1].acceptance for rule in RULES
    }
    assert accepted[MATCH] < accepted[EXACT] < accepted["always accept"] == 1


def test_verdicts_come_as_samples_grow_and_the_floor_sinks():
    verdicts = list(
        hear(TARGET, DRAFT, prompt(4), rule=EXACT, sampling=Sampling(), samples=9000, seed=0, batch=4000)
    )
    assert [v.samples for v in verdicts] == [4000, 8000, 9000]
    assert verdicts[-1].first_floor[0] < verdicts[0].first_floor[0]


def test_an_unknown_rule_is_refused():
    p, q, drawn = (law[None] for law in laws())
    with pytest.raises(ValueError, match="got flip a coin"):
        judge("flip a coin", p, q, drawn, None)
