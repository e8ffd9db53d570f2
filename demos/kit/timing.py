"""What a smaller model costs, as measured: bytes in memory, bytes of a file, milliseconds of a token."""

import statistics
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ROUNDS = 24  # tokens of each model; the first WARM are not counted
WARM = 4


@dataclass(frozen=True)
class Form:
    """One form of a model. memory, file: bytes, file None where none was written. milliseconds: the median
    time of a token, None while it was not measured. left: matrices that the form could not take."""

    name: str
    memory: int
    file: int | None
    milliseconds: float | None
    left: int = 0


@torch.inference_mode()
def token_times(
    models: Sequence[nn.Module], prompt: Tensor, check: Callable[[], None]
) -> Iterator[tuple[float, ...]]:
    """Milliseconds of a token of each model, the median over all rounds so far.

    prompt [1, T]: read before the first token. In turns, so that what else the machine does slows all alike.
    """
    states = [model(input_ids=prompt, use_cache=True).cache for model in models]
    token, took = prompt[:, -1:], [[] for _ in models]
    for n in range(ROUNDS):
        check()
        for i, model in enumerate(models):
            begun = time.perf_counter()
            states[i] = model(input_ids=token, cache=states[i], use_cache=True).cache
            if token.is_cuda:
                torch.cuda.synchronize()
            if n >= WARM:
                took[i].append((time.perf_counter() - begun) * 1000)
        if n >= WARM:
            yield tuple(statistics.median(times) for times in took)


def rest_of(model: nn.Module, packed: Collection[str]) -> dict[str, Tensor]:
    """The parameters that are in none of the packed matrices, by name, in bfloat16; shared ones once."""
    weights = {f"{name}.weight" for name in packed}
    return {
        name: parameter.detach().bfloat16()
        for name, parameter in model.named_parameters()
        if name not in weights
    }
