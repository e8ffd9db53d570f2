"""Many short texts of a tiny pair, counted: `python -m tests.speculative_samples SOURCE T K P`, or the
lengths of their blocks: `python -m tests.speculative_samples lengths K`.

In a process of its own, because the type checks of the test run would cost it minutes.
"""

import json
import sys
from types import SimpleNamespace

import torch

from demos.kit.sampling import Sampling
from demos.speculative_decoding.algorithm import speculate

SAMPLES = 20_000
PROMPT = torch.tensor([[3, 5]])


class Bigram:
    """A language model in a table: the next token's logits depend on the last token alone.

    It has the parts of a transformers model that decoding uses, and costs microseconds, so that tens of
    thousands of texts can be sampled.
    """

    device = "cpu"
    generation_config = SimpleNamespace(eos_token_id=None)
    config = SimpleNamespace(vocab_size=8, max_position_embeddings=64)

    def __init__(self, seed: int, fixed: bool = False):
        self.table = torch.randn(8, 8, generator=torch.Generator().manual_seed(seed)) * 1.5
        if fixed:
            self.table = self.table[:1].expand(8, 8)

    def __call__(self, input_ids, cache, use_cache, logits_to_keep):
        cache = cache or SimpleNamespace(crop=lambda removed: None)
        return SimpleNamespace(logits=self.table[input_ids[:, -logits_to_keep:]], cache=cache)


SMALL, SMALL_DRAFT = Bigram(5), Bigram(6)
FIXED, FIXED_DRAFT = Bigram(5, fixed=True), Bigram(6, fixed=True)
SOURCES = {"draft": SMALL_DRAFT, "lookup": None}


def count(draft, sampling: Sampling, samples: int = SAMPLES) -> list[list[int]]:
    """How often each pair of first and second token came, over the seeds 0 to samples - 1."""
    counts = [[0] * 8 for _ in range(8)]
    for seed in range(samples):
        options = {"max_new_tokens": 2, "draft_length": 2, "sampling": sampling, "seed": seed}
        first, second = (t for block in speculate(SMALL, draft, PROMPT, **options) for t in block.new)
        counts[first][second] += 1
    return counts


def lengths(k: int) -> list[int]:
    """Tokens of each whole block of many texts with fixed laws."""
    options = {"max_new_tokens": 50, "draft_length": k, "sampling": Sampling(1.0)}
    texts = (speculate(FIXED, FIXED_DRAFT, PROMPT, seed=seed, **options) for seed in range(400))
    return [len(block.new) for text in texts for block in text if len(block.drafted) == k]


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "lengths":
        print(json.dumps(lengths(int(sys.argv[2]))))
        sys.exit()
    source, temperature, top_k, top_p = sys.argv[1:]
    print(json.dumps(count(SOURCES[source], Sampling(float(temperature), int(top_k), float(top_p)))))
