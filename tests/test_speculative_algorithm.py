"""Speculative decoding against transformers, closed forms and statistics, on tiny random models."""

import functools
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import scipy
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessorList
from transformers.generation import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from demos.kit.decoding import Cached, decode
from demos.kit.sampling import Sampling, draw, tops
from demos.speculative_decoding.algorithm import SpeculationTrace, accept, residual, speculate
from demos.speculative_decoding.drafts import PromptLookup
from tests.speculative_samples import FIXED, FIXED_DRAFT, PROMPT, SAMPLES, SMALL

ROOT = Path(__file__).parents[1]
GREEDY = Sampling(temperature=0)


def tiny(vocabulary: int, seed: int, width: int = 16, context: int = 64, end: int | None = None):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=context,
        eos_token_id=end, bos_token_id=None, pad_token_id=0, initializer_range=0.6,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Models this small lose more by handing work to a second thread than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


TARGET, DRAFT = tiny(24, seed=0), tiny(24, seed=1, width=8)
WIDE, NARROW = tiny(32, seed=2), tiny(24, seed=3)


def prompt(n: int, seed: int = 0, vocabulary: int = 24) -> torch.Tensor:
    return torch.randint(1, vocabulary, (1, n), generator=torch.Generator().manual_seed(seed))


def text(target, draft, ids, k, sampling=GREEDY, seed=0, n=20):
    return SpeculationTrace.of(
        speculate(target, draft, ids, max_new_tokens=n, draft_length=k, sampling=sampling, seed=seed)
    )


def plain(target, ids, sampling=GREEDY, seed=0, n=20):
    return [s.token for s in decode(target, ids, max_new_tokens=n, sampling=sampling, seed=seed)]


@pytest.mark.parametrize(
    "sampling",
    [Sampling(0.7), Sampling(1.0, top_k=5), Sampling(1.3, top_p=0.8), Sampling(0.9, top_k=7, top_p=0.6)],
)
def test_law_equals_the_warpers_of_transformers(sampling):
    logits = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * 3
    warpers = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    torch.testing.assert_close(sampling.law(logits), warpers(None, logits).softmax(-1))


def test_greedy_law_is_one_token():
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    assert GREEDY.law(logits).tolist() == [[0, 1, 0]]


@functools.cache
def greedy(target, seed: int) -> list[int]:
    """By transformers' generate, to which our plain loop must be equal."""
    ids = prompt(3 + seed % 9, seed)
    mask = torch.ones_like(ids)
    whole = target.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=8)
    reference = whole[0, ids.shape[1] :].tolist()
    assert plain(target, ids, n=8) == reference
    return reference


@pytest.mark.parametrize("k", range(1, 9))
@pytest.mark.parametrize("pair", ["draft", "oracle", "lookup", "wider target", "wider draft"])
def test_greedy_text_equals_plain_and_generate(pair, k):
    target, draft = {
        "draft": (TARGET, DRAFT),
        "oracle": (TARGET, TARGET),
        "lookup": (TARGET, None),
        "wider target": (WIDE, NARROW),
        "wider draft": (NARROW, WIDE),
    }[pair]
    for seed in range(50):
        assert list(text(target, draft, prompt(3 + seed % 9, seed), k, n=8).tokens) == greedy(target, seed)


@pytest.mark.parametrize("draft", [DRAFT, TARGET, None], ids=["draft", "oracle", "lookup"])
def test_caches_hold_the_accepted_prefix(draft):
    ids = prompt(7)
    length, first = ids.shape[1], True
    for block in speculate(
        TARGET, draft, ids, max_new_tokens=40, draft_length=4, sampling=Sampling(), seed=3
    ):
        (t0, d0), (t1, d1), (t2, d2) = block.caches
        k = len(block.drafted)
        assert t0 == (0 if first else length - 1)  # all but the last token
        assert t1 == length + k
        assert t2 == length + block.accepted
        if draft is not None and k:
            assert d0 <= length - 1 and d1 == length + k - 1  # nobody read the last drafted token
            assert d2 == min(d1, length + block.accepted)
            # After full acceptance the draft still lacks its last token, so it reads two next time.
            assert (d2 == length + k - 1) == (block.accepted >= k - 1)
        length += len(block.new)
        first = False


def test_cached_logits_equal_uncached():
    ids = prompt(40)[0].tolist()
    reader = Cached(TARGET, 24)
    reader.read(ids[:10], last=1)
    reader.read([*ids[:10], 1, 2, 3], last=1)
    reader.keep(10)
    with torch.inference_mode():
        whole = TARGET(input_ids=torch.tensor([ids])).logits[0]
    got, _ = reader.read(ids[:25], last=15)
    torch.testing.assert_close(got, whole[10:25], atol=1e-4, rtol=0)
    rest, _ = reader.read(ids, last=1)
    torch.testing.assert_close(rest[0], whole[-1], atol=1e-4, rtol=0)


def test_an_oracle_is_always_accepted():
    trace = text(TARGET, TARGET, prompt(5), 4, Sampling(0.8), n=40)
    assert all(block.kind == "bonus" for block in trace.blocks)
    assert trace.acceptance == pytest.approx(1, abs=1e-5)


def test_the_blocks_record_what_happened():
    trace = text(TARGET, DRAFT, prompt(5), 4, Sampling(1.0), seed=1, n=40)
    assert list(trace.tokens) == [t for block in trace.blocks for t in block.new]
    assert {"bonus", "resampled"} <= {block.kind for block in trace.blocks}
    for block in trace.blocks:
        for i, d in enumerate(block.drafted):
            assert d.p_top.rest + sum(d.p_top.probabilities) == pytest.approx(1, abs=1e-5)
            if i < block.judged:
                assert d.accepted == (d.uniform < d.p / d.q)
            else:
                assert math.isnan(d.uniform) and not d.accepted
        assert block.milliseconds >= block.target_milliseconds + sum(block.draft_milliseconds) > 0
        assert block.begun <= block.target_pass.begun
    mean = [d.overlap for block in trace.blocks for d in block.drafted[: block.judged]]
    assert trace.acceptance == pytest.approx(sum(mean) / len(mean))


def test_the_laws_of_a_drafted_token_are_the_models_own():
    """p, q, their tops and their overlap beside what transformers computes without a cache."""
    ids, sampling = prompt(6), Sampling(0.8)
    for block in text(TARGET, DRAFT, ids, 4, sampling, seed=2, n=24).blocks:
        for i, d in enumerate(block.drafted):
            so_far = torch.cat([ids, torch.tensor([[x.token for x in block.drafted[:i]]]).long()], dim=1)
            with torch.inference_mode():
                p, q = ((m(input_ids=so_far).logits[0, -1] / 0.8).softmax(-1) for m in (TARGET, DRAFT))
            assert [d.p, d.q] == pytest.approx([float(p[d.token]), float(q[d.token])], abs=1e-5)
            assert d.p_top.probabilities == pytest.approx(p[list(d.p_top.tokens)].tolist(), abs=1e-5)
            assert d.q_of_p_top == pytest.approx(q[list(d.p_top.tokens)].tolist(), abs=1e-5)
            assert d.p_of_q_top == pytest.approx(p[list(d.q_top.tokens)].tolist(), abs=1e-5)
            assert d.overlap == pytest.approx(float(torch.minimum(p, q).sum()), abs=1e-5)
        ids = torch.cat([ids, torch.tensor([block.new])], dim=1)


def test_a_run_can_be_ended_before_any_pass():
    class EnoughError(Exception):
        pass

    for enough in range(1, 9):
        passes = 0

        def before_pass(enough=enough):
            nonlocal passes
            passes += 1
            if passes == enough:
                raise EnoughError

        options = {"max_new_tokens": 50, "sampling": GREEDY, "seed": 0, "before_pass": before_pass}
        with pytest.raises(EnoughError):
            list(speculate(TARGET, DRAFT, prompt(5), draft_length=3, **options))
        assert passes == enough


def test_prompt_lookup_continues_the_latest_longest_match():
    lookup = PromptLookup(20)
    tokens, laws, _ = lookup.propose([1, 2, 3, 9, 1, 2, 3, 7, 5, 2, 3], 4, GREEDY, None)
    assert tokens == [7, 5, 2, 3]
    assert [int(law.argmax()) for law in laws] == tokens and all(law.sum() == 1 for law in laws)
    assert lookup.propose([1, 2, 3], 4, GREEDY, None)[0] == []


def test_the_text_ends_at_an_end_token_inside_a_block():
    free = plain(TARGET, prompt(5), n=20)
    end = free[7]
    ending = tiny(24, seed=0, end=end)
    expected = free[: free.index(end) + 1]
    assert plain(ending, prompt(5)) == expected
    for k in range(1, 9):
        assert list(text(ending, ending, prompt(5), k).tokens) == expected
        assert list(text(ending, DRAFT, prompt(5), k).tokens) == expected


def test_the_context_is_filled_and_not_overrun():
    for n in (60, 63, 64):
        assert len(text(TARGET, DRAFT, prompt(n), 4, n=100).tokens) == 64 - n + 1
        assert len(plain(TARGET, prompt(n), n=100)) == 64 - n + 1


def test_beyond_its_own_context_a_draft_drafts_nothing():
    short = tiny(24, seed=1, width=8, context=20)
    ids = prompt(8)
    trace = text(TARGET, short, ids, 3, n=40)
    assert list(trace.tokens) == plain(TARGET, ids, n=40)
    length = 8
    for block in trace.blocks[:-1]:
        assert len(block.drafted) == min(3, max(0, 21 - length))
        length += len(block.new)
    assert trace.blocks[-2].kind == "target"


@pytest.mark.parametrize(
    "ids, options, words",
    [
        (prompt(65), {}, "1 to 64 tokens; got 65"),
        (torch.zeros(1, 0, dtype=torch.long), {}, "1 to 64 tokens; got 0"),
        (prompt(5), {"k": 0}, "draft_length must be at least 1; got 0"),
        (prompt(5), {"n": 0}, "max_new_tokens must be at least 1; got 0"),
    ],
)
def test_what_cannot_be_is_refused_with_the_numbers(ids, options, words):
    with pytest.raises(ValueError, match=words):
        text(TARGET, DRAFT, ids, **({"k": 4} | options))


def test_sampling_refuses():
    for wrong in ({"temperature": -1}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}):
        with pytest.raises(ValueError, match="got"):
            Sampling(**wrong)


def test_drawing_follows_the_law_and_never_takes_what_has_none():
    law = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0])
    assert [draw(law, u) for u in (0.0, 0.49, 0.5, 0.999999999999)] == [1, 1, 3, 3]


def test_residual_and_acceptance_give_back_p():
    """For any p and q: q min(1, p/q) + P(reject) residual = p."""
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        p, q = (torch.rand(30, generator=g).pow(4) for _ in range(2))
        p, q = p / p.sum(), q / q.sum()
        kept = torch.minimum(p, q)
        torch.testing.assert_close(kept + (1 - kept.sum()) * residual(p, q), p, atol=1e-6, rtol=1e-5)
    assert accept(0.2, 0.1, 0.999) and accept(0.1, 0.2, 0.49) and not accept(0.1, 0.2, 0.51)
    assert not accept(0.0, 0.2, 0.0)
    torch.testing.assert_close(residual(p, p), p)


def pairs(source: str, sampling: Sampling) -> torch.Tensor:
    """Counts [V, V] of the first two tokens of SAMPLES texts, from a process without type checks."""
    command = [sys.executable, "-m", "tests.speculative_samples", source]
    numbers = map(str, (sampling.temperature, sampling.top_k, sampling.top_p))
    done = subprocess.run([*command, *numbers], capture_output=True, text=True, cwd=ROOT, check=True)
    counts = torch.tensor(json.loads(done.stdout))
    assert counts.sum() == SAMPLES
    return counts


def joint(sampling) -> torch.Tensor:
    """The target's own law of the first two tokens, from its table."""
    law = sampling.law(SMALL.table)
    return law[PROMPT[0, -1]][:, None] * law


def p_value(counts: torch.Tensor, law: torch.Tensor) -> float:
    """Chi-square, cells expected under 5 times put together; 0 where something impossible was seen."""
    expected, seen = law.flatten() * counts.sum(), counts.flatten()
    if (seen[law.flatten() == 0] > 0).any():
        return 0.0
    big = expected >= 5
    observed, wanted = seen[big].tolist(), expected[big].tolist()
    if float(expected[~big].sum()) > 0:
        observed.append(float(seen[~big].sum()))
        wanted.append(float(expected[~big].sum()))
    scale = sum(observed) / sum(wanted)
    return scipy.stats.chisquare(observed, [w * scale for w in wanted]).pvalue


@pytest.mark.parametrize(
    "sampling", [Sampling(1.0), Sampling(0.6, top_k=4), Sampling(1.2, top_p=0.85)], ids=str
)
def test_samples_follow_the_targets_law(sampling):
    counts, law = pairs("draft", sampling), joint(sampling)
    assert p_value(counts, law) > 1e-3
    assert p_value(counts.sum(1), law.sum(1)) > 1e-3
    # Total variation: its mean under the law is at most sqrt(cells / (4 n)), here with a margin of 2.
    distance = float((counts / counts.sum() - law).abs().sum() / 2)
    assert distance < 2 * math.sqrt(law.numel() / (4 * SAMPLES))


def test_prompt_lookup_is_lossless_too():
    counts, law = pairs("lookup", Sampling(1.0)), joint(Sampling(1.0))
    assert p_value(counts, law) > 1e-3


def test_tokens_per_block_match_the_closed_form():
    """With p and q held fixed: (1 - a^(K+1)) / (1 - a) tokens a block (Leviathan et al., eq. 1)."""
    k, laws = 3, []
    for model in (FIXED, FIXED_DRAFT):  # the same law after every token
        assert (model.table == model.table[0]).all()
        laws.append(model.table[0].softmax(-1))
    a = float(torch.minimum(*laws).sum())
    done = subprocess.run(
        [sys.executable, "-m", "tests.speculative_samples", "lengths", str(k)],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    measured = torch.tensor(json.loads(done.stdout), dtype=torch.float64)
    assert len(measured) > 5000
    expected = (1 - a ** (k + 1)) / (1 - a)
    assert abs(measured.mean() - expected) < 4 * measured.std() / math.sqrt(len(measured))


def test_tops_are_the_likeliest():
    law = torch.softmax(torch.arange(30.0) / 5, 0)
    (top,) = tops(law[None])
    assert top.tokens[0] == 29 and len(top.tokens) == 20
    assert top.rest == pytest.approx(float(law[:10].sum()), abs=1e-6)
