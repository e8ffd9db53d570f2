"""The Vision Transformer's page: what it shows beside the algorithm, transformers and Pillow."""

import base64

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    ViTForImageClassification,
    ViTImageProcessor,
)

from demos.kit import hub, models
from demos.kit.inputs import InputError
from demos.kit.models import POCKET, Shelf
from demos.vision_transformer import controls, figures, handlers, words, work
from demos.vision_transformer.algorithm import look
from demos.vision_transformer.controls import SAMPLES, SOURCES, TRIES, Settings, settings_of, start
from demos.vision_transformer.embedding import similarity
from demos.vision_transformer.handlers import LESSON
from demos.vision_transformer.panels import PANELS, STAGES
from demos.vision_transformer.relevance import relevance, rollout
from tests.test_speech_page import unpacked

POCKET_NAME, DINO_NAME = next(iter(controls.CHOICES)), "DINOv2 small, with registers"


@pytest.fixture(scope="module")
def model():
    model = ViTForImageClassification.from_pretrained(
        POCKET / "cifar-vit", dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def processor():
    return ViTImageProcessor.from_pretrained(POCKET / "cifar-vit")


def seen(**changes) -> work.Seen:
    given = start(**changes)
    name, picture = controls.picture_of(given.pop("source"), given.pop("own"))
    return work.see(settings_of(name, **given), picture.image)


def square(name: str) -> Image.Image:
    _, picture = controls.picture_of(name, None)
    image, side = picture.image, min(picture.image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


@pytest.fixture
def tiny_dino(monkeypatch):
    """A model without classes and with registers, in the place of the hub's."""

    def read(spec, device, dtype):
        torch.manual_seed(0)
        config = Dinov2WithRegistersConfig(
            image_size=42, patch_size=7, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
            attn_implementation="eager", num_register_tokens=4,
        )  # fmt: skip
        reader = ViTImageProcessor(size={"height": 42, "width": 42})
        return Dinov2WithRegistersModel(config).eval().requires_grad_(False), reader

    monkeypatch.setattr(models, "SHELF", Shelf(models.budget, read))
    monkeypatch.setattr(hub, "on_disk", lambda spec: True)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_run_is_what_transformers_makes_of_the_middle_square(model, processor, name):
    run = seen(source=name)
    inputs = processor(images=square(name), return_tensors="pt")
    want = model(**inputs, output_attentions=True)
    torch.testing.assert_close(run.trace.logits, want.logits[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(run.trace.attentions, torch.cat(want.attentions), rtol=0, atol=1e-6)
    torch.testing.assert_close(run.answer, want.logits[0].softmax(-1), rtol=0, atol=1e-5)
    assert torch.equal(run.answer, run.untouched) and torch.equal(run.answer, run.in_order)
    # Pillow's own resizing, in whole numbers
    small = np.asarray(square(name).resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(run.pixels.astype(int) - small).max() <= 2


def test_a_crop_keeps_the_middle(model, processor):
    run = seen(source="A flower, photograph", crop=50)
    whole = square("A flower, photograph")
    side = round(whole.width * 0.5)
    edge = (whole.width - side) // 2
    inner = whole.crop((edge, edge, edge + side, edge + side))
    want = model(**processor(images=inner, return_tensors="pt")).logits[0]
    assert (run.trace.logits - want).abs().max() < 0.5 * (run.trace.logits - run_logits(model)).abs().max()
    assert not torch.equal(run.answer, run.untouched)
    torch.testing.assert_close(run.untouched, seen(source="A flower, photograph").answer)


def run_logits(model):
    return model(**ViTImageProcessor.from_pretrained(POCKET / "cifar-vit")(
        images=square("A flower, photograph"), return_tensors="pt"
    )).logits[0]  # fmt: skip


def test_a_shift_moves_the_pixels_and_repeats_the_edge():
    plain, run = seen().pixels, seen(right=3, down=-2).pixels
    assert np.array_equal(run[:-2, 3:], plain[2:, :-3])
    assert (run[:-2, :3] == plain[2:, :1]).all() and (run[-2:, 3:] == plain[-1:, :-3]).all()


def test_without_positions_a_shuffle_changes_nothing_and_with_them_it_does():
    bag = seen(positions=False, shuffle=True)
    assert (bag.answer - bag.in_order).abs().max() < 1e-4 < (bag.answer - bag.untouched).abs().max()
    key, evidence = words.outcome(bag, False, True)
    assert key == "none" and evidence.startswith("Shuffling changed no probability by more than")
    placed = seen(shuffle=True)
    assert (placed.answer - placed.in_order).abs().max() > 1e-2
    assert torch.equal(placed.in_order, placed.untouched)
    assert words.outcome(placed, True, True) == words.outcome(seen(), True, False) == (None, "")
    other = seen(shuffle=True, seed=2)
    assert not torch.equal(other.image, placed.image)
    sums = [sorted(run.trace.patches.sum(1).tolist()) for run in (seen(), placed, other)]
    assert sums[0] == sums[1] == sums[2]  # the same patches, at other places


def test_the_verdict_would_say_so_if_a_shuffle_did_change_the_answer():
    bag = seen(positions=False, shuffle=True)
    for moved, key in ((0.05, "some"), (0.5, "all")):
        other = bag.in_order.clone()
        other[0] += moved
        object.__setattr__(bag, "answer", other)
        assert words.outcome(bag, False, True)[0] == key


def test_the_pictures_hold_the_trace():
    run = seen(source="A deer")
    view = figures.view(run, "key", "A deer", POCKET_NAME)
    got, trace, facts = unpacked(view.main), run.trace, view.main.facts
    assert np.array_equal(got["pixels"], run.pixels)
    for name in ("patches", "projected", "positions", "sequence"):
        want = getattr(trace, name).numpy()
        np.testing.assert_allclose(got[name], want, rtol=1e-3, atol=1e-3 * np.abs(want).max())
    np.testing.assert_allclose(got["rollout"], rollout(trace.attentions), rtol=1e-3, atol=1e-5)
    for name, vectors in (
        ("alike_positions", trace.positions[1:]),
        ("alike_with", trace.sequence[1:]),
        ("alike_without", trace.projected),
    ):
        np.testing.assert_allclose(got[name], similarity(vectors), atol=1e-3)
    assert len(view.layers) == len(trace.attentions)
    for packed, A in zip(view.layers, trace.attentions, strict=True):
        np.testing.assert_allclose(unpacked(packed)["A"], A, rtol=1e-3, atol=1e-6)
    assert (facts["rows"], facts["columns"], facts["patch"], facts["registers"]) == (8, 8, 4, 0)
    assert [bar["label"] for bar in facts["bars"]] == list(run.labels)  # all ten, in their order
    assert [bar["now"] for bar in facts["bars"]] == pytest.approx(run.answer.tolist())
    assert all(bar["ordered"] is None for bar in facts["bars"])
    bag = seen(shuffle=True)
    shown = figures.view(bag, "key", "x", "y").main.facts["bars"]
    assert [bar["ordered"] for bar in shown] == pytest.approx(bag.in_order.tolist())
    assert facts["likeness"] is None and facts["with_positions"]
    assert not figures.view(seen(positions=False), "key", "x", "y").main.facts["with_positions"]


def test_of_many_classes_the_likeliest_of_both_are_shown():
    generator = torch.Generator().manual_seed(0)
    before, now = (torch.randn(30, generator=generator).softmax(-1) for _ in range(2))
    shown = figures.bars(before, now, tuple(map(str, range(30))))
    most = [max(float(before[i]), float(now[i])) for i in range(30)]
    assert [bar["class"] for bar in shown] == sorted(range(30), key=lambda i: -most[i])[:10]
    assert shown[0]["untouched"] == pytest.approx(float(before[shown[0]["class"]]))


def test_caption_and_formula_say_the_numbers_of_the_run():
    run = seen(source="A frog")
    said = words.caption(run, ("Something was changed.",), POCKET_NAME)
    assert said.startswith("ℹ Something was changed. CIFAR ViT got 32 × 32 pixels, cut into 8 × 8 =")
    for part in ("**64 patches** of 4·4·3 = 48 numbers", "**65 vectors** of 192", "6 layers of 3 heads"):
        assert part in said
    assert f"**frog, {float(run.answer[6]):.0%}**" in said and "untouched" not in said
    assert "of the untouched picture it said frog" in words.caption(seen(source="A frog", crop=30), (), "x")
    numbers = words.formula(run)
    for part in (r"32\cdot32", "=64", r"192\times48", r"6\cdot3\cdot65^2=76{,}050", r"1+0+64=65"):
        assert part in numbers.replace(r"32\cdot 32", r"32\cdot32"), part


def test_hidden_patches_and_paint_change_the_answer(model):
    key, run = work.RUNS.run(seen().settings, seen)
    same = handlers.change({"key": key, "hidden": [], "paint": None})
    assert [bar["now"] for bar in same["bars"]] == pytest.approx(run.answer.tolist(), abs=1e-5)
    hidden = handlers.change({"key": key, "hidden": [3, 40]})
    kept = [i for i in range(64) if i not in (3, 40)]
    want = look(model, run.image, kept=kept).logits.softmax(-1)
    assert [bar["now"] for bar in hidden["bars"]] == pytest.approx(want.tolist(), abs=1e-5)
    assert [bar["untouched"] for bar in hidden["bars"]] == pytest.approx(run.untouched.tolist())
    green = np.zeros((32, 32, 4), np.uint8)
    green[:, :16] = (0, 255, 0, 255)
    painted = handlers.change({"key": key, "hidden": [], "paint": base64.b64encode(green).decode()})
    image = run.image.clone()
    image[:, :, :16] = torch.tensor([-1.0, 1.0, -1.0])[:, None, None]
    want = model(pixel_values=image[None]).logits[0].softmax(-1)
    assert [bar["now"] for bar in painted["bars"]] == pytest.approx(want.tolist(), abs=1e-5)


def test_relevance_and_occlusion_by_request(model):
    key, run = work.RUNS.run(seen(source="A swan").settings, lambda: seen(source="A swan"))
    said = handlers.explain({"key": key, "target": 2})
    got = np.frombuffer(base64.b64decode(said["map"]), "<f4")
    want = relevance(model, look(model, run.image), 2).relevance[0, 1:]
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert said["words"] == f"for bird ({float(run.answer[2]):.0%})"
    got = handlers.occlude({"key": key, "target": 2, "hidden": [0], "asked": [5, 63]})["probabilities"]
    for patch, probability in zip((5, 63), got, strict=True):
        kept = [i for i in range(64) if i not in (0, patch)]
        want = float(look(model, run.image, kept=kept).logits.softmax(-1)[2])
        assert probability == pytest.approx(want, abs=1e-5)
    black = np.zeros((32, 32, 4), np.uint8)
    black[..., 3] = 255
    asked = {"key": key, "target": 2, "hidden": [], "asked": [1], "paint": base64.b64encode(black).decode()}
    want = look(model, torch.full((3, 32, 32), -1.0), kept=[i for i in range(64) if i != 1]).logits
    got = handlers.occlude(asked)["probabilities"][0]
    assert got == pytest.approx(float(want.softmax(-1)[2]), abs=1e-5)


def test_other_models_are_asked_or_said_to_be_absent():
    key, run = work.RUNS.run(seen().settings, seen)
    fresh, pocket, *others = handlers.compare({"key": key})["rows"]
    assert pocket["model"] == POCKET_NAME and "CIFAR-10" in pocket["how"]
    top = run.answer.topk(3)
    assert pocket["top"] == [[run.labels[i], pytest.approx(p)] for p, i in zip(*map(list, top), strict=True)]
    assert fresh["model"] == f"{POCKET_NAME}, untrained" and fresh["top"] != pocket["top"]
    assert max(p for _, p in fresh["top"]) < 0.3  # ten classes, and no idea of any
    assert len(others) == 3 and all("Not on this machine" in row["how"] and not row["top"] for row in others)


@pytest.mark.parametrize(
    ("function", "request_", "sentence"),
    [
        (handlers.change, {"key": None}, "A request must name the key of a run; got {'key': None}."),
        (handlers.change, {"key": "x"}, "This run is no longer kept"),
        (handlers.change, {"hidden": [64]}, r"hidden must be a list of patches from 0 to 63; got \[64\]"),
        (handlers.change, {"hidden": "all"}, "hidden must be a list of patches from 0 to 63; got 'all'"),
        (handlers.change, {"hidden": [True]}, "hidden must be a list"),
        (handlers.change, {"hidden": [], "paint": "AAAA"}, "Paint must be base64 of 32 x 32 x 4 bytes; 3"),
        (handlers.change, {"hidden": [], "paint": "?"}, "Paint must be base64 of 32 x 32 x 4 bytes; 0"),
        (handlers.explain, {"target": 10}, "target must be a class from 0 to 9; got 10"),
        (handlers.explain, {}, "target must be a class from 0 to 9; got None"),
        (handlers.occlude, {"target": 1, "hidden": [], "asked": [-1]}, "asked must be a list of patches"),
        (handlers.compare, {"key": 3}, "A request must name the key of a run; got {'key': 3}."),
    ],
)
def test_a_request_that_cannot_be_says_why(function, request_, sentence):
    if isinstance(request_, dict) and "key" not in request_:
        request_ = {"key": work.RUNS.run(seen().settings, seen)[0], **request_}
    said = function(request_)
    assert set(said) == {"error"}
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(said["error"])


def test_a_model_without_classes_is_compared_by_its_cls(tiny_dino):
    remark, view, caption, formula, verdict = handlers.run(
        **start(model=DINO_NAME, positions=False, shuffle=True), answer="none"
    )
    assert remark == "" and view["bars"] == [] and view["registers"] == 4 and view["rows"] == 6
    run = work.RUNS.find(view["key"])
    want = torch.cosine_similarity(run.untouched, run.answer, dim=0)
    assert view["likeness"] == pytest.approx(float(want), abs=1e-6) and abs(view["likeness"]) < 0.9999
    assert f"**{view['likeness']:.3f}**" in caption and "4 registers" in caption
    assert r"1+4+36=41" in formula
    assert "✓ As you said" in verdict and "The cosine between CLS before and after the shuffle is" in verdict
    said = handlers.change({"key": view["key"], "hidden": [1, 2]})
    assert said["bars"] == [] and said["likeness"] < 0.9999
    for ask in (handlers.explain, handlers.occlude):
        assert ask({"key": view["key"], "target": 0})["error"].endswith("Choose one that has.")
    rows = handlers.compare({"key": view["key"]})["rows"]
    assert all(row["top"] == [] for row in rows)


def test_a_model_that_is_not_here_is_said_and_the_pocket_model_goes_on():
    remark, view, *_ = handlers.run(**start(model="ViT-Base/16"), answer=None)
    assert remark == (
        "ViT-Base/16 must be downloaded first, with the button under the models. The pocket model goes on."
    )
    assert view["model"] == POCKET_NAME and len(view["bars"]) == 10


def test_equal_requests_are_one_run_and_others_are_not():
    keys = [handlers.run(**start(**changes), answer=None)[1]["key"] for changes in ({}, {}, {"crop": 99})]
    assert keys[0] == keys[1] != keys[2]


def test_an_own_picture_is_known_by_its_content(tmp_path):
    for name, colour in (("a", "red"), ("b", "red"), ("c", "blue")):
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{name}.png")
    a, b, c = (controls.picture_of(controls.OWN, str(tmp_path / f"{n}.png"))[0] for n in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"source": "A cow"}, "The picture must be one of"),
        ({"source": controls.OWN}, "A picture is expected: upload one"),
        ({"model": "GPT"}, "The model must be one of"),
        ({"crop": 10}, "Crop must be a number from 20 to 100; got 10"),
        ({"right": None}, "Shift to the right must be a number from -16 to 16; got None"),
        ({"down": 0.5}, "Shift down must be a whole number; got 0.5"),
        ({"shuffle": True, "seed": 0}, "Which shuffle must be a number from 1 to 99; got 0"),
    ],
)
def test_settings_that_cannot_be_get_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        handlers.run(**start(**given), answer=None)


def test_a_picture_that_is_not_one_gets_one_sentence(tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(InputError, match="x.png"):
        handlers.run(**start(source=controls.OWN, own=str(tmp_path / "x.png")), answer=None)


def test_the_lesson_has_a_text_for_each_stage_and_things_to_try_that_work():
    assert tuple(LESSON.steps) == STAGES and len(TRIES) == len(LESSON.tries)
    assert set(LESSON.answers) == {"none", "some", "all"}
    for stage, changes in TRIES:
        assert 1 <= stage <= len(STAGES) and changes.keys() <= start().keys()
        handlers.run(**start(**changes), answer=None)
    assert all(PANELS.values()) and SOURCES[-1] == controls.OWN
    assert Settings("x", "y") == Settings("x", "y", True, 0, 100, 0, 0)
