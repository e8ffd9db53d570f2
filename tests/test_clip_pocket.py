"""The emoji CLIP as it is shipped: loaded by open_clip like any other, and as good as its card says."""

import json

import numpy as np
import open_clip
import pytest
import torch
from scipy.stats import binomtest

from demos.clip.algorithm import classifier, encode_images
from demos.clip.controls import SEVEN, TEMPLATES
from demos.clip.where import where
from demos.kit.gallery import cover, emoji, emoji_picture
from demos.kit.models import POCKET

FOLDER = POCKET / "emoji-clip"
CARD = json.loads((FOLDER / "card.json").read_text())


@pytest.fixture(scope="module")
def loaded():
    name = f"local-dir:{FOLDER}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    pictures = torch.stack([preprocess(emoji_picture(row.number)) for row in emoji()])
    model = model.eval().requires_grad_(False)
    return model, tokenizer, pictures, encode_images(model, pictures)


def test_the_config_is_that_of_the_contract(loaded):
    model, _, pictures, _ = loaded
    assert pictures.shape == (300, 3, 64, 64) and model.visual.grid_size == (8, 8)
    count = sum(p.numel() for p in model.parameters())
    assert count == CARD["parameters"] and 2e6 <= count <= 6e6
    assert float(model.logit_scale.exp()) == pytest.approx(CARD["logit_scale"], rel=1e-3)
    assert float(model.logit_scale.exp()) <= 100.5  # float16 on disk
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10e6
    assert len(SEVEN) == 7 and list(TEMPLATES.values())[2] == SEVEN


def test_a_text_is_read_at_its_end(loaded):
    model, tokenizer, *_ = loaded
    end = tokenizer.tokenizer.eos_token_id
    assert model.text_pool_type == "eos" and model.text_eos_id == end
    ids = tokenizer(["a red apple", "word " * 90])
    assert ((ids == end).sum(1) == 1).all() and int(ids[1, -1]) == end
    at = int((ids[0] == end).nonzero())
    kept = []
    handle = model.ln_final.register_forward_hook(lambda module, given, out: kept.append(out))
    features = model.encode_text(ids[:1])
    handle.remove()
    torch.testing.assert_close(kept[0][:, at] @ model.text_projection, features)


def test_the_card_keeps_what_the_contract_asks():
    for kind in ("bare_label", "ensemble_of_7"):
        scores = CARD["test"][kind]
        assert scores["image_to_text_top1"] >= 0.25 and scores["image_to_text_top5"] >= 0.5
        assert scores["text_to_image_top1"] >= 0.25 and scores["text_to_image_top5"] >= 0.5
    assert CARD["test"]["pictures"] == 330 and CARD["test"]["labels"] == 1915
    assert CARD["command"].startswith("python -m training.clip --size ")


@pytest.mark.parametrize("kind, templates", [("bare_label", ("{}",)), ("ensemble_of_7", SEVEN)])
def test_pictures_it_never_saw_find_their_label_as_often_as_the_card_says(loaded, kind, templates):
    """Of the 330 pictures of the card 150 are in the gallery. Among 300 labels, and not 1915, they must be
    found at least as often, but for the chance of which pictures these are."""
    model, tokenizer, _, features = loaded
    texts = classifier(model, tokenizer, [row.label for row in emoji()], templates)
    held = torch.tensor([row.held_out for row in emoji()])
    right = (features @ texts.T).argmax(1) == torch.arange(300)
    share = CARD["test"][kind]["image_to_text_top1"]
    assert held.sum() == 150
    assert binomtest(int(right[held].sum()), 150, share, alternative="less").pvalue > 0.01
    assert right[~held].float().mean() > right[held].float().mean()  # what was seen is known better


def test_plain_patches_are_inverted_and_both_repairs_are_not(loaded):
    """Over the drawings whose thing and ground are known: on which is the map brighter?"""
    model, tokenizer, pictures, _ = loaded
    texts = classifier(model, tokenizer, [row.label for row in emoji()])
    brighter = {"surgery": [], "gradient": [], "plain": []}
    for row in emoji()[::3]:
        covered = cover(row.number, 8, 8).flatten()
        on, off = covered > 0.7, covered < 0.1
        if on.sum() < 4 or off.sum() < 4:
            continue
        maps = where(model, pictures[row.number], texts[row.number], texts)
        for name, found in brighter.items():
            values = getattr(maps, name).numpy()
            found.append(values[on].mean() > values[off].mean())
    n = len(brighter["plain"])
    assert n > 60
    for name in ("surgery", "gradient"):
        assert binomtest(int(np.sum(brighter[name])), n, 0.5, alternative="greater").pvalue < 1e-4, name
    assert binomtest(int(np.sum(brighter["plain"])), n, 0.5, alternative="less").pvalue < 0.05
