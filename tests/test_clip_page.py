"""The CLIP page: what it shows beside open_clip, and every input that cannot be."""

import base64
import html
import math

import gradio as gr
import numpy as np
import open_clip
import pytest
import torch
from PIL import Image, ImageDraw

from demos.clip import controls, figures, handlers, questions, words, work
from demos.clip.algorithm import contrast_of
from demos.clip.controls import LABELS, MORE, START, TEMPLATES, start_pairs
from demos.clip.handlers import LESSON
from demos.clip.panels import PANELS, STAGES
from demos.clip.where import where
from demos.kit import hub, models
from demos.kit.clips import read
from demos.kit.collection import PHOTOGRAPHS, keep, picture_of, thumb
from demos.kit.gallery import emoji, emoji_picture, number_of
from demos.kit.images import Picture
from demos.kit.inputs import InputError
from demos.kit.models import POCKET, Shelf
from tests.test_speech_page import unpacked
from tests.tiny_clip import write_tiny_clip

MODEL, SIGLIP = next(iter(controls.CHOICES)), "SigLIP ViT-B/16"
VISITOR = gr.Request(session_hash="visitor")
BARE, ONE, SEVEN = TEMPLATES


@pytest.fixture(scope="module")
def clip():
    name = f"local-dir:{POCKET / 'emoji-clip'}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    return model.eval().requires_grad_(False), preprocess, open_clip.get_tokenizer(name)


@pytest.fixture
def tiny_siglip(monkeypatch, tmp_path):
    """A model with a bias and another tower, in the place of the hub's."""
    write_tiny_clip(tmp_path, "siglip")
    shelf = Shelf(models.budget, lambda spec, device, dtype: read(tmp_path, spec.title, dtype))
    monkeypatch.setattr(models, "SHELF", shelf)
    monkeypatch.setattr(hub, "on_disk", lambda spec: True)
    monkeypatch.setattr(work, "FEATURES", type(work.FEATURES)(10**8, 100, lambda features: features.nbytes))


def name_of(label: str) -> str:
    return f"emoji {number_of(label)}"


def run(pairs=None, model=MODEL, answer=None):
    return handlers.run(None if pairs is None else {"pairs": pairs}, model, answer)


def theirs(clip, pairs):
    model, preprocess, tokenizer = clip
    images = torch.stack([preprocess(picture_of(pair["picture"])) for pair in pairs])
    return model.get_logits(images, tokenizer([pair["caption"] for pair in pairs]))[0]


def test_a_run_is_what_open_clip_makes_of_the_pairs(clip):
    pairs = [*start_pairs(), {"picture": "photo bus", "caption": "a red bus"}]
    asked = work.compare(MODEL, [picture_of(p["picture"]) for p in pairs], [p["caption"] for p in pairs])
    torch.testing.assert_close(asked.trace.logits, theirs(clip, pairs), rtol=0, atol=1e-4)
    remark, view, caption, formula, _ = run(pairs)
    assert remark == "" and view["kind"] == "run" and view["model"] == MODEL and view["pocket"]
    assert [p["caption"] for p in view["pairs"]] == [p["caption"] for p in pairs]
    assert view["pairs"][0]["thumb"] is None and view["pairs"][4]["thumb"].startswith("data:image/png")
    logits = theirs(clip, pairs)
    rows = torch.nn.functional.cross_entropy(logits, torch.arange(5))
    columns = torch.nn.functional.cross_entropy(logits.T, torch.arange(5))
    right = int((logits.argmax(1) == torch.arange(5)).sum())
    for part in (
        f"**{right} of 5**",
        f"loss of rows is {rows:.3f}, of columns {columns:.3f}",
        f"**{(rows + columns) / 2:.3f}**; by chance it would be ln 5 = {math.log(5):.2f}",
    ):
        assert part in caption, (part, caption)
    assert f"{float(logits.softmax(1)[0, 0]):.4f}" in formula and r"\ln 5=1.6094" in formula


def test_the_pictures_hold_the_trace():
    pairs = start_pairs()
    done = work.compare(MODEL, [picture_of(p["picture"]) for p in pairs], [p["caption"] for p in pairs])
    packed = figures.run_view(done.trace, "key", MODEL, pairs)
    np.testing.assert_allclose(unpacked(packed)["cosine"], done.trace.cosine, atol=1e-6)
    assert packed.facts["t"] == done.trace.t and packed.facts["bias"] is None
    code = {row["line"]: row for row in packed.facts["code"]}
    assert code["I_f = image_encoder(I)"]["shape"] == "4 × 192"
    assert code["logits = I_e · T_eᵀ · exp(t)"]["shape"] == "4 × 4"
    assert code["loss = (loss_i + loss_t) / 2"]["values"] == f"{done.trace.loss:.4f}"
    first = ", ".join(f"{v:.3f}" for v in done.trace.logits[0].tolist())
    assert code["logits = I_e · T_eᵀ · exp(t)"]["values"].startswith(first)


def test_more_pairs_raise_the_loss_of_the_first_four(clip):
    pairs = start_pairs((*START, *MORE))
    *_, verdict = run(pairs, answer="rises")
    logits = theirs(clip, pairs)
    labels = torch.arange(4)
    few = logits[:4, :4]
    before = (
        torch.nn.functional.cross_entropy(few, labels) + torch.nn.functional.cross_entropy(few.T, labels)
    ) / 2
    now = (
        torch.nn.functional.cross_entropy(logits[:4], labels)
        + torch.nn.functional.cross_entropy(logits.T[:4], labels)
    ) / 2
    assert verdict.startswith("**✓ As you said**") and now > before
    assert f"loss of {before:.3f}; among all 16 theirs is {now:.3f}" in verdict
    assert run()[4] == ""  # four pairs say nothing about it


def test_the_verdict_follows_the_numbers():
    I_e = torch.eye(12)
    same = contrast_of(I_e, I_e, math.log(100))  # nothing to confuse
    assert words.outcome(same)[0] == "same"
    assert words.outcome(contrast_of(I_e, I_e, 0.0))[0] == "rises"
    assert words.outcome(contrast_of(I_e[:11], I_e[:11], 0.0)) == (None, "")


def test_a_wrong_caption_costs(clip):
    pairs = start_pairs()
    swapped = [dict(pair) for pair in pairs]
    swapped[0]["caption"], swapped[1]["caption"] = pairs[1]["caption"], pairs[0]["caption"]
    before, after = (
        work.RUNS.run(("test", str(p)), lambda p=p: work.compare(
            MODEL, [picture_of(x["picture"]) for x in p], [x["caption"] for x in p]
        ))[1].trace.loss
        for p in (pairs, swapped)
    )  # fmt: skip
    assert after > before + 1


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ("none", "Pairs of a picture and a caption are expected; got 'none'"),
        ([{"picture": 3, "caption": "x"}] * 3, "Pairs of a picture and a caption are expected"),
        (start_pairs()[:2], "3 to 16 pairs are expected; got 2"),
        (
            [{"picture": "emoji 1", "caption": str(n)} for n in range(17)],
            "3 to 16 pairs are expected; got 17",
        ),
        ([*start_pairs(), {"picture": "emoji 1", "caption": " "}], "Caption 5 of at least one character"),
        (
            [*start_pairs(), {"picture": "emoji 1", "caption": "Fox"}],
            "Captions must differ.*2 and 5 are both",
        ),
        (
            [*start_pairs(), {"picture": "emoji 1", "caption": "x" * 1001}],
            "at most 1,000 characters.*got 1,001",
        ),
        (
            [*start_pairs(), {"picture": "emoji 1", "caption": "fox "}],
            "Captions must differ.*2 and 5 are both",
        ),
        ([*start_pairs(), {"picture": "emoji 300", "caption": "x"}], "A picture of the app.*got 'emoji 300'"),
        ([*start_pairs(), {"picture": "own x", "caption": "x"}], "Your own picture is no longer kept"),
    ],
)
def test_pairs_that_cannot_be_get_one_sentence(pairs, sentence):
    with pytest.raises(InputError, match=sentence):
        run(pairs)


def test_a_caption_longer_than_the_context_is_said():
    long = "a very small dog face " * 12
    pairs = [*start_pairs(), {"picture": "emoji 1", "caption": long}]
    caption = run(pairs)[2]
    with work.ready(MODEL) as loaded:
        count = loaded.reader.tokens(long.strip())
    assert count > 24 and caption.count("so the rest was not read") == 1
    assert caption.startswith(
        f"ℹ “{long[:40]}…” has {count} tokens; the model reads 24, so the rest was not read."
    )


def test_what_a_visitor_writes_is_shown_as_written():
    bad = "**b** <img src=x> $x^2$ [a](b) `c`"
    pairs = [{"picture": f"emoji {n}", "caption": f"{n} {bad}"} for n in range(3)]
    caption = run(pairs)[2]
    shown = caption.split("hardest is “")[1].split("”")[0]
    assert not set("<>*$`[") & set(shown) and html.unescape(shown)[2:].startswith(bad[:30])
    assert "“" + html.unescape(words.plain(bad)) + "”" == f"“{bad}”"
    assert words.quoted("x" * 500) == "“" + "x" * 40 + "…”"


def test_zero_shot_is_open_clips_own_classifier(clip):
    model, preprocess, tokenizer = clip
    picture = name_of("frog")
    image = model.encode_image(preprocess(picture_of(picture))[None], normalize=True)
    for template in TEMPLATES:
        asked = {"model": MODEL, "picture": picture, "labels": "\n".join(LABELS), "template": template}
        said = questions.zero_shot(asked)
        weights = open_clip.build_zero_shot_classifier(model, tokenizer, LABELS, TEMPLATES[template])
        want = model.logit_scale.exp() * image @ weights
        assert said["logits"] == pytest.approx(want[0].tolist(), abs=1e-4)
        assert said["softmax"] == pytest.approx(want.softmax(-1)[0].tolist(), abs=1e-5)
        assert said["labels"] == list(LABELS) and said["sigmoid"] is None and said["bias"] is None
        assert said["notices"] == []


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("", "1 to 200 labels are expected, one a line; got 0"),
        (" \n\n", "1 to 200 labels are expected, one a line; got 0"),
        ("\n".join(f"label {n}" for n in range(1000)), "1 to 200 labels are expected, one a line; got 1,000"),
        ("dog\ncat\nDog", "Labels must differ, as each takes its share; “Dog” came twice"),
        (None, "Labels, one a line, are expected; got None"),
        ("x" * 1001, "A label of at most 1,000 characters is expected; got 1,001"),
    ],
)
def test_labels_that_cannot_be_get_one_sentence(labels, sentence):
    asked = {"model": MODEL, "picture": name_of("frog"), "labels": labels, "template": BARE}
    assert sentence in questions.zero_shot(asked)["error"]


def test_a_label_longer_than_the_context_is_said():
    asked = {
        "model": MODEL,
        "picture": name_of("frog"),
        "labels": "dog\n" + "fox and " * 30,
        "template": BARE,
    }
    (notice,) = questions.zero_shot(asked)["notices"]
    assert "the model reads 24, so the rest was not read" in notice


def test_ground_finds_the_nearest_pictures(clip):
    model, preprocess, tokenizer = clip
    pictures = torch.stack([preprocess(emoji_picture(row.number)) for row in emoji()])
    features = model.encode_image(pictures, normalize=True)

    def text(words):
        return model.encode_text(tokenizer([words]), normalize=True)[0]

    dog = features[number_of("dog face")]
    for asked, query in (
        ({"words": "spoon"}, text("spoon")),
        ({"words": "cat", "plus": "red", "minus": "dog"}, text("cat") + text("red") - text("dog")),
        ({"picture": name_of("dog face"), "minus": "dog", "plus": "cat"}, dog - text("dog") + text("cat")),
        ({"picture": name_of("dog face")}, dog),
    ):
        said = questions.ground({"model": MODEL, **asked})
        scores = torch.cosine_similarity(query[None], features, dim=-1)
        if "picture" in asked:
            scores[number_of("dog face")] = -2  # itself is not asked for
        want = scores.topk(12)
        assert [row["picture"] for row in said["found"]] == [f"emoji {i}" for i in want.indices.tolist()]
        assert [row["score"] for row in said["found"]] == pytest.approx(want.values.tolist(), abs=1e-5)
        assert said["of"] == 300
    assert questions.ground({"model": MODEL, "words": "spoon"})["found"][0]["caption"] == "spoon"
    near = questions.words_of({"model": MODEL, "picture": name_of("frog")})["near"]
    texts = torch.stack([text(row.label) for row in emoji()])
    want = (texts @ features[number_of("frog")]).topk(8)
    assert [row["label"] for row in near] == [emoji()[i].label for i in want.indices.tolist()]
    assert [row["score"] for row in near] == pytest.approx(want.values.tolist(), abs=1e-5)


def test_where_is_the_algorithms_map_and_tells_thing_from_ground(clip):
    model, preprocess, tokenizer = clip
    name = name_of("frog")
    said = questions.where({"model": MODEL, "picture": name, "words": "frog"})
    text = model.encode_text(tokenizer(["frog"]), normalize=True)[0]
    others = model.encode_text(tokenizer([row.label for row in emoji()]), normalize=True)
    want = where(model, preprocess(picture_of(name)), text, others)
    for part in ("surgery", "gradient", "plain"):
        got = np.frombuffer(base64.b64decode(said[part]), "<f4")
        np.testing.assert_allclose(got, getattr(want, part), atol=1e-5)
    pixels = np.frombuffer(base64.b64decode(said["pixels"]), np.uint8).reshape(64, 64, 3)
    assert np.abs(pixels.astype(int) - np.asarray(emoji_picture(number_of("frog")))).max() <= 1
    assert (said["rows"], said["columns"]) == (8, 8) and said["score"] == pytest.approx(want.score, abs=1e-5)
    assert said["on"].startswith("On the thing, above its ground, in standard deviations: surgery ")
    maps = {"a": np.r_[np.ones(4), np.zeros(4)], "plain": np.r_[np.zeros(4), np.ones(4)]}
    covered = np.r_[np.ones(4), np.zeros(4)]
    assert words.contrast_on(maps, covered).endswith("a +2.00, plain −2.00. Here the plain map is inverted.")
    maps = {"plain": maps["a"]}
    assert words.contrast_on(maps, covered).endswith("Here the plain map is not inverted.")
    assert words.contrast_on(maps, np.ones(8)) == ""  # no ground
    assert questions.where({"model": MODEL, "picture": "photo bus", "words": "a bus"})["on"] == ""


@pytest.mark.parametrize(
    ("function", "request_", "sentence"),
    [
        (questions.ground, {"words": " "}, "Words, or the chosen picture, are expected; nothing came."),
        (questions.ground, {"words": "dog", "minus": "dog"}, "cancel out; nothing is left to look for."),
        (
            questions.ground,
            {"words": "x" * 2000},
            "A text of at most 1,000 characters is expected; got 2,000.",
        ),
        (
            questions.words_of,
            {"picture": "emoji -1"},
            "A picture of the app, or one of your own, is expected",
        ),
        (
            questions.where,
            {"picture": "emoji 1", "words": ""},
            "A text of at least one character is expected",
        ),
        (questions.where, {"picture": "emoji 1"}, "A request must say words; got"),
        (
            questions.zero_shot,
            {"picture": "emoji 1", "labels": "a", "template": "x"},
            "The template must be one of",
        ),
        (
            questions.draw,
            {"side": 16, "rgba": "AAAA"},
            "A drawing must be base64 of 16 x 16 x 4 bytes; 3 bytes",
        ),
        (
            questions.draw,
            {"side": 4, "rgba": ""},
            "The side of a drawing must be a number from 8 to 512 pixels",
        ),
    ],
)
def test_a_question_that_cannot_be_says_why(function, request_, sentence):
    said = function({"model": MODEL} | request_)
    assert set(said) == {"error"} and sentence in said["error"]


def test_a_model_that_is_not_here_is_said():
    asked = {"model": "CLIP ViT-B/32, OpenAI", "words": "spoon"}
    assert questions.ground(asked)["error"].startswith("CLIP ViT-B/32, OpenAI must be downloaded first")
    remark, view, *_ = run(model="CLIP ViT-B/32, OpenAI")
    assert remark.endswith("The pocket model goes on.") and view["model"] == MODEL
    assert questions.ground({"model": "GPT", "words": "a"})["error"].startswith("The model must be one of")


def test_a_sigmoid_scores_one_label_alone(tiny_siglip):
    asked = {"model": SIGLIP, "picture": "emoji 1", "template": BARE}
    one, two = (questions.zero_shot(asked | {"labels": labels}) for labels in ("snow", "snow\nfire"))
    assert one["softmax"] == [1.0] and one["sigmoid"][0] == pytest.approx(two["sigmoid"][0], rel=1e-4)
    z = math.exp(one["t"]) * one["cosine"][0] + one["bias"]
    assert one["bias"] == -10 and one["sigmoid"][0] == pytest.approx(1 / (1 + math.exp(-z)), rel=1e-4)
    _, view, caption, formula, _ = run(model=SIGLIP)
    assert view["bias"] == -10 and f"that loss is **{view['loss']:.3f}**" in caption
    assert view["code"][-1]["line"].startswith("SigLIP") and "-10.00" in formula
    assert view["code"][0]["values"] == "inside the tower"
    said = questions.where({"model": SIGLIP, "picture": "emoji 1", "words": "snow"})
    assert "aps are made for image towers that are a plain ViT with CLS" in said["error"]
    with pytest.raises(InputError, match="A model with two projections is expected; SigLIP"):
        next(handlers.train({"pairs": start_pairs(), "batch": "own", "seed": 0}, SIGLIP, VISITOR))


def test_training_is_shown_as_it_goes():
    states = list(handlers.train({"pairs": start_pairs(), "batch": "own", "seed": "3"}, MODEL, VISITOR))
    assert all(remark == "" and view["kind"] == "train" for remark, view in states)
    steps = [view["step"] for _, view in states]
    assert steps == [*range(0, 301, 3), 300] and states[-1][1]["end"] == "Done" and states[0][1]["end"] == ""
    assert states[-1][1]["loss"] < 0.1 * states[0][1]["loss"]
    assert states[0][1]["scale"] == pytest.approx(1 / 0.07, rel=1e-4)
    _, other = next(handlers.train({"pairs": start_pairs(), "batch": "own", "seed": 4}, MODEL, VISITOR))
    assert other["loss"] != states[0][1]["loss"]  # another start
    packed = figures.train_view(
        [step for step, _ in zip(work.steps(MODEL, [picture_of(p["picture"]) for p in start_pairs()],
         [p["caption"] for p in start_pairs()], 3, lambda: None), range(4), strict=False)], ""
    )  # fmt: skip
    got = unpacked(packed)
    assert len(got["losses"]) == len(got["scales"]) == 4 and got["along_rows"].shape == (4, 4)
    assert got["losses"][0] == pytest.approx(states[0][1]["loss"], rel=1e-5)


def test_training_on_emoji_by_chance_and_a_stop():
    pairs = controls.drawn_pairs(48, 5)
    assert len({pair.picture for pair in pairs}) == len({pair.caption for pair in pairs}) == 48
    states = handlers.train({"batch": 48, "seed": 5}, MODEL, VISITOR)
    _, first = next(states)
    assert first["parts"]["along_rows"]["shape"] == [48, 48]
    handlers.stop(VISITOR)
    *_, (_, last) = states
    assert last["end"] == "Stopped" and last["step"] < 10
    for asked, sentence in (
        ({"batch": 65, "seed": 0}, "The batch must be a number from 3 to 64; got 65"),
        ({"batch": 16, "seed": -1}, "The seed must be a number from 0 to 9999; got -1"),
        ({"batch": "own", "pairs": [], "seed": 0}, "3 to 16 pairs are expected; got 0"),
        ({"seed": 0}, "A request must say batch"),
    ):
        with pytest.raises(InputError, match=sentence):
            next(handlers.train(asked, MODEL, VISITOR))


def test_a_picture_that_is_brought_can_be_asked_about(tmp_path):
    image = Image.new("RGB", (300, 120), "teal")
    image.save(tmp_path / "teal.png")
    said = handlers.bring(str(tmp_path / "teal.png"))
    assert said["kind"] == "brought" and said["notices"] == [] and said["thumb"].startswith("data:image/png")
    assert picture_of(said["picture"]).size == (300, 120)
    assert "near" in questions.words_of({"model": MODEL, "picture": said["picture"]})
    _, view, *_ = run([*start_pairs(), {"picture": said["picture"], "caption": "teal"}])
    assert view["pairs"][4]["thumb"] == said["thumb"]
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(InputError, match="x.png"):
        handlers.bring(str(tmp_path / "x.png"))
    assert keep(Picture(image)) == keep(Picture(image.copy()))  # one picture, one name
    assert thumb("emoji 3") is None


def test_a_drawing_is_taken_and_an_empty_sheet_is_not():
    sheet = Image.new("RGBA", (64, 64), "white")
    empty = questions.draw({"model": MODEL, "side": 64, "rgba": base64.b64encode(sheet.tobytes()).decode()})
    assert empty == {"error": "A drawing is expected; the sheet is all white."}
    ImageDraw.Draw(sheet).ellipse((10, 10, 50, 50), fill="red")
    said = questions.draw({"model": MODEL, "side": 64, "rgba": base64.b64encode(sheet.tobytes()).decode()})
    assert np.array_equal(np.asarray(picture_of(said["picture"])), np.asarray(sheet.convert("RGB")))


def test_the_lesson_has_a_text_for_each_stage_and_every_name_is_there():
    assert tuple(LESSON.steps) == STAGES and len(LESSON.tries) == 3 and all(PANELS.values())
    assert set(LESSON.answers) == {"falls", "same", "rises"}
    assert len(start_pairs((*START, *MORE))) == controls.MOST_PAIRS
    for name in PHOTOGRAPHS:
        assert picture_of(f"photo {name}").mode == "RGB"
