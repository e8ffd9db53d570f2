"""What compressed models read: sequences of the shipped texts, or, for a model of pictures, drawings."""

from typing import Literal

from torch import Tensor

from demos.kit.gallery import emoji_picture
from demos.kit.language import sequences
from demos.kit.models import Loaded
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
