"""The CLIP page as a student uses it."""

import math
import re

import pytest
import torch
from open_clip import build_zero_shot_classifier
from open_clip.loss import ClipLoss
from PIL import Image
from playwright.sync_api import expect

from demos.clip import controls, work
from demos.clip.panels import PANELS, STAGES
from demos.kit.collection import picture_of
from tests.browser.views import COLOURS, PICTURE, canvas, run_key, wait_for_another_run

pytestmark = pytest.mark.browser
MODEL, SEVEN = next(iter(controls.CHOICES)), list(controls.TEMPLATES)[2]


@pytest.fixture
def clip(open_page):
    """The page with its first result drawn."""

    def open_clip(**options):
        page = open_page("?topic=clip", ready="#clip-view [data-run]", **options)
        page.wait_for_timeout(400)
        return page

    return open_clip


def trace(pairs):
    pictures = [picture_of(pair["picture"]) for pair in pairs]
    return work.compare(MODEL, pictures, [pair["caption"] for pair in pairs]).trace


def cells(page):
    rows = page.locator("#clip-view .matrix tr").all()[1:]
    return [[float(c.replace("−", "-")) for c in row.locator("td").all_inner_texts()] for row in rows]


def test_a_first_result_stands_there_before_anyone_clicks(clip):
    page = clip()
    expect(page.locator("#clip-caption")).to_contain_text("compared 4 pictures with 4 captions")
    assert page.locator("#clip-view .pair").count() == 4
    run = trace(controls.start_pairs())
    for row, want in zip(cells(page), (100 * run.along_rows).tolist(), strict=True):
        assert row == pytest.approx(want, abs=0.51)
    expect(page.locator("#clip-view .losses .mean")).to_have_text(f"{run.loss:.3f}")


def test_the_page_computes_what_open_clip_computes_for_another_temperature(clip):
    page = clip()
    run = trace(controls.start_pairs())
    for position in (0, 300, 1000):
        page.locator("#clip-view .scale").fill(str(position))
        scale = math.exp(position / 1000 * math.log(100))
        want = float(ClipLoss()(run.image_features, run.text_features, scale))
        expect(page.locator("#clip-view .losses .mean")).to_have_text(f"{want:.3f}")
        logits = scale * run.cosine
        for kind, numbers, slack in (
            ("rows", 100 * logits.softmax(1), 0.51),
            ("columns", 100 * logits.softmax(0), 0.51),
            ("cosine", run.cosine, 0.006),
            ("logits", logits, 0.006),
        ):
            page.locator("#clip-view .show").select_option(kind)
            for row, line in zip(cells(page), numbers.tolist(), strict=True):
                assert row == pytest.approx(line, abs=slack), kind
    page.get_by_role("button", name="as trained").click()
    expect(page.locator("#clip-view .losses .mean")).to_have_text(f"{run.loss:.3f}")


def test_dragging_the_temperature_asks_nobody(clip):
    page = clip()
    sent = []
    page.on("request", lambda r: sent.append(r.url))
    for position in range(0, 1000, 50):
        page.locator("#clip-view .scale").fill(str(position))
    page.wait_for_timeout(300)
    assert sent == []


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_each_stage_is_shown(clip, width, dark):
    page = clip(width=width, dark=dark)
    for n, (_, told) in enumerate(
        zip(STAGES, (".losses", ".told-train", ".told-zero", ".told-ground", ".told-where"), strict=True), 1
    ):
        page.click(f"#clip-stage-{n}")
        expect(page.locator(f"#clip-view {told}")).to_contain_text(
            re.compile("[a-z]{4}.*[.]"), timeout=20_000
        )
        for title in page.locator("#clip-view figcaption:visible").all_inner_texts():
            assert title in PANELS.values()
    page.wait_for_timeout(200)
    for panel in ("surgery", "gradient", "plain"):
        assert canvas(page, panel).evaluate(COLOURS) > 20, panel


def test_captions_and_pairs_change_the_run(clip):
    page = clip()
    key = run_key(page)
    page.get_by_label("Caption of picture 4").fill("a friend of man")
    page.keyboard.press("Enter")
    wait_for_another_run(page, key)
    expect(page.locator("#clip-view .matrix")).to_contain_text("a friend of man")
    pairs = controls.start_pairs()
    pairs[3]["caption"] = "a friend of man"
    expect(page.locator("#clip-view .losses .mean")).to_have_text(f"{trace(pairs).loss:.3f}")
    key = run_key(page)
    page.get_by_label("Take pair 4 away").click()
    wait_for_another_run(page, key)
    assert page.locator("#clip-view .matrix tr").count() == 4
    page.get_by_label("Take pair 3 away").click()
    expect(page.locator("#clip-view .alarm")).to_have_text("At least 3 pairs are compared.")


def test_a_caption_that_cannot_be_gets_one_sentence_and_loses_nothing(clip):
    page = clip()
    key = run_key(page)
    page.get_by_label("Caption of picture 4").fill("")
    page.keyboard.press("Enter")
    said = page.locator("#clip-alarm .gb-said")
    expect(said).to_have_text("Caption 4 of at least one character is expected; got an empty one.")
    page.get_by_label("Caption of picture 4").fill("Fox")
    page.keyboard.press("Enter")
    expect(said).to_contain_text("2 and 4 are both “Fox”")
    assert run_key(page) == key and page.locator("#clip-view .pair").count() == 4
    page.get_by_label("Caption of picture 4").fill("frog " * 40)
    page.keyboard.press("Enter")
    expect(page.locator("#clip-caption")).to_contain_text("tokens; the model reads 24")
    expect(said).to_be_hidden()


def test_pictures_of_the_app_are_found_and_added(clip):
    page = clip()
    key = run_key(page)
    page.get_by_role("button", name="+ a picture of the app").click()
    expect(page.locator("#clip-view .shelf button")).to_have_count(306)
    page.get_by_label("Find").fill("pizza")
    page.locator("#clip-view .shelf button").first.click()
    wait_for_another_run(page, key)
    expect(page.get_by_label("Caption of picture 5")).to_have_value("pizza")
    expect(page.locator("#clip-view .pair").nth(4)).to_have_class("pair chosen")
    expect(page.locator("#clip-view .count")).to_have_text("5 of at most 16 pairs")


def test_an_own_picture_and_a_drawing_are_added(clip, tmp_path):
    page = clip()
    key = run_key(page)
    Image.new("RGB", (90, 60), "teal").save(tmp_path / "teal.png")
    page.locator("#clip-own input[type=file]").set_input_files(tmp_path / "teal.png")
    wait_for_another_run(page, key)
    expect(page.get_by_label("Caption of picture 5")).to_have_value("my picture")
    key = run_key(page)
    page.get_by_role("button", name="+ draw one").click()
    page.get_by_role("button", name="Add the drawing").click()
    expect(page.locator("#clip-view .alarm")).to_have_text("A drawing is expected; the sheet is all white.")
    box = page.locator("#clip-view .paper").bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 150, steps=8)
    page.mouse.up()
    page.get_by_role("button", name="Add the drawing").click()
    wait_for_another_run(page, key)
    expect(page.get_by_label("Caption of picture 6")).to_have_value("my drawing")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    page.locator("#clip-own").get_by_label("Remove Image").click()
    page.locator("#clip-own input[type=file]").set_input_files(tmp_path / "broken.png")
    expect(page.locator("#clip-alarm .gb-said")).to_contain_text("broken.png is none of these")
    assert page.locator("#clip-view .pair").count() == 6


def test_training_draws_the_diagonal_and_can_be_stopped(clip):
    page = clip()
    page.click("#clip-stage-2")
    page.locator("#clip-view .batch").select_option("48")
    expect(page.locator("#clip-view .told-train")).to_contain_text(
        "Done after 300", timeout=60_000
    )  # of itself
    page.get_by_role("button", name="Reset and train").click()
    expect(page.locator("#clip-view .told-train")).to_contain_text(re.compile(r"^Step \d+:"))
    told = page.locator("#clip-view .told-train")
    expect(told).to_contain_text("Done after 300", timeout=60_000)
    assert float(re.search(r"own text (\d+) %", told.inner_text())[1]) > 50
    assert canvas(page, "diagonal").evaluate(COLOURS) > 3 and canvas(page, "losses").evaluate(COLOURS) > 3
    page.locator("#clip-view .seed").fill("7")
    page.get_by_role("button", name="Reset and train").click()
    expect(told).to_contain_text(re.compile(r"^Step \d+:"))
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(told).to_contain_text(re.compile(r"^Stopped after \d+:"))
    assert int(re.search(r"after (\d+)", told.inner_text())[1]) < 300
    key = run_key(page)
    page.get_by_label("Caption of picture 1").fill("a green head")  # the collection goes on as before
    page.keyboard.press("Enter")
    wait_for_another_run(page, key)


def test_labels_share_one_and_more_labels_take_from_it(clip):
    page = clip()
    page.get_by_label(re.compile("Choose picture 3")).click()  # a lion, which it takes for a dog
    page.click("#clip-stage-3")
    page.locator("#clip-view .labels").fill("lion\ncat\nhorse\nbird\nfish")
    numbers = page.locator("#clip-view .answer .number:nth-child(4n+3)")
    expect(page.locator("#clip-view .answer")).to_contain_text("fish")

    def share():
        labels = page.locator("#clip-view .answer b").all_inner_texts()
        return float(numbers.nth(labels.index("lion")).inner_text().split()[0])

    before = share()
    page.locator("#clip-view .labels").fill("lion\ncat\nhorse\nbird\nfish\ndog\ndog face")
    expect(numbers).to_have_count(7)
    assert share() < before
    page.locator("#clip-view .labels").fill("lion")
    expect(page.locator("#clip-view .told-zero")).to_contain_text("One label alone always takes all.")
    assert share() == 100
    page.locator("#clip-view .labels").fill("dog\nDog")
    expect(page.locator("#clip-view .alarm")).to_contain_text("“Dog” came twice")
    page.locator("#clip-view .labels").fill("\n".join(map(str, range(1000))))
    expect(page.locator("#clip-view .alarm")).to_contain_text(
        "1 to 200 labels are expected, one a line; got 1,000"
    )
    assert share() == 100  # what was there stays
    page.locator("#clip-view .labels").fill("lion\ncat")
    expect(numbers).to_have_count(2)
    page.locator("#clip-view .zero-scale").fill("0")
    equal = torch.tensor([0.0, 0.0]).softmax(0)[0]
    assert share() == pytest.approx(100 * float(equal), abs=15)  # exp(t) = 1 hardly tells them apart


def test_bars_are_open_clips_softmax_for_any_temperature(clip):
    page = clip()
    page.get_by_label(re.compile("Choose picture 3")).click()
    page.click("#clip-stage-3")
    page.locator("#clip-view .labels").fill("lion\ncat\ndog face\nfish")
    page.locator("#clip-view .template").select_option(SEVEN)
    expect(page.locator("#clip-view .answer")).to_contain_text("dog face")
    page.wait_for_timeout(700)
    with work.ready(MODEL) as loaded, torch.inference_mode():
        labels = ["lion", "cat", "dog face", "fish"]
        tokenizer = loaded.reader.tokenizer
        texts = build_zero_shot_classifier(loaded.model, tokenizer, labels, controls.TEMPLATES[SEVEN])
        picture = loaded.reader.preprocess(picture_of(controls.start_pairs()[2]["picture"]))[None]
        cosine = loaded.model.encode_image(picture, normalize=True) @ texts
        trained = float(loaded.model.logit_scale.exp())
    for position, scale in ((None, trained), ("500", 10.0), ("0", 1.0)):
        if position is not None:
            page.locator("#clip-view .zero-scale").fill(position)
        names = page.locator("#clip-view .answer b").all_inner_texts()
        shown = page.locator("#clip-view .answer .number:nth-child(4n+3)").all_inner_texts()
        want = dict(zip(labels, (100 * (scale * cosine).softmax(-1))[0].tolist(), strict=True))
        for name, percent in zip(names, shown, strict=True):
            assert float(percent.split()[0]) == pytest.approx(want[name], abs=0.51)


def test_another_answer_gets_its_verdict(clip):
    page = clip()
    page.get_by_label("falls").check()
    page.get_by_role("button", name="Twelve more pairs").click()
    expect(page.locator("#clip-predict")).to_contain_text("✗ Not as you said")
    page.get_by_label("rises").check()
    expect(page.locator("#clip-predict")).to_contain_text("✓ As you said")


def test_words_find_pictures_and_a_picture_finds_words(clip):
    page = clip()
    page.get_by_role("button", name="What does spoon evoke").click()
    found = page.locator("#clip-view .found button")
    expect(found).to_have_count(12, timeout=20_000)
    expect(found.first).to_contain_text("spoon")
    page.locator("#clip-view .words").fill("")
    page.get_by_role("button", name="Find pictures").click()
    expect(page.locator("#clip-view .alarm")).to_have_text(
        "Words, or the chosen picture, are expected; nothing came."
    )
    page.locator("#clip-view .words").fill("frog")
    page.get_by_role("button", name="Find pictures").click()
    expect(found.first).to_contain_text("frog")
    found.first.click()
    expect(page.locator("#clip-view .pair").nth(0)).to_have_class("pair chosen")
    expect(page.locator("#clip-view .near span").first).to_contain_text("frog")


def test_where_follows_the_chosen_picture_and_the_words(clip):
    page = clip()
    page.click("#clip-stage-5")
    told = page.locator("#clip-view .told-where")
    expect(told).to_contain_text("“frog” and this picture have a cosine of")
    page.wait_for_timeout(150)
    before = {panel: canvas(page, panel).evaluate(PICTURE) for panel in ("surgery", "gradient", "plain")}
    page.get_by_label(re.compile("Choose picture 4")).click()
    expect(told).to_contain_text("“dog face” and this picture")
    expect(told).to_contain_text("On the thing, above its ground, in standard deviations: surgery")
    page.wait_for_timeout(150)
    for panel, drawn in before.items():
        assert canvas(page, panel).evaluate(PICTURE) != drawn, panel
    page.locator("#clip-view .where-words").fill("eyes")
    page.get_by_role("button", name="Show where").click()
    expect(told).to_contain_text("“eyes” and this picture")


def test_things_to_try_answer_the_prediction(clip):
    page = clip()
    page.get_by_label("rises").check()
    key = run_key(page)
    page.get_by_role("button", name="Twelve more pairs").click()
    wait_for_another_run(page, key)
    expect(page.locator("#clip-predict")).to_contain_text("✓ As you said")
    assert page.locator("#clip-view .pair").count() == 16
    key, before = run_key(page), float(page.locator("#clip-view .losses .mean").inner_text())
    page.get_by_role("button", name="A wrong caption").click()
    wait_for_another_run(page, key)
    assert float(page.locator("#clip-view .losses .mean").inner_text()) > before


def test_a_hub_model_says_what_it_costs_and_the_pocket_model_goes_on(clip):
    page = clip()
    page.locator("#clip button.label-wrap", has_text=re.compile("^More")).click()
    page.locator("#clip input[aria-label='Model']").click()
    page.get_by_role("option", name="SigLIP ViT-B/16").click()
    expect(page.locator("#clip-models")).to_contain_text("813 MB to download")
    expect(page.locator("#clip-remark .gb-said")).to_contain_text("The pocket model goes on")
    expect(page.locator("#clip-caption")).to_contain_text("Emoji CLIP compared")


def test_typing_and_the_choice_survive_a_run(clip):
    page = clip()
    key = run_key(page)
    page.get_by_label("Caption of picture 1").fill("a green face")
    page.get_by_label("Caption of picture 3").click()
    page.keyboard.press("End")
    page.keyboard.type(" king of all animals", delay=40)  # the run of caption 1 ends meanwhile
    wait_for_another_run(page, key)
    expect(page.get_by_label("Caption of picture 3")).to_have_value("lion king of all animals")
    page.get_by_label(re.compile("Choose picture 3")).press("Enter")
    expect(page.get_by_label(re.compile("Choose picture 3"))).to_be_focused()
    page.get_by_label("Take pair 1 away").click()
    expect(page.locator("#clip-view .pair").nth(1)).to_have_class("pair chosen")
    expect(page.get_by_label("Caption of picture 2")).to_have_value("lion king of all animals")


def test_after_training_another_model_can_be_chosen(clip):
    page = clip()
    page.click("#clip-stage-2")
    expect(page.locator("#clip-view .told-train")).to_contain_text("Done after 300", timeout=60_000)
    page.locator("#clip button.label-wrap", has_text=re.compile("^More")).click()
    page.locator("#clip input[aria-label='Model']").click()
    page.get_by_role("option", name="SigLIP ViT-B/16").click()
    expect(page.locator("#clip-remark .gb-said")).to_contain_text("The pocket model goes on")
    expect(page.locator("#clip-alarm .gb-said")).to_be_hidden()


def test_code_formula_and_pseudocode_can_be_opened(clip):
    page = clip()
    expect(page.locator("#clip-view .pseudocode li")).to_have_count(12)
    expect(page.locator("#clip-view .pseudocode")).to_contain_text("I_f = image_encoder(I)4 × 192")
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("#clip .prose.gb-code:visible")).to_contain_text("def contrast_of(")
    page.get_by_role("tab", name="Sources").click()
    expect(page.locator("#clip")).to_contain_text("Radford")
