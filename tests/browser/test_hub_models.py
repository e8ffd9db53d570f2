"""The pages with models of the hub's kinds: a sigmoid, many classes, registers and no classes at all."""

import math
import re

import pytest
import torch
from playwright.sync_api import expect

from demos.clip.algorithm import contrast_of
from demos.clip.controls import start_pairs
from demos.kit.collection import picture_of
from demos.kit.zoo import MODELS
from tests.browser.views import COLOURS, canvas, run_key, wait_for_another_run
from tests.conftest import start_app
from tests.tiny_hub_app import tiny

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def tiny_hub(tmp_path_factory):
    """The address of an app whose hub models are tiny."""
    log = tmp_path_factory.mktemp("tiny-hub") / "log"
    process, url = start_app(log, command=("-m", "tests.tiny_hub_app"))
    yield url
    process.terminate()
    process.wait(timeout=20)
    assert "Traceback" not in log.read_text(), log.read_text()


def choose(page, topic, name):
    key = run_key(page)
    page.locator(f"#{topic} button.label-wrap", has_text=re.compile("^More")).click()
    page.locator(f"#{topic} input[aria-label='Model']").click()
    page.get_by_role("option", name=name).click()
    wait_for_another_run(page, key)


@pytest.fixture
def siglip(open_page, tiny_hub):
    page = open_page("?topic=clip", ready="#clip-view [data-run]", at=tiny_hub)
    choose(page, "clip", "SigLIP ViT-B/16")
    return page


def test_a_sigmoid_scores_each_label_by_itself(siglip):
    page = siglip
    page.click("#clip-stage-3")
    rows = page.locator("#clip-view .answer .number:nth-child(4n+4)")
    expect(rows).to_have_count(5)
    page.locator("#clip-view .kind").select_option("sigmoid")
    expect(page.locator("#clip-view .told-zero")).to_contain_text("Each label by itself")
    bias, trained = -10.0, 100.0
    for position, scale in ((None, trained), ("500", 10.0), ("0", 1.0)):
        if position is not None:
            page.locator("#clip-view .zero-scale").fill(position)
        shown = page.locator("#clip-view .answer .number:nth-child(4n+3)").all_inner_texts()
        said = [row.replace("−", "-") for row in rows.all_inner_texts()]
        for percent, row in zip(shown, said, strict=True):
            cosine, logit = map(float, re.fullmatch(r"cos (\S+), logit (\S+)", row).groups())
            assert logit == pytest.approx(scale * cosine + bias, abs=0.06)
            want = 100 / (1 + math.exp(-logit))
            assert float(percent.split()[0]) == pytest.approx(want, abs=0.51)
    page.locator("#clip-view .kind").select_option("softmax")
    total = page.locator("#clip-view .answer .number:nth-child(4n+3)").all_inner_texts()
    assert sum(float(percent.split()[0]) for percent in total) == pytest.approx(100, abs=3)


def test_the_sigmoid_loss_is_the_formula_for_any_temperature(siglip):
    page = siglip
    model, reader = tiny(MODELS["siglip-vit-b16"], "cpu", torch.float32)
    pairs = start_pairs()
    with torch.inference_mode():
        images = torch.stack([reader.preprocess(picture_of(pair["picture"])) for pair in pairs])
        I_e = model.encode_image(images, normalize=True)
        T_e = model.encode_text(reader.tokenizer([pair["caption"] for pair in pairs]), normalize=True)
    for position in (1000, 500, 0):
        page.locator("#clip-view .scale").fill(str(position))
        t = position / 1000 * math.log(100)
        z = math.exp(t) * (I_e @ T_e.T) - 10
        signs = 2 * torch.eye(4) - 1
        want = float((1 + (-signs * z).exp()).log().sum() / 4)
        assert contrast_of(I_e, T_e, t, -10.0).loss == pytest.approx(want, rel=1e-4)
        expect(page.locator("#clip-view .losses .sigmoid-loss")).to_have_text(f"{want:.3f}")


def test_what_another_tower_cannot_is_one_sentence(siglip):
    page = siglip
    page.click("#clip-stage-5")
    expect(page.locator("#clip-view .alarm")).to_contain_text("a plain ViT with CLS")
    page.click("#clip-stage-2")
    expect(page.locator("#clip-alarm .gb-said")).to_contain_text("A model with two projections is expected")
    page.click("#clip-stage-4")
    expect(page.locator("#clip-view .found button")).to_have_count(12, timeout=20_000)


def test_a_model_of_many_classes_shows_its_ten_likeliest(open_page, tiny_hub):
    page = open_page("?topic=vision-transformer", ready="#vit-view [data-run]", at=tiny_hub)
    choose(page, "vision-transformer", "ViT-Base/16")
    expect(page.locator("#vit-caption")).to_contain_text("6 × 6 = 36 patches of 8·8·3 = 192 numbers")
    page.click("#vit-stage-3")
    expect(page.locator(".gb-vit .told-heat")).to_contain_text("Layer 3, mean of its heads: CLS takes")
    assert canvas(page, "heads").evaluate(COLOURS) > 10
    page.locator(".gb-vit .method").select_option("relevance")
    expect(page.locator(".gb-vit .told-heat")).to_contain_text("Relevance for LABEL_")
    page.click("#vit-stage-4")
    numbers = page.locator(".gb-vit .answer .number")
    expect(numbers).to_have_count(10)
    values = [float(n.split()[0]) for n in numbers.all_inner_texts()]
    assert values == sorted(values, reverse=True)
    page.get_by_role("button", name="Ask the other models").click()
    expect(page.locator(".gb-vit .others tbody tr").nth(1)).to_contain_text("cat 85 %")  # the pocket model


def test_a_model_without_classes_compares_cls(open_page, tiny_hub):
    page = open_page("?topic=vision-transformer", ready="#vit-view [data-run]", at=tiny_hub)
    choose(page, "vision-transformer", "DINOv2 small, with registers")
    expect(page.locator("#vit-caption")).to_contain_text("With CLS and 4 registers in front, 41 vectors")
    page.click("#vit-stage-3")
    page.locator(".gb-vit .method").select_option("relevance")
    expect(page.locator(".gb-vit .told-heat")).to_have_text(
        "Relevance asks for a class; this model has none."
    )
    page.click("#vit-stage-4")
    told = page.locator(".gb-vit .told-change")
    expect(told).to_contain_text("The cosine between CLS now and for the untouched picture is 1.")
    page.get_by_role("button", name="Hide half, by chance").click()
    expect(told).to_contain_text(re.compile(r"18 of 36 .* is (0|−0)\.\d+"))
    page.get_by_role("button", name="Hide each patch in turn").click()
    expect(page.locator(".gb-vit .told-turn")).to_contain_text("about a class; this model has none")
