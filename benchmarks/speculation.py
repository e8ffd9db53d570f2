"""Our loops with their whole record against transformers' own: the pocket pair in float32 on a CPU, and on
a GPU, where there is one, random weights of SmolLM2's shapes in bfloat16."""

import statistics
from collections.abc import Iterator

import torch

from benchmarks.timing import Row, interleaved
from demos.kit.decoding import decode
from demos.kit.models import load
from demos.kit.sampling import Sampling
from demos.kit.torchvision_shim import register_missing_operators
from demos.kit.zoo import MODELS
from demos.speculative_decoding import controls
from demos.speculative_decoding.algorithm import SpeculationTrace, speculate
from demos.speculative_decoding.race import MOST, Race, best_length

register_missing_operators()  # before transformers is imported

from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

TOKENS, K, ROUNDS = 96, 4, 5
# The shapes of SmolLM2-135M and SmolLM2-360M, as their configurations have them.
SMOLLM2_135M = {
    **{"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30},
    **{"num_attention_heads": 9, "num_key_value_heads": 3},
}
SMOLLM2_360M = {
    **{"hidden_size": 960, "intermediate_size": 2560, "num_hidden_layers": 32},
    **{"num_attention_heads": 15, "num_key_value_heads": 5},
}
PROMPTS = (controls.PROMPT, "The old woman looked at the wolf and", "In the middle of the wood stood")


def rows() -> Iterator[Row]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the page runs models of this size
    target, draft = (load(MODELS[f"fairy-{name}"], "cpu", torch.float32) for name in ("target", "draft"))
    with target, draft:
        prompts = [target.reader(text, return_tensors="pt")["input_ids"] for text in PROMPTS]
        yield from _rows(target.model, draft.model, prompts, "")
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        card = torch.cuda.get_device_name()
        target, draft = (_random(shape, "cuda", torch.bfloat16) for shape in (SMOLLM2_360M, SMOLLM2_135M))
        prompts = [
            torch.randint(0, 49152, (1, 16), generator=torch.Generator().manual_seed(n)) for n in range(3)
        ]
        yield from _rows(target, draft, prompts, f"{card}, ")


def _random(shape: dict, device: str, dtype: torch.dtype) -> LlamaForCausalLM:
    """A model of this shape with random weights, which decides on no text but costs the same time."""
    torch.manual_seed(0)
    config = LlamaConfig(**shape, vocab_size=49152, max_position_embeddings=8192, tie_word_embeddings=True,
                         eos_token_id=None, bos_token_id=None, pad_token_id=0)  # fmt: skip
    return LlamaForCausalLM(config).to(device, dtype).eval()


def _rows(target, draft, prompts: list[torch.Tensor], where: str) -> Iterator[Row]:
    draft.generation_config.update(
        num_assistant_tokens=K, num_assistant_tokens_schedule="constant", assistant_confidence_threshold=0.0
    )

    def generated(sampling: Sampling, assistant=None) -> int:
        options = {"do_sample": False}
        if sampling.temperature:
            options = {"do_sample": True, "temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
        made = 0
        for ids in prompts:
            ids = ids.to(target.device)
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
        yield Row(f"{where}speculate, K = {K}, {name}, a token", "transformers' assisted generation",
                  each["ours"], each["theirs"], "ms", 1.0)  # fmt: skip
        yield Row(
            f"{where}decode, {name}, a token",
            "transformers' generate",
            each["plain"],
            each["generate"],
            "ms",
            1.0,
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
            f"{where}speculate, best {said}",
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
