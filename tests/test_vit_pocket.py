"""The pocket Vision Transformer as it is shipped: its shapes, its card, and that it sees."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demos.kit.torchvision_shim import register_missing_operators

register_missing_operators()

from transformers import ViTForImageClassification, ViTImageProcessor  # noqa: E402

ASSETS = Path(__file__).parents[1] / "assets"
FOLDER, EMOJI = ASSETS / "pocket" / "cifar-vit", ASSETS / "samples" / "emoji"
CARD = json.loads((FOLDER / "card.json").read_text())
# CIFAR-10's classes of which the gallery has the very thing. No drawing was trained on.
DRAWN = {
    "airplane": "airplane", "automobile": "automobile", "bird": "bird", "cat face": "cat", "deer": "deer",
    "dog face": "dog", "frog": "frog", "horse": "horse", "ship": "ship",
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return ViTForImageClassification.from_pretrained(FOLDER, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def processor():
    return ViTImageProcessor.from_pretrained(FOLDER)


def test_it_is_the_lectures_figure_and_small(model):
    assert model.num_parameters() == CARD["parameters"] <= 3_000_000
    assert model.vit.embeddings.position_embeddings.shape[1] == 65  # 64 patches and CLS
    assert model.vit.embeddings.patch_embeddings.projection.kernel_size == (4, 4)
    assert all(file.stat().st_size < 10e6 for file in FOLDER.iterdir())


def test_the_processor_does_what_the_recipe_did(processor):
    values = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    got = processor(Image.fromarray(values), return_tensors="pt").pixel_values[0]
    want = (torch.from_numpy(values).permute(2, 0, 1) / 255 - 0.5) / 0.5
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


@torch.no_grad()
def test_it_knows_things_that_are_drawn(model, processor):
    """By chance 5 or more of 9 would be right in 1 of 1100 cases: P(X >= 5), X ~ Binomial(9, 0.1)."""
    gallery = json.loads((EMOJI / "gallery.json").read_text(encoding="utf-8"))
    sheet = Image.open(EMOJI / "gallery.png")
    right = 0
    for number, row in enumerate(gallery):
        if row["label"] in DRAWN:
            left, top = number % 20 * 64, number // 20 * 64
            cell = sheet.crop((left, top, left + 64, top + 64))
            paper = Image.new("RGB", (64, 64), "white")
            paper.paste(cell, mask=cell)
            logits = model(**processor(paper, return_tensors="pt")).logits[0]
            right += model.config.id2label[int(logits.argmax())] == DRAWN[row["label"]]
    assert right >= 5
