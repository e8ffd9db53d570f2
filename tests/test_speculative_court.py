"""The court: each rule's samples against the law it follows in closed form, and the verdicts."""

import pytest
import torch

from demos.speculative_decoding import court
from demos.speculative_decoding.algorithm import residual
from demos.speculative_decoding.court import EXACT, MATCH, PAIRS, RULES, SIGMAS, distance, hear, judge, noise
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
    tokens, ok = judge(rule, p, q, drawn, N, torch.Generator().manual_seed(1))
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
    mean, high = noise(p, 5000, g)
    counts = torch.distributions.Multinomial(5000, p).sample((400,))
    distances = (counts / 5000 - p).abs().sum(1) / 2
    assert mean == pytest.approx(float(distances.mean()), rel=0.05)
    assert high == pytest.approx(float(distances.mean() + SIGMAS * distances.std()), rel=0.08)
    assert float((distances > high).float().mean()) < 0.01


@pytest.mark.parametrize("pair", [(TARGET, DRAFT), (WIDE, NARROW)], ids=["same", "padded"])
def test_the_right_rules_stay_in_the_band_and_the_wrong_ones_leave_it(pair):
    # Another temperature than 1, or the rule about temperature would be the right one.
    *_, last = hear(*pair, prompt(4), sampling=Sampling(0.7), samples=30_000, seed=1)
    assert last.samples == 30_000
    assert {rule: last.lossless(rule) for rule in RULES} == {r: r in (EXACT, MATCH) for r in RULES}
    accepted = {rule: said.acceptance for rule, said in last.verdicts.items()}
    assert accepted[MATCH] < accepted[EXACT] < accepted["always accept"] == 1


def test_the_distances_are_those_of_the_samples(monkeypatch):
    """The tokens that the rule gave, counted one by one, beside the target's joint law by transformers."""
    given = []
    monkeypatch.setattr(court, "judge", lambda *a: given.append(judge(*a)) or given[-1])
    (only,) = hear(TARGET, DRAFT, prompt(4), sampling=Sampling(), samples=400, seed=0, rules=(EXACT,))
    first, second = given[0][0].sort().values, torch.cat([tokens for tokens, _ in given[1:]])
    seen, law = torch.zeros(24, 24), torch.zeros(24, 24)
    for x, y in zip(first.tolist(), second.tolist(), strict=True):
        seen[x, y] += 1 / 400
    with torch.inference_mode():
        p1 = TARGET(input_ids=prompt(4)).logits[0, -1].softmax(-1)
        for x in range(24):
            after = torch.cat([prompt(4), torch.tensor([[x]])], dim=1)
            law[x] = p1[x] * TARGET(input_ids=after).logits[0, -1].softmax(-1)
    assert only.verdicts[EXACT].first == pytest.approx(distance(seen.sum(1), p1), abs=1e-5)
    at = torch.zeros(24 * 24, dtype=torch.bool).index_fill(0, law.flatten().topk(PAIRS).indices, True)
    lumped = [torch.cat([x.flatten()[at], x.flatten()[~at].sum()[None]]) for x in (seen, law)]
    assert only.verdicts[EXACT].pair == pytest.approx(distance(*lumped), abs=1e-5)
    stayed = sum(int(ok.sum()) for _, ok in given)
    assert only.verdicts[EXACT].acceptance == pytest.approx(stayed / 800)


def test_verdicts_come_as_samples_grow_and_the_noise_sinks():
    said = list(hear(TARGET, DRAFT, prompt(4), sampling=Sampling(), samples=9000, seed=0))
    assert [v.samples for v in said] == [500, 1000, 2000, 5000, 9000]
    assert said[-1].first_noise[0] < said[0].first_noise[0]


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="got flip a coin"):
        judge("flip a coin", *laws(), 10, None)
