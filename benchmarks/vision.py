"""`look`, which keeps everything between picture and answer, against the model's own bare forward."""

from collections.abc import Iterator

import torch

from benchmarks.timing import Row, interleaved
from demos.kit.models import load
from demos.kit.passes import threads_for
from demos.kit.torchvision_shim import register_missing_operators
from demos.kit.zoo import MODELS
from demos.vision_transformer.algorithm import look

register_missing_operators()  # before transformers is imported

from transformers import ViTConfig, ViTForImageClassification  # noqa: E402

GOAL = 1.5


def rows() -> Iterator[Row]:
    spec = MODELS["cifar-vit"]
    with load(spec) as loaded, threads_for(spec):
        yield _row("look, pocket model", loaded.model, rounds=100)
    torch.manual_seed(0)
    base = ViTForImageClassification(ViTConfig(num_labels=1000)).eval()  # time does not depend on weights
    yield _row("look, a model of ViT-Base's size", base, rounds=15)


def _row(what: str, model: ViTForImageClassification, rounds: int) -> Row:
    side = model.config.image_size
    image = torch.randn(3, side, side)

    def bare():
        with torch.inference_mode():
            model(pixel_values=image[None])

    took = interleaved({"ours": lambda: look(model, image), "bare": bare}, rounds)
    return Row(what, "transformers' forward, nothing kept", took["ours"], took["bare"], "ms", GOAL)
