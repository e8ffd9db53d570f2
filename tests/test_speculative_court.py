"""The court: each rule's samples against the law it follows in closed form, and the verdicts."""

import pytest
import torch

from demos.kit.sampling import Sampling
from demos.speculative_decoding import court
from demos.speculative_decoding.algorithm import residual
from demos.speculative_decoding.court import EXACT, MATCH, RULES, SIGMAS, TOLD, distance, hear, judge, noise
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
    # The same test against the target's law passes the two right rules and rejects the others.
    assert (p_value(seen.float(), p) > 1e-3) == (rule in (EXACT, MATCH))
    if rule in (EXACT, MATCH):
        torch.testing.assert_close(expected, p, atol=1e-6, rtol=1e-5)
        share = float(torch.minimum(p, q).sum() if rule == EXACT else (p * q).sum())
        assert float(ok.float().mean()) == pytest.approx(share, abs=4 * (share / N) ** 0.5)
    else:
        assert distance(expected, p) > 0.02


@pytest.mark.parametrize("law", [laws(v=50)[0], torch.tensor([0.5, 0.5]), torch.tensor([0.97, 0.02, 0.01])])
def test_noise_is_what_multinomial_samples_do(law):
    mean, high = noise(law, 5000, torch.Generator().manual_seed(2), trials=2000)
    counts = torch.distributions.Multinomial(5000, law).sample((4000,))
    distances = (counts / 5000 - law).abs().sum(1) / 2
    assert mean == pytest.approx(float(distances.mean()), rel=0.06)
    assert high == pytest.approx(float(distances.mean() + SIGMAS * distances.std()), rel=0.08)
    assert float((distances > high).float().mean()) < 0.001


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
    monkeypatch.setattr(court, "judge", lambda *a: given.append((a, judge(*a))) or given[-1][1])
    (only,) = hear(TARGET, DRAFT, prompt(4), sampling=Sampling(), samples=400, seed=0, rules=(EXACT,))
    seen, law, after = torch.zeros(24, 24), torch.zeros(24, 24), []
    with torch.inference_mode():
        p1 = TARGET(input_ids=prompt(4)).logits[0, -1].softmax(-1)
        for x in range(24):
            ids = torch.cat([prompt(4), torch.tensor([[x]])], dim=1)
            after.append(TARGET(input_ids=ids).logits[0, -1].softmax(-1))
            law[x] = p1[x] * after[x]
    first, stayed = given[0][1]
    shares = torch.bincount(first, minlength=24) / 400
    assert only.verdicts[EXACT].first == pytest.approx(distance(shares, p1), abs=1e-5)
    assert only.verdicts[EXACT].acceptance == pytest.approx(int(stayed.sum()) / 400)
    at = torch.zeros(24 * 24, dtype=torch.bool).index_fill(0, law.flatten().topk(TOLD).indices, True)
    seen[:, 0] = shares  # but where a second token was drawn, none of its pairs is told apart
    for (_, p, *_), (tokens, _) in given[1:]:
        (x,) = (x for x in range(24) if torch.allclose(p, after[x], atol=1e-5))
        assert len(tokens) == int((first == x).sum())
        seen[x] = torch.bincount(tokens, minlength=24) / 400
    lumped = [torch.cat([x.flatten()[at], x.flatten()[~at].sum()[None]]) for x in (seen, law)]
    assert only.verdicts[EXACT].pair == pytest.approx(distance(*lumped), abs=1e-5)


def test_verdicts_come_as_samples_grow_and_the_noise_sinks():
    said = list(hear(TARGET, DRAFT, prompt(4), sampling=Sampling(), samples=9000, seed=0))
    assert [v.samples for v in said] == [500, 1000, 2000, 5000, 9000]
    assert said[-1].first_noise[0] < said[0].first_noise[0]


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="got flip a coin"):
        judge("flip a coin", *laws(), 10, None)
