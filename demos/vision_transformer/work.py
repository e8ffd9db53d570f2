"""What the page's events run: a model of the zoo on the visitor's picture."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from demos.kit.device import on_gpu
from demos.kit.models import Loaded, load
from demos.kit.passes import memory_for, threads_for
from demos.kit.runs import Runs
from demos.vision_transformer.algorithm import ViTTrace, look, shuffled
from demos.vision_transformer.controls import CHOICES, Settings
from demos.vision_transformer.embedding import Filters, filters
from demos.vision_transformer.network import network
from demos.vision_transformer.relevance import occlusion, on_patches, relevance


@dataclass(frozen=True)
class Seen:
    """A run: a picture as the model got it, and all that the model made of it.

    picture: as it came. image: [3, H, W], normalised with mean and std. trace: on the CPU.
    answer: see the function. untouched: the answer for the picture before shifts, crops and shuffles, with
    positions. in_order: the answer for this picture before it was shuffled.
    labels: of the classes, or none.
    """

    settings: Settings
    picture: Image.Image
    image: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    trace: ViTTrace
    filters: Filters
    answer: Tensor
    untouched: Tensor
    in_order: Tensor
    labels: tuple[str, ...]

    @property
    def pixels(self) -> np.ndarray:
        """The picture in colours that a screen can show: [H, W, 3], 0 to 255."""
        return pixels_of(self.image, self.mean, self.std)

    def without(self, hidden: Sequence[int]) -> list[int]:
        """The patches that are left when some are hidden."""
        return sorted({*range(len(self.trace.patches))} - {*hidden})

    @property
    def nbytes(self) -> int:
        came = 3 * self.picture.width * self.picture.height
        return self.trace.nbytes + self.image.nbytes + self.filters.components.nbytes + came


RUNS: Runs[Seen] = Runs(max_bytes=1_000_000_000, seconds=1800, size=lambda seen: seen.nbytes)


@on_gpu(seconds=30)
def see(settings: Settings, picture: Image.Image) -> Seen:
    """The picture through the model. Raises LoadError where the model cannot be had."""
    with _ready(settings) as loaded:
        net = network(loaded.model)
        mean, std = loaded.reader.image_mean, loaded.reader.image_std
        ordered = prepare(loaded, picture, settings)
        image = ordered
        if settings.shuffle:
            n = (image.shape[1] // net.patch) * (image.shape[2] // net.patch)
            order = torch.randperm(n, generator=torch.Generator().manual_seed(settings.shuffle))
            image = shuffled(image, net.patch, order.tolist())
        trace = look(loaded.model, image, with_positions=settings.positions)
        told = answer(loaded.model, trace)
        plain = Settings(settings.picture, settings.model)
        untouched = in_order = told
        if settings.shuffle:
            was = look(loaded.model, ordered, with_positions=settings.positions)
            in_order = answer(loaded.model, was)
        if settings != plain:
            untouched = answer(loaded.model, look(loaded.model, prepare(loaded, picture, plain)))
        return Seen(
            settings=settings,
            picture=picture,
            image=image,
            mean=tuple(mean),
            std=tuple(std),
            trace=on_cpu(trace),
            filters=filters(net),
            answer=told,
            untouched=untouched,
            in_order=in_order,
            labels=labels_of(loaded.model),
        )


@on_gpu(seconds=30)
def change(seen: Seen, hidden: Sequence[int], image: Tensor) -> Tensor:
    """The answer for another picture of the same size, some of its patches taken out."""
    with _ready(seen.settings) as loaded:
        kept = seen.without(hidden)
        return answer(
            loaded.model, look(loaded.model, image, kept=kept, with_positions=seen.settings.positions)
        )


@on_gpu(seconds=30)
def explain(seen: Seen, target: int) -> Tensor:
    """How much each patch spoke for a class, by relevance: [N]. Raises ValueError as `relevance`."""
    with _ready(seen.settings) as loaded:
        where = network(loaded.model).W
        trace = replace(
            seen.trace,
            sequence=seen.trace.sequence.to(where),
            attentions=seen.trace.attentions.to(where),
        )
        return on_patches(relevance(loaded.model, trace, target).relevance[0], trace).float().cpu()


@on_gpu(seconds=60)
def occlude(
    seen: Seen, image: Tensor, target: int, hidden: Sequence[int], asked: Sequence[int]
) -> list[float]:
    """The probability of a class once each of the asked patches, too, is hidden. image: as for `change`."""
    with _ready(seen.settings) as loaded:
        kept = seen.without(hidden)
        steps = occlusion(loaded.model, image, target, kept, asked, with_positions=seen.settings.positions)
        return [probability for _, probability in steps]


@on_gpu(seconds=30)
def untrained(seen: Seen) -> Tensor:
    """The answer of a model like this one whose weights are as they were before training, seed 0."""
    with _ready(seen.settings) as loaded:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            fresh = type(loaded.model)(loaded.model.config).to(loaded.model.device, loaded.model.dtype)
        return answer(fresh.eval(), look(fresh.eval(), seen.image, with_positions=seen.settings.positions))


def answer(model: nn.Module, trace: ViTTrace) -> Tensor:
    """What a model says at the end: probabilities of its classes, or the state of CLS where it has none."""
    if trace.logits is not None:
        return trace.logits.float().softmax(-1).cpu()
    with torch.inference_mode():
        return network(model).norm(trace.hidden_states[-1][0]).float().cpu()


def labels_of(model: nn.Module) -> tuple[str, ...]:
    """The names of a model's classes, up to their first comma; none for a model without a classifier."""
    if getattr(model, "classifier", None) is None:
        return ()
    names = model.config.id2label
    return tuple(names[i].split(",")[0] for i in range(len(names)))


def prepare(loaded: Loaded, picture: Image.Image, settings: Settings) -> Tensor:
    """The picture as the model gets it: its middle square, resized by the model's own reader, shifted.

    A shift by some pixels repeats the picture's edge where nothing comes after it.
    """
    side = max(1, round(min(picture.size) * settings.crop / 100))
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    image = loaded.reader(images=square, return_tensors="pt")["pixel_values"][0]
    return shifted(image, settings.right, settings.down)


def shifted(image: Tensor, right: int, down: int) -> Tensor:
    """The picture [C, H, W] moved by whole pixels, its edge repeated."""
    _, height, width = image.shape
    rows = (torch.arange(height) - down).clamp(0, height - 1)
    columns = (torch.arange(width) - right).clamp(0, width - 1)
    return image[:, rows][:, :, columns]


def pixels_of(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """A normalised picture [3, H, W] in colours: [H, W, 3], 0 to 255."""
    colours = image.permute(1, 2, 0) * torch.tensor(std) + torch.tensor(mean)
    return (colours * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def painted(seen: Seen, paint: np.ndarray) -> Tensor:
    """The run's picture under paint: [H, W, 4] from 0 to 255, red, green, blue and how much they cover."""
    cover = torch.from_numpy(paint[..., 3:].astype(np.float32) / 255).permute(2, 0, 1)
    colour = torch.from_numpy(paint[..., :3].astype(np.float32) / 255)
    ours = ((colour - torch.tensor(seen.mean)) / torch.tensor(seen.std)).permute(2, 0, 1)
    return seen.image * (1 - cover) + ours * cover


def on_cpu(trace: ViTTrace) -> ViTTrace:
    """The trace in float32 where numpy and the page can use it."""
    parts = {name: value.float().cpu() for name, value in vars(trace).items() if _is_float(value)}
    return replace(trace, **parts)


def _is_float(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


@contextmanager
def _ready(settings: Settings) -> Iterator[Loaded]:
    (spec,) = CHOICES[settings.model]
    with memory_for(spec), load(spec) as loaded, threads_for(spec):
        yield loaded
