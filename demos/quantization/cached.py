"""A model whose cache of keys and values, or whose activations, are held in few bits.

Letters: T, positions of a text; the first half fills the cache, the tokens after it are foretold from it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

from demos.kit.blocks import matrices
from demos.quantization.cache import cache_bytes, quantize_cache, round_activations

FORETOLD = 32  # tokens: what comes soon after the cache's end hangs on it most


@dataclass(frozen=True)
class Recalled:
    """loss: mean of -ln q(token), in nats; nbytes: of the cache; tokens: how many were foretold."""

    loss: float
    nbytes: int
    tokens: int


@torch.inference_mode()
def recall(model, ids: Int[Tensor, "n T"], bits: int, keys: str = "token", values: str = "token") -> Recalled:
    """What follows the first half of each sequence, foretold from a cache of that half in `bits` bits.

    bits 16: the cache as the model left it, counted at two bytes a number; 0: without it. keys, values:
    "token" or "channel", what shares a scale. The first FORETOLD tokens of the second half are read, each
    but the first is foretold. Raises ValueError for fewer than 4 tokens.
    """
    half = ids.shape[1] // 2
    if half < 2:
        raise ValueError(f"Sequences must have at least 4 tokens; got {ids.shape[1]}.")
    ids = ids.to(model.device)
    cache = model(input_ids=ids[:, :half], use_cache=True, logits_to_keep=1).cache if bits else None
    size = 0
    for layer in cache.layers if cache else ():
        if bits == 16:
            size += 2 * (layer.keys.numel() + layer.values.numel())
            continue
        size += cache_bytes(layer.keys.shape, bits, keys) + cache_bytes(layer.values.shape, bits, values)
        layer.keys = quantize_cache(layer.keys, bits, keys)
        layer.values = quantize_cache(layer.values, bits, values)
    soon = ids[:, half : half + FORETOLD]
    logits = model(input_ids=soon, cache=cache, use_cache=True).logits[:, :-1]
    after = soon[:, 1:]
    loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), after.flatten())
    return Recalled(float(loss), size, after.numel())


@contextmanager
def rounded_activations(model: nn.Module, bits: int, per: str) -> Iterator[None]:
    """While the block runs, what each matrix of the model reads is rounded to `bits` bits.

    CHANGES the model while the block runs: hand in a copy. per: "token" or "tensor", what shares a scale.
    """
    handles = [
        model.get_submodule(matrix.name).register_forward_pre_hook(
            lambda _, inputs: (round_activations(inputs[0], bits, per), *inputs[1:])
        )
        for matrix in matrices(model)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
