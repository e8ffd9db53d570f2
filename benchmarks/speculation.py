"""The pocket pair: our loops with their whole record against transformers' own, in float32 on a CPU."""

import statistics
from collections.abc import Iterator

import torch

from benchmarks.timing import Row, interleaved
from demos.kit.models import load
from demos.kit.zoo import MODELS
from demos.speculative_decoding import controls, work
from demos.speculative_decoding.algorithm import SpeculationTrace, decode, speculate
from demos.speculative_decoding.race import MOST, Race, best_length
from demos.speculative_decoding.sampling import Sampling

TOKENS, K, ROUNDS = 96, 4, 9
PROMPTS = (controls.PROMPT, "The old woman looked at the wolf and", "In the middle of the wood stood")


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)  # as the page runs models of this size
    target, draft = (load(MODELS[f"fairy-{name}"], "cpu", torch.float32) for name in ("target", "draft"))
    with target, draft:
        yield from _rows(target.model, draft.model, target.reader)
    torch.set_num_threads(work.DEFAULT_THREADS)


def _rows(target, draft, reader) -> Iterator[Row]:
    prompts = [reader(text, return_tensors="pt")["input_ids"] for text in PROMPTS]
    draft.generation_config.update(
        num_assistant_tokens=K, num_assistant_tokens_schedule="constant", assistant_confidence_threshold=0.0
    )

    def generated(sampling: Sampling, assistant=None) -> int:
        options = {"do_sample": False}
        if sampling.temperature:
            options = {"do_sample": True, "temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
        made = 0
        for ids in prompts:
            text = target.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, pad_token_id=0,
                assistant_model=assistant, **options,
            )  # fmt: skip
            made += text.shape[1] - ids.shape[1]
        return made

    def speculated(sampling: Sampling, k: int = K) -> int:
        options = {"max_new_tokens": TOKENS, "draft_length": k, "sampling": sampling, "seed": 0}
        texts = [SpeculationTrace.of(speculate(target, draft, ids, **options)) for ids in prompts]
        return sum(len(text.tokens) for text in texts)

    def decoded(sampling: Sampling) -> int:
        options = {"max_new_tokens": TOKENS, "sampling": sampling, "seed": 0}
        return sum(len(list(decode(target, ids, **options))) for ids in prompts)

    for name, sampling in (("greedy", Sampling(0.0)), ("temperature 0.7", Sampling(0.7))):
        calls = {
            "ours": lambda s=sampling: speculated(s),
            "theirs": lambda s=sampling: generated(s, draft),
            "plain": lambda s=sampling: decoded(s),
            "generate": lambda s=sampling: generated(s),
        }
        made, took = {key: call() for key, call in calls.items()}, interleaved(calls, ROUNDS)
        each = {key: took[key] / made[key] for key in calls}
        yield Row(f"speculate, K = {K}, {name}, a token", "transformers' assisted generation",
                  each["ours"], each["theirs"], "ms", 1.0)  # fmt: skip
        yield Row(
            f"decode, {name}, a token", "transformers' generate", each["plain"], each["generate"], "ms", 1.0
        )
        letters = [
            costs
            for seed in range(3)
            for ids in prompts
            if (costs := _costs(target, draft, ids, sampling, seed))
        ]
        alpha, c, v = (
            statistics.median(getattr(each, name) for each in letters) for name in ("alpha", "c", "v")
        )
        lengths = {str(k): (lambda s=sampling, k=k: speculated(s, k)) for k in range(1, MOST + 1)}
        counts = {k: call() for k, call in lengths.items()}
        took = interleaved(lengths | {"plain": calls["plain"]}, ROUNDS)
        rates = {k: took[k] / counts[k] for k in lengths}
        best = min(rates, key=rates.get)
        said = (
            f"K = {best} of 1 to {MOST}; alpha {alpha:.2f}, c {c:.2f}, v {v:.2f}, "
            f"by theory K = {best_length(alpha, c, v)}"
        )
        yield Row(
            f"speculate, best {said}",
            f"decode, {name}",
            rates[best],
            took["plain"] / made["plain"],
            "ms",
            1 / 1.3,
        )


def _costs(target, draft, ids, sampling: Sampling, seed: int):
    options = {"max_new_tokens": TOKENS, "sampling": sampling, "seed": seed}
    text = SpeculationTrace.of(speculate(target, draft, ids, draft_length=K, **options))
    plain = tuple(decode(target, ids, **options))
    return Race(tuple(ids[0].tolist()), text, plain, K, True).costs()
