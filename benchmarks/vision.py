"""`look`, which keeps everything, against the bare forward; zero-shot labels against open_clip's own path."""

from collections.abc import Iterator

import torch

from benchmarks.timing import Row, interleaved
from demos.clip.algorithm import classifier, zero_shot
from demos.clip.controls import SEVEN
from demos.kit.gallery import emoji, emoji_picture
from demos.kit.models import load
from demos.kit.passes import threads_for
from demos.kit.torchvision_shim import register_missing_operators
from demos.kit.zoo import MODELS
from demos.vision_transformer.algorithm import look

register_missing_operators()  # before transformers is imported

import open_clip  # noqa: E402
from transformers import ViTConfig, ViTForImageClassification  # noqa: E402

GOAL = 1.5


def rows() -> Iterator[Row]:
    spec = MODELS["cifar-vit"]
    with load(spec) as loaded, threads_for(spec):
        yield _row("look, pocket model", loaded.model, rounds=100)
    yield _zero_shot()
    torch.manual_seed(0)
    base = ViTForImageClassification(ViTConfig(num_labels=1000)).eval()  # time does not depend on weights
    yield _row("look, a model of ViT-Base's size", base, rounds=15)


def _zero_shot() -> Row:
    """One picture, 100 labels in 7 templates, whose features both keep from the last picture."""
    spec, labels = MODELS["emoji-clip"], [row.label for row in emoji()[:100]]
    with load(spec) as loaded, threads_for(spec):
        model, tokenizer = loaded.model, loaded.reader.tokenizer
        image = loaded.reader.preprocess(emoji_picture(0))[None]
        ours = classifier(model, tokenizer, labels, SEVEN)
        theirs = open_clip.build_zero_shot_classifier(model, tokenizer, labels, SEVEN)

        @torch.inference_mode()
        def path():
            features = model.encode_image(image, normalize=True)
            return (model.logit_scale.exp() * features @ theirs).softmax(-1)

        calls = {
            "ours": lambda: zero_shot(model, tokenizer, image, labels, text_features=ours),
            "theirs": path,
        }
        took = interleaved(calls, rounds=200)
    what = "zero_shot, 100 labels x 7 templates, cached"
    return Row(what, "open_clip's classifier path, cached", took["ours"], took["theirs"], "ms", 1.1)


def _row(what: str, model: ViTForImageClassification, rounds: int) -> Row:
    side = model.config.image_size
    image = torch.randn(3, side, side)

    def bare():
        with torch.inference_mode():
            model(pixel_values=image[None])

    took = interleaved({"ours": lambda: look(model, image), "bare": bare}, rounds)
    return Row(what, "transformers' forward, nothing kept", took["ours"], took["bare"], "ms", GOAL)
