"""The stage of structured pruning as a student uses it."""

import re

import pytest
from playwright.sync_api import expect

from demos.kit.zoo import MODELS
from demos.pruning import shears
from demos.pruning.shear_controls import PARTS, RANGES
from demos.pruning.shear_work import prepared_run
from tests.browser.test_accessibility import serious
from tests.browser.views import COLOURS, PICTURE, canvas

pytestmark = pytest.mark.browser

DRAFT = MODELS["fairy-draft"].title
LONG = 120_000  # milliseconds; a busy machine
VIEW, CAPTION = "#shears-view", "#shears-caption"


@pytest.fixture
def page(open_page):
    return opened(open_page)


def opened(open_page, **options):
    """The stage with the run that ships."""
    page = open_page("?topic=pruning", ready="#pruning-stage-5", **options)
    page.click("#pruning-stage-5")
    page.wait_for_selector(f"{VIEW} [data-run]", timeout=LONG)
    page.wait_for_selector(f"{CAPTION} table", timeout=LONG)
    expect(page.locator(CAPTION)).to_contain_text("A token takes", timeout=LONG)
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).locator("visible=true").first.click()


def put(page, label, value):
    """A number into the field of a slider."""
    field = page.get_by_label(f"number input for {label}").locator("visible=true").first
    field.fill(str(value))
    field.press("Tab")


def counts(page):
    return page.locator(f"{VIEW} .counts")


def test_the_first_look_shows_the_cut_of_the_prepared_run(page):
    run = next(prepared_run(lambda: None))
    source, target = run.source, run.target
    expect(counts(page)).to_contain_text(
        f"{target.layers} of {source.layers} layers, {target.width} of {source.width} hidden dimensions, "
        f"{target.layers * target.heads} of {source.layers * source.heads} heads, "
        f"{target.layers * target.units} of {source.layers * source.units} MLP units stay"
    )
    for name in shears.MAPS:
        assert canvas(page, f"map-{name}").evaluate(COLOURS) > 1
    for name in shears.CHARTS:
        assert canvas(page, name).evaluate(COLOURS) > 10, name
    assert not serious(page)


def test_slider_play_and_charts_move_through_the_run(page):
    run = next(prepared_run(lambda: None))
    slider, before = page.locator(f"{VIEW} .step"), canvas(page, "map-heads").evaluate(PICTURE)
    assert int(slider.get_attribute("max")) == len(run.frames)  # the last place is the cut
    slider.fill("0")
    first = run.frames[0]
    expect(counts(page)).to_contain_text(
        f"Step {first.number} of {run.steps}: layers {first.sizes[0]:.1f} of {run.source.layers} expected"
    )
    page.wait_for_timeout(200)
    assert canvas(page, "map-heads").evaluate(PICTURE) != before
    slider.press("ArrowRight")
    expect(counts(page)).to_contain_text(f"Step {run.frames[1].number} of {run.steps}:")
    box = canvas(page, "layers").bounding_box()
    canvas(page, "layers").click(position={"x": box["width"] - 8, "y": 40})
    expect(counts(page)).to_contain_text(f"Step {run.steps} of {run.steps}:")
    press(page, "Play")
    expect(counts(page)).to_contain_text("The cut", timeout=LONG)
    press(page, "Play")  # from the start again
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    press(page, "Pause")
    assert int(slider.input_value()) < len(run.frames)


def test_a_gate_is_read_by_pointer_and_keys(page):
    run = next(prepared_run(lambda: None))
    read = page.locator(f"{VIEW} .read")
    canvas(page, "map-width").focus()
    page.keyboard.press("ArrowRight")
    kept = 0 in run.cut.kept.width.tolist()
    expect(read).to_have_text(
        f"Hidden dimension 1: kept, its gate is {run.cut.gates.width[0]:.3f}."
        if kept
        else re.compile("1: cut")
    )
    page.locator(f"{VIEW} .step").fill("3")
    # What the picture holds is a probability in 255ths.
    said = float(re.search(r"open with probability ([\d.]+)\.", read.inner_text())[1])
    assert said == pytest.approx(float(run.frames[3].probabilities.width[0]), abs=0.003)
    canvas(page, "map-units").hover(position={"x": 3, "y": 3})
    expect(read).to_contain_text(re.compile(r"Layer 1, unit [1-9]: open with probability"))


def test_the_table_sorts_by_each_column(page):
    table = page.locator("#shears-published table")
    names = lambda: [text.replace("✂ ", "") for text in table.locator("tbody th").all_inner_texts()]  # noqa: E731
    rows = shears.PUBLISHED["rows"]
    for column, title in list(enumerate(shears.PUBLISHED["columns"]))[2:]:
        head = table.locator("th[scope=col]").nth(column)
        for order, sign in (("descending", -1), ("ascending", 1)):
            head.locator("button").click()
            expect(head).to_have_attribute("aria-sort", order)
            values = {row[0]: row[column] for row in rows}
            got = [values[name] for name in names()]
            assert got == sorted(values.values(), key=lambda v: sign * v), title
        assert table.locator("[aria-sort]").count() == 1
    table.locator("th[scope=col] button").first.focus()
    page.keyboard.press("Enter")
    assert names() == sorted((row[0] for row in rows), key=str.casefold)
    table.locator("th[scope=col] button").nth(1).click()
    assert names()[0] == "LLaMA2-7B †" and set(names()[-2:]) == {"Sheared-LLaMA-1.3B", "Sheared-LLaMA-2.7B"}
    assert table.locator("tr.sheared").count() == 2
    expect(page.locator("#shears-published .sorted")).to_have_text("Sorted by Tokens, descending.")


def test_a_short_run_of_the_visitors_own(page):
    key = run_key_of(page)
    page.locator("#pruning input[aria-label='Start from']").click()
    page.get_by_role("option", name=DRAFT, exact=True).click()
    expect(page.get_by_label("number input for Width").locator("visible=true").first).to_have_value("64")
    press(page, "The paper's example: 2, 3, 2, 4")
    expect(page.get_by_label("number input for MLP units").locator("visible=true").first).to_have_value("4")
    put(page, PARTS["width"][0], 40)
    put(page, PARTS["layers"][0], 1)
    page.locator("#pruning button.label-wrap", has_text="More").locator("visible=true").last.click()
    put(page, RANGES["steps"][0], 30)
    put(page, RANGES["training"][0], 20)
    press(page, "Start")
    expect(page.locator(f"{VIEW} .told")).to_contain_text("Search: step", timeout=LONG)
    page.wait_for_selector(f"{VIEW} [data-done=true]:not([data-run='{key}'])", timeout=LONG)
    expect(counts(page)).to_have_text(
        "The cut: 1 of 2 layers, 40 of 96 hidden dimensions, 2 of 6 heads, 4 of 512 MLP units stay; a bar "
        "stands beneath what is kept."
    )
    expect(page.locator(CAPTION)).to_contain_text("differs by more than")
    expect(page.locator(CAPTION)).to_contain_text("After 20 steps of training")
    expect(page.locator(f"{VIEW} .step")).to_be_enabled()
    press(page, "The prepared run")
    page.wait_for_selector(f"{VIEW} [data-run='{key}']", timeout=LONG)


def run_key_of(page):
    return page.locator(f"{VIEW} [data-run]").get_attribute("data-run")


def test_stop_and_a_second_start(page):
    alarm = page.locator("#pruning-alarm .gb-said")
    put(page, PARTS["heads"][0], 2)
    press(page, "Start")
    expect(page.locator(f"{VIEW} .told")).to_contain_text("Search: step", timeout=LONG)
    press(page, "Start")
    expect(alarm).to_contain_text("one is on: stop it", timeout=LONG)
    page.wait_for_timeout(1500)
    expect(alarm).to_contain_text("one is on: stop it")  # the run does not wipe it away
    press(page, "Stop")
    expect(page.locator(f"{VIEW} .told")).to_have_text(
        re.compile(r"Stopped after \d+ of 300 steps of the search\."), timeout=LONG
    )
    expect(page.locator(f"{VIEW} .step")).to_be_enabled()


def test_a_phone_needs_no_sideways_scroll(open_page):
    page = opened(open_page, width=390, height=844, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in (*(f"map-{part}" for part in shears.MAPS), *shears.CHARTS):
        box = canvas(page, name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, name
    right = page.locator(f"{CAPTION} table").bounding_box()
    assert right["x"] + right["width"] <= 391
