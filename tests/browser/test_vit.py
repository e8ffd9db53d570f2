"""The Vision Transformer's page as a student uses it."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from demos.vision_transformer import controls, work
from demos.vision_transformer.panels import PANELS
from demos.vision_transformer.relevance import rollout
from tests.browser.views import COLOURS, PICTURE, canvas, run_key, wait_for_another_run

pytestmark = pytest.mark.browser

INSIDE = {
    1: ("sequence", "patch", "vector"),
    2: ("strips", "filters", "alike", "near"),
    3: ("heads",),
    4: (),
}


@pytest.fixture
def vit(open_page):
    """The page with its first result drawn."""

    def open_vit(**options):
        page = open_page("?topic=vision-transformer", ready="#vit-view [data-run]", **options)
        page.wait_for_timeout(400)
        return page

    return open_vit


def more(page):
    page.locator("#vision-transformer button.label-wrap", has_text=re.compile("^More")).click()


def at(page, row, column, of=8):
    """The middle of a patch, on the screen."""
    box = canvas(page, "picture").bounding_box()
    side = min(box["width"], box["height"])
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    return left + (column + 0.5) * side / of, top + (row + 0.5) * side / of


def bars(page):
    """Label -> percent, as the page shows them once they are drawn."""
    page.wait_for_selector(".gb-vit .answer b")
    said = page.locator(".gb-vit .answer").evaluate(
        "a => [[...a.querySelectorAll('b')], [...a.querySelectorAll('.number')]]"
        ".map(all => all.map(n => n.textContent))"
    )
    return {label: float(number.split()[0]) for label, number in zip(*said, strict=True)}


def eventually(page, holds):
    """The bars, once `holds` is true of them, or as they are after five seconds."""
    for _ in range(50):
        if holds(bars(page)):
            break
        page.wait_for_timeout(100)
    return bars(page)


def test_a_first_result_stands_there_before_anyone_clicks(vit):
    page = vit()
    expect(page.locator("#vit-caption")).to_contain_text("65 vectors")
    assert canvas(page, "picture").evaluate(COLOURS) > 100
    assert canvas(page, "sequence").evaluate(COLOURS) > 100
    expect(page.locator(".gb-vit .here")).to_have_text(
        "Patch 36: row 4, column 4; position 37 of the sequence"
    )


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_each_stage_is_shown_and_drawn(vit, width, dark):
    page = vit(width=width, dark=dark)
    for n, panels in INSIDE.items():
        page.click(f"#vit-stage-{n}")
        page.wait_for_timeout(250)
        for panel in panels:
            expect(canvas(page, panel)).to_be_visible()
            assert canvas(page, panel).evaluate(COLOURS) > 3, panel
            title = page.locator(f"figure:has(canvas[data-panel={panel}]) figcaption")
            expect(title).to_have_text(PANELS[panel])
        assert page.locator(".gb-vit canvas:visible").count() == 1 + len(panels)
    assert sum(bars(page).values()) == pytest.approx(100, abs=0.6) and len(bars(page)) == 10


def test_moving_over_the_picture_chooses_a_patch_without_a_request(vit):
    page = vit()
    sent = []
    page.on("request", lambda r: sent.append(r.url))
    before = {panel: canvas(page, panel).evaluate(PICTURE) for panel in INSIDE[1]}
    page.mouse.move(*at(page, 1, 6))
    expect(page.locator(".gb-vit .here")).to_contain_text("Patch 14: row 1, column 6")
    page.wait_for_timeout(100)
    for panel in INSIDE[1]:
        assert canvas(page, panel).evaluate(PICTURE) != before[panel], panel
    box = canvas(page, "vector").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + box["height"] * 0.99)
    assert re.match("number 47: pixel row 3, column 3, blue: ", canvas(page, "vector").get_attribute("title"))
    page.click("#vit-stage-2")
    page.wait_for_timeout(150)
    near = canvas(page, "near").evaluate(PICTURE)
    page.mouse.move(*at(page, 7, 0))
    page.wait_for_timeout(150)
    assert canvas(page, "near").evaluate(PICTURE) != near
    expect(page.locator(".gb-vit .told-alike")).to_contain_text("Most like patch 56 (row 7, column 0)")
    assert sent == []


def test_patches_slide_apart(vit):
    page = vit()
    apart = canvas(page, "sequence").evaluate(PICTURE)
    page.locator(".gb-vit .apart").fill("0")
    page.wait_for_timeout(100)
    together = canvas(page, "sequence").evaluate(PICTURE)
    page.get_by_role("button", name="Slide apart").click()
    page.wait_for_timeout(700)
    assert canvas(page, "sequence").evaluate(PICTURE) not in (apart, together)
    page.wait_for_function("document.querySelector('.gb-vit .apart').value === '1000'")
    page.wait_for_timeout(100)
    assert canvas(page, "sequence").evaluate(PICTURE) == apart


def test_keyboard_chooses_patches_and_stages(vit):
    page = vit()
    page.locator(".gb-vit .chosen").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".gb-vit .here")).to_contain_text("Patch 37")
    page.locator("#vit-stage-1").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#vit-stage-2")).to_have_attribute("aria-selected", "true")


def test_layers_heads_and_methods_without_a_run(vit):
    page = vit()
    page.click("#vit-stage-3")
    page.wait_for_timeout(300)
    sent = []
    page.on("request", lambda r: sent.append(r.url))
    told, picture = page.locator(".gb-vit .told-heat"), canvas(page, "picture")
    expect(told).to_contain_text("Layer 6, mean of its heads: CLS takes")
    seen = {picture.evaluate(PICTURE)}
    page.locator(".gb-vit .layer").fill("2")
    expect(told).to_contain_text("Layer 2, mean of its heads: CLS takes")
    page.wait_for_timeout(80)
    seen.add(picture.evaluate(PICTURE))
    page.locator(".gb-vit .head").select_option("1")
    expect(told).to_contain_text("Layer 2, head 1: CLS takes")
    page.wait_for_timeout(80)
    seen.add(picture.evaluate(PICTURE))
    page.mouse.click(*at(page, 2, 3))
    expect(told).to_contain_text("Layer 2, head 1: patch 19 (row 2, column 3) takes")
    page.wait_for_timeout(80)
    seen.add(picture.evaluate(PICTURE))
    page.locator(".gb-vit .method").select_option("rollout")
    expect(told).to_contain_text("Rollout through all layers: patch 19")
    page.wait_for_timeout(80)
    seen.add(picture.evaluate(PICTURE))
    assert len(seen) == 5 and sent == []
    page.locator(".gb-vit .method").select_option("relevance")
    expect(told).to_contain_text("Relevance for cat (85%)")
    page.locator(".gb-vit .target").select_option(label="ship")
    expect(told).to_contain_text("Relevance for ship")
    assert not any("queue/join" in url for url in sent)  # asked of the run that is done


def test_what_is_said_of_attention_is_in_the_trace(vit):
    page = vit()
    page.click("#vit-stage-3")
    name, picture = controls.picture_of(controls.SOURCES[0], None)
    trace = work.see(controls.Settings(name, next(iter(controls.CHOICES))), picture.image).trace
    A = trace.attentions
    told = page.locator(".gb-vit .told-heat")

    def expected(row):
        best = int(row[1:].argmax())
        return (
            f"takes {100 * float(row[1:].sum()):.0f} % from patches, most from patch {best} "
            f"(row {best // 8}, column {best % 8}) ({100 * float(row[1 + best]):.1f} %)."
        )

    expect(told).to_contain_text(expected(A[5].mean(0)[0]))
    page.locator(".gb-vit .layer").fill("3")
    page.locator(".gb-vit .head").select_option("2")
    expect(told).to_contain_text(expected(A[2, 2, 0]))
    page.mouse.click(*at(page, 5, 1))
    expect(told).to_contain_text(expected(A[2, 2, 1 + 41]))
    page.locator(".gb-vit .method").select_option("rollout")
    expect(told).to_contain_text(expected(rollout(A)[1 + 41]))
    page.get_by_role("button", name="from CLS").click()
    expect(told).to_contain_text(expected(rollout(A)[0]))


def test_a_head_is_chosen_among_the_small_maps(vit):
    page = vit()
    page.click("#vit-stage-3")
    page.wait_for_timeout(300)
    box = canvas(page, "heads").bounding_box()
    page.mouse.click(box["x"] + 145 + 60, box["y"] + 60)
    expect(page.locator(".gb-vit .told-heat")).to_contain_text("Layer 6, head 0")
    assert page.locator(".gb-vit .head").input_value() == "0"


def test_hiding_patches_moves_the_bars(vit):
    page = vit()
    page.click("#vit-stage-4")
    told = page.locator(".gb-vit .told-change")
    expect(told).to_contain_text("64 of 64 patches are in the sequence")
    before = bars(page)
    page.mouse.move(*at(page, 0, 2))
    page.mouse.down()
    for row in range(4):
        page.mouse.move(*at(page, row, 3), steps=4)
    page.mouse.up()
    expect(told).to_contain_text("59 of 64 patches are in the sequence")
    assert eventually(page, lambda shown: shown != before) != before
    page.locator(".gb-vit .chosen").fill("60")
    page.get_by_role("button", name="Hide the chosen patch").click()
    expect(told).to_contain_text("58 of 64")
    page.get_by_role("button", name="Hide half, by chance").click()
    expect(told).to_contain_text("32 of 64")
    page.get_by_role("button", name="Undo all").click()
    expect(told).to_contain_text("64 of 64")
    assert eventually(page, lambda shown: shown == before) == before


def test_paint_moves_the_bars(vit):
    page = vit()
    page.click("#vit-stage-4")
    before, picture = bars(page), canvas(page, "picture").evaluate(PICTURE)
    page.get_by_role("button", name="Paint").click()
    page.mouse.move(*at(page, 2, 1))
    page.mouse.down()
    page.mouse.move(*at(page, 5, 6), steps=10)
    page.mouse.up()
    assert eventually(page, lambda shown: shown != before) != before
    assert canvas(page, "picture").evaluate(PICTURE) != picture
    page.get_by_role("button", name="Undo all").click()
    assert eventually(page, lambda shown: shown == before) == before


def test_what_is_hidden_stays_when_a_setting_changes(vit):
    page = vit()
    page.click("#vit-stage-4")
    page.get_by_role("button", name="Hide half, by chance").click()
    told = page.locator(".gb-vit .told-change")
    expect(told).to_contain_text("32 of 64")
    key = run_key(page)
    page.get_by_label("Position vectors are added").uncheck()
    wait_for_another_run(page, key)
    expect(told).to_contain_text("32 of 64")
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Undo all").click()
    expect(told).to_contain_text("64 of 64")


def test_each_patch_in_turn_is_about_the_picture_as_it_is_painted(vit):
    page = vit()
    page.click("#vit-stage-4")
    page.get_by_role("button", name="Paint").click()
    for row in range(8):
        page.mouse.move(*at(page, row, 0))
        page.mouse.down()
        page.mouse.move(*at(page, row, 7), steps=3)
        page.mouse.up()
    page.wait_for_timeout(700)
    painted = bars(page)
    best = max(painted.items(), key=lambda bar: bar[1])[0]
    page.get_by_role("button", name="Hide each patch in turn").click()
    told = page.locator(".gb-vit .told-turn")
    expect(told).to_contain_text(re.compile(f"64 of 64 patches hidden in turn: .*{best} falls by"))
    patch, points = re.search(r"without patch (\d+) .* falls by ([\d.]+) points", told.inner_text()).groups()
    page.locator(".gb-vit .chosen").fill(patch)
    page.get_by_role("button", name="Hide the chosen patch").click()
    expect(told).to_have_text("")  # the map was about another picture
    fallen = pytest.approx(painted[best] - float(points), abs=0.11)
    assert eventually(page, lambda shown: shown[best] == fallen)[best] == fallen


def test_a_shuffle_is_compared_with_the_picture_in_order(vit):
    page = vit()
    page.get_by_role("button", name="A bag of patches").click()
    expect(page.locator(".gb-vit .told-change")).to_contain_text(
        "Green line: this picture before the shuffle."
    )
    for track in page.locator(".gb-vit .answer .track").all():
        now, ordered = (
            track.locator(f".{kind}").evaluate("i => [i.style.width, i.style.left]")
            for kind in ("now", "ordered")
        )
        assert float(now[0][:-1]) == pytest.approx(float(ordered[1][:-1]), abs=0.01)


def test_each_patch_hidden_in_turn_and_the_other_models(vit):
    page = vit()
    page.click("#vit-stage-4")
    page.get_by_role("button", name="Hide each patch in turn").click()
    told = page.locator(".gb-vit .told-turn")
    expect(told).to_contain_text("64 of 64 patches hidden in turn: without patch")
    page.get_by_role("button", name="Ask the other models").click()
    rows = page.locator(".gb-vit .others tbody tr")
    expect(rows).to_have_count(5)
    expect(rows.nth(0)).to_contain_text("untrained")
    expect(rows.nth(1)).to_contain_text("cat 85 %")
    expect(rows.nth(3)).to_contain_text("Not on this machine")


def test_things_to_try_set_the_controls_and_answer_the_prediction(vit):
    page = vit()
    page.get_by_label("nothing at all").check()
    key = run_key(page)
    page.get_by_role("button", name="A bag of patches").click()
    wait_for_another_run(page, key)
    expect(page.locator("#vision-transformer-predict")).to_contain_text("✓ As you said")
    expect(page.locator("#vit-stage-4")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Position vectors are added")).not_to_be_checked()
    key = run_key(page)
    page.get_by_role("button", name="One pixel to the right").click()
    wait_for_another_run(page, key)
    expect(page.get_by_label("Position vectors are added")).to_be_checked()
    expect(page.locator("#vit-caption")).to_contain_text("of the untouched picture it said cat")
    key = run_key(page)
    page.get_by_role("button", name="Where does CLS look").click()
    wait_for_another_run(page, key)
    expect(page.locator("#vit-caption")).to_contain_text("It says frog")
    expect(page.locator("#vit-stage-3")).to_have_attribute("aria-selected", "true")


def test_without_positions_there_is_nothing_to_compare(vit):
    page = vit()
    key = run_key(page)
    page.get_by_label("Position vectors are added").uncheck()
    wait_for_another_run(page, key)
    page.click("#vit-stage-2")
    expect(page.locator(".gb-vit .told-alike")).to_contain_text("switched off")


def test_an_own_picture_is_read_and_what_is_none_gets_one_sentence(vit, tmp_path):
    page = vit()
    key, caption = run_key(page), page.locator("#vit-caption").inner_text()
    page.get_by_role("button", name="My own picture").click()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    page.locator("#vit-own input[type=file]").set_input_files(tmp_path / "broken.png")
    said = page.locator("#vit-alarm .gb-said")
    expect(said).to_contain_text("broken.png is none of these, is damaged or has no pixels")
    assert page.locator("#vit-caption").inner_text() == caption and run_key(page) == key
    source = page.locator("#vision-transformer input[aria-label='Picture']")
    expect(source).to_have_value("A lion, photograph")  # the page goes on with what it shows
    page.locator("#vit-own").get_by_label("Remove Image").click()
    Image.new("RGBA", (300, 200), (0, 120, 0, 128)).save(tmp_path / "green.png")
    page.locator("#vit-own input[type=file]").set_input_files(tmp_path / "green.png")
    wait_for_another_run(page, key)
    expect(page.locator("#vit-caption")).to_contain_text("they are shown on white")
    expect(source).to_have_value("My own picture")
    expect(said).to_be_hidden()


def test_a_hub_model_says_what_it_costs_and_the_pocket_model_goes_on(vit):
    page = vit()
    more(page)
    page.locator("#vision-transformer input[aria-label='Model']").click()
    page.get_by_role("option", name="ViT-Base/16").click()
    expect(page.locator("#vit-models")).to_contain_text("346 MB to download")
    expect(page.locator("#vit-remark .gb-said")).to_contain_text("The pocket model goes on")
    expect(page.locator("#vit-caption")).to_contain_text("CIFAR ViT got 32 × 32 pixels")


def test_code_formula_and_sources_can_be_opened(vit):
    page = vit()
    expect(page.locator("#vision-transformer")).to_contain_text("numbers in all")
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("#vision-transformer .prose.gb-code:visible")).to_contain_text("def look(")
    page.get_by_role("tab", name="Sources").click()
    expect(page.locator("#vision-transformer")).to_contain_text("Dosovitskiy")
