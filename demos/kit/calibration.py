"""What compressed models read, texts or drawings, and how they do on it beside the full model."""

from collections.abc import Callable, Iterator
from typing import Literal

from torch import Tensor, nn

from demos.kit.blocks import Matrix, matrices
from demos.kit.gallery import emoji_picture
from demos.kit.inputs import InputError
from demos.kit.language import sequences
from demos.kit.models import Loaded
from demos.kit.scores import Agreement, Score, agree, score
from demos.kit.zoo import TEXT

HELD_OUT = 16  # sequences that a perplexity is measured on
PICTURES = 128  # that two classifiers are compared on
AT_ONCE = 8  # sequences or pictures in one pass


def batches(loaded: Loaded, part: Literal["calibration", "held_out"], count: int) -> list[dict[str, Tensor]]:
    """Inputs of the model by name, AT_ONCE at a time: `count` sequences or drawings of emoji."""
    if loaded.spec.tasks == TEXT:
        ids = sequences(loaded, part, count).to(loaded.model.device)
        return [{"input_ids": some} for some in ids.split(AT_ONCE)]
    # Even drawings calibrate, odd ones measure.
    first = 0 if part == "calibration" else 1
    pictures = [emoji_picture(first + 2 * n) for n in range(count)]
    values = loaded.reader(pictures, return_tensors="pt")["pixel_values"]
    return [{"pixel_values": some} for some in values.to(loaded.model.device, loaded.dtype).split(AT_ONCE)]


def compared(loaded: Loaded, changed: nn.Module, check: Callable[[], None]) -> Iterator[Score | Agreement]:
    """The changed model against the loaded one, on held-out text or, for a classifier, on pictures."""
    if loaded.spec.tasks == TEXT:
        held_out = sequences(loaded, "held_out", HELD_OUT)
        return score(changed, loaded.model, held_out, at_once=AT_ONCE, before_pass=check)
    return agree(changed, loaded.model, batches(loaded, "held_out", PICTURES), check)


def named(loaded: Loaded, name: str) -> tuple[Matrix, tuple[str, ...]]:
    """The model's matrix of that name, its first where there is none, and the names of all.

    Raises InputError for a name that the model does not have.
    """
    found = {matrix.name: matrix for matrix in matrices(loaded.model)}
    if name and name not in found:
        raise InputError(
            f"One of the {len(found)} matrices of {loaded.spec.title} is expected, such as "
            f"{next(iter(found))}; got {name!r:.80}."
        )
    return found[name or next(iter(found))], tuple(found)
