"""What the speculation page says and draws: numbers, words and pictures, against closed forms."""

import math
import random
import statistics
from dataclasses import replace

import pytest
import torch

from demos.kit.decoding import decode
from demos.kit.inputs import InputError
from demos.kit.sampling import Sampling
from demos.speculative_decoding import controls, figures, words
from demos.speculative_decoding.algorithm import SpeculationTrace, residual, speculate
from demos.speculative_decoding.controls import LOOKUP, ORACLE, POCKET_PAIR, Settings
from demos.speculative_decoding.court import EXACT, MATCH, RULES, hear
from demos.speculative_decoding.panels import COURT, PANELS, STAGES
from demos.speculative_decoding.race import Race, best_length, speedup, tokens_per_pass
from tests.test_speculative_algorithm import DRAFT, TARGET, one_thread, prompt  # noqa: F401

LAW = Sampling(1.0)
SETTINGS = Settings("x", POCKET_PAIR, controls.DRAFT, 4, 1.0, 0, 1.0, 3, 40)


def race(draft=DRAFT, k=4, sampling=LAW, n=40, seed=3) -> Race:
    ids, options = prompt(6), {"max_new_tokens": n, "sampling": sampling, "seed": seed}
    text = SpeculationTrace.of(speculate(TARGET, draft, ids, draft_length=k, **options))
    return Race(tuple(ids[0].tolist()), text, tuple(decode(TARGET, ids, **options)), k, True)


@pytest.fixture(scope="module")
def one() -> Race:
    return race()


WORDS = {token: f" w{token}" for token in range(24)}


@pytest.mark.parametrize(
    "alpha, K, speed",
    [(0.6, 2, 1.96), (0.7, 3, 2.53), (0.8, 2, 2.44), (0.8, 5, 3.69), (0.9, 2, 2.71), (0.9, 10, 6.86)],
)
def test_theory_gives_the_papers_table_1(alpha, K, speed):
    """Leviathan et al. (2023), table 1, where the draft costs nothing."""
    assert round(speedup(alpha, 0.0, K), 2) == speed
    assert tokens_per_pass(alpha, K) == pytest.approx((1 - alpha ** (K + 1)) / (1 - alpha), rel=1e-12)


def test_theory_agrees_with_blocks_played_by_chance():
    alpha, c, v, K, n = 0.7, 0.15, 1.4, 5, 40_000
    chance = random.Random(0)
    made = []
    for _ in range(n):
        length = 1
        while length <= K and chance.random() < alpha:
            length += 1
        made.append(length)
    error = statistics.stdev(made) / math.sqrt(n) / (K * c + v)
    assert abs(statistics.mean(made) / (K * c + v) - speedup(alpha, c, K, v)) < 4 * error


def test_best_length_is_the_best_and_follows_the_costs():
    for alpha, c, v in ((0.8, 0.1, 1.0), (0.5, 0.3, 1.3), (0.95, 0.02, 1.1)):
        best = best_length(alpha, c, v)
        assert all(speedup(alpha, c, K, v) <= speedup(alpha, c, best, v) for K in range(1, 9))
    assert best_length(0.5, 0.3, 1) < best_length(0.95, 0.01, 1)


def test_the_measured_letters_are_those_of_the_passes(one):
    costs = one.costs()
    blocks = [b for b in one.speculative.blocks[1:] if len(b.drafted) == 4]
    plain = statistics.median(s.target_pass.milliseconds for s in one.plain[1:])
    assert costs.alpha == one.speculative.acceptance
    assert costs.c == statistics.median(ms for b in blocks for ms in b.draft_milliseconds) / plain
    assert costs.v == statistics.median(b.target_milliseconds for b in blocks) / plain
    seconds = sum(s.milliseconds for s in one.plain) / 1000
    assert one.plain_rate == pytest.approx(len(one.plain) / seconds)
    assert one.passes_saved == len(one.speculative.tokens) - len(one.speculative.blocks)
    assert one.measured_speedup == pytest.approx(one.speculative_rate / one.plain_rate)
    assert race(n=1).costs() is None and "too short" in race(n=1).no_costs
    lookup = race(draft=None)
    assert lookup.costs() is None and "Prompt lookup" in lookup.no_costs
    passes = sum(ms for b in one.speculative.blocks for ms in (*b.draft_milliseconds, b.target_milliseconds))
    assert one.passes_milliseconds == pytest.approx(passes)


def test_the_view_holds_the_record(one):
    view = figures.race_view(one, "key", WORDS)
    assert [t for block in view["blocks"] for t in block["new"]] == list(one.speculative.tokens)
    assert [step["x"] for step in view["plain"]] == [s.token for s in one.plain]
    assert view["panels"] == {name: [p.title, p.x, p.y] for name, p in PANELS.items()}
    clock = 0.0
    for block, seen in zip(one.speculative.blocks, view["blocks"], strict=True):
        assert seen["t"] == pytest.approx(clock, rel=1e-5, abs=1e-9)
        clock += block.milliseconds
        states = [d["state"] for d in seen["drafted"]]
        expected = [*["accepted"] * block.accepted, "rejected", *["dropped"] * 4]
        assert states == expected[: len(block.drafted)]
        # The passes lie in their block, one after the other.
        ends = [at + ms for _, at, ms in seen["passes"]]
        starts = [at for _, at, _ in seen["passes"]]
        assert starts[0] >= seen["t"] - 1e-3 and ends[-1] <= clock + 1e-3
        assert all(end <= start + 1e-3 for end, start in zip(ends, starts[1:], strict=False))
        assert [who for who, *_ in seen["passes"]] == ["draft"] * len(block.drafted) + ["target"]


def test_the_bars_are_the_laws_and_the_residual_the_page_draws_is_right(one):
    """The page draws max(0, p - q) / (1 - overlap); transformers' laws give the same residual."""
    ids = prompt(6)
    for block, seen in zip(one.speculative.blocks, figures.race_view(one, "", WORDS)["blocks"], strict=True):
        for i, d in enumerate(seen["drafted"]):
            so_far = torch.cat([ids, torch.tensor([[x.token for x in block.drafted[:i]]]).long()], dim=1)
            with torch.inference_mode():
                p, q = (m(input_ids=so_far).logits[0, -1].softmax(-1) for m in (TARGET, DRAFT))
            assert d["x"] in [row[0] for row in d["laws"]]
            left = residual(p, q)
            *rows, (none, p_rest, q_rest) = d["laws"]
            assert none is None
            assert [p_rest, q_rest] == pytest.approx([1 - sum(r[k] for r in rows) for k in (1, 2)], abs=1e-4)
            for token, p_x, q_x in rows:
                assert [p_x, q_x] == pytest.approx([float(p[token]), float(q[token])], abs=2e-5)
                drawn = max(0.0, p_x - q_x) / (1 - d["overlap"])
                assert drawn == pytest.approx(float(left[token]), abs=2e-4)
            shown = {row[0] for row in rows}
            hidden = [max(float(p[t]), float(q[t])) for t in range(24) if t not in shown]
            least = min(max(row[1:]) for row in rows if row[0] != d["x"])
            assert max(hidden, default=0.0) <= least + 2e-5
        # The token after them, from the law that it was drawn from.
        so_far = torch.cat([ids, torch.tensor([block.new[:-1]]).long()], dim=1)
        with torch.inference_mode():
            p, q = (m(input_ids=so_far).logits[0, -1].softmax(-1) for m in (TARGET, DRAFT))
        law = residual(p, q) if block.kind == "resampled" else p
        for token, value in seen["law"][:-1]:
            assert value == pytest.approx(float(law[token]), abs=2e-4)
        assert seen["p"] == pytest.approx(float(law[block.last]), abs=2e-4)
        assert block.last in [token for token, _ in seen["law"]]
        ids = torch.cat([ids, torch.tensor([block.new])], dim=1)


def test_theory_view_is_the_curve(one):
    view, costs = figures.race_view(one, "", WORDS)["theory"], one.costs()
    for K, tokens, speed, paper in view["rows"]:
        expected = (1 - costs.alpha ** (K + 1)) / (1 - costs.alpha)
        assert tokens == pytest.approx(expected, rel=1e-5)
        assert speed == pytest.approx(expected / (K * costs.c + costs.v), rel=1e-5)
        assert paper == pytest.approx(expected / (K * costs.c + 1), rel=1e-5)
    assert view["best"] == max(view["rows"], key=lambda row: row[2])[0]
    assert view["measured"] == pytest.approx(one.measured_speedup, rel=1e-5)


def test_caption_and_formula_say_this_runs_numbers(one):
    said, costs = words.caption(one, SETTINGS), one.costs()
    blocks = one.speculative.blocks
    assert f"**{len(one.speculative.tokens)} tokens** in **{len(blocks)} passes**" in said
    accepted, judged = sum(b.accepted for b in blocks), sum(b.judged for b in blocks)
    assert f"{accepted} of {judged} judged drafts" in said
    assert f"**{one.measured_speedup:.2f} times**" in said
    formula = words.formula(one)
    assert rf"\alpha={costs.alpha:.3f}" in formula and f"{tokens_per_pass(costs.alpha, 4):.3f}" in formula
    assert f"measured: }}{one.measured_speedup:.2f}" in formula


@pytest.mark.parametrize("slow, said", [(9.0, "not enough to win"), (1.0, "outside the passes")])
def test_the_caption_says_why_speculation_loses(one, slow, said):
    """The same run as if its draft had been slow, or as if all had been slow but the passes."""
    blocks = [
        replace(
            b,
            draft_passes=tuple(replace(p, milliseconds=p.milliseconds * slow) for p in b.draft_passes),
            target_pass=replace(b.target_pass, milliseconds=one.costs().target),
            milliseconds=b.milliseconds * 1000,
        )
        for b in one.speculative.blocks
    ]
    quick = [
        replace(d, draft_passes=tuple(replace(p, milliseconds=1e-6) for p in d.draft_passes)) for d in blocks
    ]
    lost = replace(one, speculative=SpeculationTrace.of(blocks if slow > 1 else quick))
    costs = lost.costs()
    assert (lost.tokens_per_pass <= 4 * costs.c + costs.v) == (slow > 1)
    assert said in words.caption(lost, SETTINGS)
    assert f"K·c + v = {4 * costs.c + costs.v:.2f} plain passes" in words.caption(lost, SETTINGS)


def test_a_race_in_the_making_says_what_is_decided():
    whole = race()
    half = Race(whole.prompt, SpeculationTrace.of(whole.speculative.blocks[:3]), (), 4, False)
    assert "in **3 passes**" in words.caption(half, SETTINGS)
    assert words.formula(half) == "" and words.outcome(half, SETTINGS) == (None, "")
    assert words.stopped(half).endswith("Stopped.") and words.stopped(None).startswith("Stopped before")
    assert figures.race_view(half, "", WORDS)["theory"] == {"why": "The race is not over yet."}


def test_greedy_texts_are_the_same_and_the_caption_says_so():
    greedy = Settings("x", POCKET_PAIR, controls.DRAFT, 4, 0, 0, 1.0, 3, 40)
    assert "token for token" in words.caption(race(sampling=Sampling(0.0)), greedy)
    assert "their law is one" in words.caption(race(), SETTINGS)


def test_the_prediction_is_judged_by_the_oracles_run_alone():
    oracle = Settings("x", POCKET_PAIR, ORACLE, 4, 1.0, 0, 1.0, 3, 40)
    run = race(draft=TARGET)
    key, evidence = words.outcome(run, oracle)
    gain = run.measured_speedup
    assert key == ("none" if gain < 1.1 else "some" if gain < 3 else "all")
    assert f"{gain:.2f} times" in evidence and "32 of 32 drafted tokens were accepted" in evidence
    assert words.outcome(run, SETTINGS) == (None, "")


def test_prompt_lookup_says_how_often_it_found_something():
    run = race(draft=None)
    found = sum(bool(block.drafted) for block in run.speculative.blocks)
    lookup = Settings("x", POCKET_PAIR, LOOKUP, 4, 1.0, 0, 1.0, 3, 40)
    assert f"only {found} of {len(run.speculative.blocks)} blocks" in words.caption(run, lookup)
    assert {block.kind for block in run.speculative.blocks if not block.drafted} == {"target"}
    assert words.formula(run) == ""


def test_court_view_and_caption():
    hearings = list(hear(TARGET, DRAFT, prompt(4), sampling=Sampling(0.7), samples=3000, seed=0))
    view = figures.court_view(tuple(hearings), 3000, "")
    assert view["samples"] == [500, 1000, 2000, 3000] and view["done"] == view["wanted"] == 3000
    assert [rule["name"] for rule in view["rules"]] == list(RULES)
    for rule in view["rules"]:
        assert rule["first"] == pytest.approx([h.verdicts[rule["name"]].first for h in hearings], rel=1e-5)
        assert rule["pair"] == pytest.approx([h.verdicts[rule["name"]].pair for h in hearings], rel=1e-5)
        assert rule["lossless"] == hearings[-1].lossless(rule["name"])
    assert set(view["panels"]) == set(COURT)
    asked = controls.court_settings_of("x", POCKET_PAIR, 0.7, 0, 1, 1, 3000)
    said = words.court_caption(hearings[-1], asked)
    assert "After 3,000 samples" in said and "always accept" in said and "At temperature 1" not in said
    assert f"{hearings[-1].verdicts[MATCH].acceptance:.0%}" in said
    assert f"{hearings[-1].verdicts[EXACT].acceptance:.0%}" in said
    assert "is the right one" in words.court_caption(hearings[-1], replace(asked, temperature=1.0))
    far = replace(hearings[-1], first_noise=(0.0, 0.0))
    assert "lossless too" not in words.court_caption(far, asked)


def test_every_picture_has_a_title_and_every_stage_a_text():
    assert all(panel.title and panel.x for panel in PANELS.values())
    assert {name for _, panels in STAGES for name in panels} | set(COURT) == set(PANELS)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"prompt": ""}, "A prompt of at least one character is expected; got an empty one."),
        ({"prompt": None}, "A prompt of at least one character"),
        ({"prompt": "x" * 20_001}, "at most 20000 characters is expected; got 20001."),
        ({"pair": "none such"}, "The pair of models must be one of"),
        ({"source": 3}, "The source of drafts must be one of"),
        ({"draft_length": 9}, "Draft length K must be a number from 1 to 8; got 9."),
        ({"draft_length": 2.5}, "Draft length K must be a whole number; got 2.5."),
        ({"temperature": None}, "Temperature must be a number from 0 to 2; got None."),
        ({"temperature": 1e-38}, "Temperature must be 0 or at least 0.05; got 1e-38."),
        ({"prompt": "a \ud83d"}, "A prompt of whole characters is expected"),
        ({"temperature": float("nan")}, "Temperature must be a number from 0 to 2; got nan."),
        ({"top_p": 0}, "Top-p must be a number from 0.05 to 1; got 0."),
        ({"tokens": 10_000}, "Tokens to write must be a number from 8 to 200; got 10000."),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(changes, said):
    with pytest.raises(InputError) as error:
        controls.settings_of(**controls.start(**changes))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_the_court_refuses_greedy():
    with pytest.raises(InputError, match="temperature above 0; got 0"):
        controls.court_settings_of("x", POCKET_PAIR, 0, 0, 1, 1, 1000)


def test_things_to_try_differ_from_the_start_and_can_be_run():
    for _, changes in controls.TRIES:
        assert controls.start(**changes) != controls.start()
        controls.settings_of(**controls.start(**changes))
