"""What the page's events run: a model of the zoo on the visitor's pictures and words."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from demos.clip.algorithm import ContrastTrace, classifier, contrast, encode_images
from demos.clip.controls import CHOICES
from demos.clip.towers import Projected, image_side, text_side
from demos.clip.training import TrainStep, train
from demos.clip.where import WhereTrace, where
from demos.kit.device import on_gpu
from demos.kit.gallery import emoji, emoji_picture
from demos.kit.inputs import InputError
from demos.kit.models import Loaded, load
from demos.kit.passes import memory_for, threads_for
from demos.kit.runs import Runs

AT_ONCE = 32  # pictures


@dataclass(frozen=True)
class Contrasted:
    """A contrast of pairs. trace: on the CPU. tokens: of each caption, before it is cut at `context`."""

    trace: ContrastTrace
    tokens: tuple[int, ...]
    context: int

    @property
    def nbytes(self) -> int:
        held = [part for part in vars(self.trace).values() if isinstance(part, Tensor)]
        sides = [side for side in (self.trace.images, self.trace.texts) if side is not None]
        held += [part for side in sides for part in vars(side).values() if part is not None]
        return sum(part.nbytes for part in held)


RUNS: Runs[Contrasted] = Runs(max_bytes=50_000_000, seconds=1800, size=lambda run: run.nbytes)
FEATURES: Runs[Tensor] = Runs(max_bytes=200_000_000, seconds=3600, size=lambda features: features.nbytes)


@on_gpu(seconds=30)
def compare(model: str, pictures: Sequence[Image.Image], captions: Sequence[str]) -> Contrasted:
    """The contrast of pictures and captions. Raises LoadError where the model cannot be had."""
    with ready(model) as loaded, _told():
        trace = contrast(loaded.model, prepared(loaded, pictures), loaded.reader.tokenizer(list(captions)))
        tokens = tuple(loaded.reader.tokens(caption) for caption in captions)
        return Contrasted(_on_cpu(trace), tokens, loaded.reader.context)


@on_gpu(seconds=60)
def steps(
    model: str, pictures: Sequence[Image.Image], captions: Sequence[str], seed: int, check: Callable[[], None]
) -> Iterator[TrainStep]:
    """The projections trained anew. Raises InputError for a model whose towers keep none."""
    with ready(model) as loaded, torch.inference_mode():
        images = image_side(loaded.model, prepared(loaded, pictures))
        texts = text_side(loaded.model, loaded.reader.tokenizer(list(captions)))
    if images.features is None or texts.features is None:
        raise InputError(f"A model with two projections is expected; {model} keeps none of its own.")
    with _told():
        yield from train(
            images.features, texts.features, images.weight.shape[1], seed=seed, before_step=check
        )


@on_gpu(seconds=30)
def text_features(model: str, labels: tuple[str, ...], templates: tuple[str, ...]) -> Tensor:
    """A vector for each label, made once."""

    def make() -> Tensor:
        with ready(model) as loaded:
            return classifier(loaded.model, loaded.reader.tokenizer, labels, templates).cpu()

    return FEATURES.run(("text", model, labels, templates), make)[1]


@on_gpu(seconds=30)
def picture_features(model: str, name: str, picture: Image.Image) -> Tensor:
    """A picture's vector, made once. name: tells it from other pictures."""

    def make() -> Tensor:
        with ready(model) as loaded:
            return encode_images(loaded.model, prepared(loaded, [picture]))[0].cpu()

    return FEATURES.run(("picture", model, name), make)[1]


@on_gpu(seconds=60)
def gallery_features(model: str) -> Tensor:
    """Vectors of all pictures of the gallery, made once: [pictures, De]."""

    def make() -> Tensor:
        with ready(model) as loaded:
            parts = []
            for start in range(0, len(emoji()), AT_ONCE):
                some = [emoji_picture(row.number) for row in emoji()[start : start + AT_ONCE]]
                parts.append(encode_images(loaded.model, prepared(loaded, some)).cpu())
            return torch.cat(parts)

    return FEATURES.run(("gallery", model), make)[1]


@on_gpu(seconds=30)
def head(model: str) -> tuple[float, float | None]:
    """t and b, as trained."""
    with ready(model) as loaded:
        bias = loaded.model.logit_bias
        return loaded.model.logit_scale.item(), None if bias is None else bias.item()


@on_gpu(seconds=30)
def look(model: str, picture: Image.Image, text: str, others: tuple[str, ...]) -> tuple[WhereTrace, Tensor]:
    """Where the text is in the picture, and the picture as the model got it: [3, H, W], 0 to 1.

    Raises InputError for a model whose picture tower is another.
    """
    vector, shared = text_features(model, (text,), ("{}",))[0], text_features(model, others, ("{}",))
    with ready(model) as loaded:
        image = prepared(loaded, [picture])[0]
        with _told():
            found = where(loaded.model, image, vector, shared)
        reader = loaded.reader
        shown = image * torch.tensor(reader.std)[:, None, None] + torch.tensor(reader.mean)[:, None, None]
        return found, shown.clamp(0, 1)


@on_gpu(seconds=30)
def tokens_of(model: str, texts: Sequence[str]) -> tuple[list[int], int]:
    """How many tokens each text has before it is cut, and the context at which it is."""
    with ready(model) as loaded:
        return [loaded.reader.tokens(text) for text in texts], loaded.reader.context


def prepared(loaded: Loaded, pictures: Sequence[Image.Image]) -> Tensor:
    """[n, 3, H, W], by the model's own preprocessing."""
    return torch.stack([loaded.reader.preprocess(picture) for picture in pictures])


@contextmanager
def ready(model: str) -> Iterator[Loaded]:
    (spec,) = CHOICES[model]
    with memory_for(spec), load(spec) as loaded, threads_for(spec):
        yield loaded


@contextmanager
def _told() -> Iterator[None]:
    """What an algorithm refuses, as a sentence for the page."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        said = str(error)
        raise InputError(f"{said[0].upper()}{said[1:].rstrip('.')}.") from None


def _on_cpu(trace: ContrastTrace) -> ContrastTrace:
    parts = {name: value.cpu() for name, value in vars(trace).items() if isinstance(value, Tensor)}
    sides = {
        name: Projected(*(None if part is None else part.float().cpu() for part in vars(side).values()))
        for name, side in (("images", trace.images), ("texts", trace.texts))
        if side is not None
    }
    return replace(trace, **parts, **sides)
