"""A model's text beside that of its changed copy, with the words of the tokens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor, nn

from demos.kit.compressing import Reading
from demos.kit.language import word
from demos.kit.models import Loaded
from demos.kit.pairs import Pair, continue_both
from demos.kit.passes import to_the_last
from demos.kit.sampling import Sampling


@dataclass(frozen=True)
class Written:
    """Both texts, and the words of their tokens."""

    pair: Pair
    words: dict[int, str]
    prompt: str


def write_both(
    loaded: Loaded, changed: nn.Module, ids: Int[Tensor, "1 T"], reading: Reading, check: Callable[[], None]
) -> Iterator[Written]:
    """The reading's prompt, whose tokens are `ids`, continued by the loaded and the changed model."""
    words: dict[int, str] = {}
    pairs = continue_both(
        loaded.model,
        changed,
        ids,
        max_new_tokens=reading.tokens,
        sampling=Sampling(reading.temperature),
        seed=reading.seed,
        before_pass=check,
    )
    for pair in to_the_last(pairs):
        named = [token for side in (pair.full, pair.changed) for token, _ in side]
        named += pair.parting.tokens if pair.parting else ()
        words.update({token: word(loaded.reader, token) for token in {*named} - {*words}})
        yield Written(pair, dict(words), reading.prompt)
