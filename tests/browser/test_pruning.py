"""The pruning page as a student uses it."""

import re

import pytest
from playwright.sync_api import expect

from demos.kit.zoo import MODELS
from demos.pruning import controls, work
from demos.pruning.panels import BARS, EQUAL, MAPS, STAGES
from tests.browser import views
from tests.browser.test_accessibility import serious
from tests.browser.views import COLOURS, PICTURE, canvas, run_key, wait_for_another_run

pytestmark = pytest.mark.browser

DRAFT = MODELS["fairy-draft"].title
LONG = 60_000  # milliseconds; a busy machine


@pytest.fixture
def page(open_page):
    """The page with its first result drawn."""
    return opened(open_page)


def opened(open_page, **options):
    page = open_page("?topic=pruning", ready="#pruning-view [data-run]", **options)
    page.wait_for_selector("#pruning-heatmaps [data-run]")
    return page


@pytest.fixture
def draft(page):
    """The page with the small model."""
    choose(page, "Model", DRAFT)
    return page


def stage(page, n):
    page.click(f"#pruning-stage-{n}")


def choose(page, label, name):
    views.choose(page, "pruning", label, name)


def cut(page, percent):
    """The sparsity, typed, and the run that follows."""
    key = run_key(page)
    box = page.get_by_label("number input for Sparsity (%)")
    box.fill(str(percent))
    box.press("Enter")
    wait_for_another_run(page, key)


def test_a_first_result_stands_there_and_a_click_chooses_an_entry(page):
    given = controls.start()
    names = ("model", "method", "pattern", "sparsity", "matrix", "sequences")
    seen = work.see(controls.settings_of(*(given[name] for name in names)))
    gone = int((~seen.trace.mask).sum())
    expect(page.locator("#pruning-caption")).to_contain_text(f"{gone:,} of 65,536 are cut (30 %)")
    expect(page.locator("#pruning-caption")).to_contain_text(f"{100 * seen.lost:.3g} % is lost")
    expect(page.locator("#pruning-remark .gb-said")).to_be_hidden()
    for panel, title in (*MAPS.items(), *BARS.items()):
        shown = page.locator(f"figure:visible:has(canvas[data-panel={panel}])", has_text=title).first
        expect(shown).to_be_visible()
        assert shown.locator("canvas").evaluate(COLOURS) > 2, panel
    expect(page.locator("#pruning-heatmaps .legend.mask")).to_have_text("cutkeptkept, but next")
    mask = page.locator("#pruning-heatmaps canvas[data-panel=mask]")
    mask.click(position={"x": 120, "y": 80})
    said = page.locator("#pruning-heatmaps .read").inner_text()
    row, column, state = re.search(r"row (\d+), column (\d+): .* Mask ([\w ,]+) ·", said).groups()
    state_of = seen.trace.mask[int(row), int(column)]
    assert state.startswith("kept") == bool(state_of)
    expect(page.locator("#pruning")).to_contain_text(f"Row {row}, column {column}: ")


def test_the_slider_cuts_more_and_half_answers_the_question(page):
    mask = canvas(page, "mask")
    before = mask.evaluate(PICTURE)
    expect(page.locator("#pruning-predict")).not_to_contain_text("As you said")
    page.get_by_label("about half of them are saved").check()
    cut(page, 50)
    expect(page.locator("#pruning-caption")).to_contain_text("32,768 of 65,536")
    page.wait_for_function(
        "was => document.querySelector('#pruning-heatmaps canvas[data-panel=mask]').toDataURL() !== was",
        arg=before,
    )
    expect(page.locator("#pruning-predict")).to_contain_text("✗ Not as you said")
    expect(page.locator("#pruning-predict")).to_contain_text("as CSR")
    choose(page, "Pattern", controls.PATTERNS["2:4"])
    expect(page.get_by_label("number input for Sparsity (%)")).to_be_disabled()
    expect(page.locator("#pruning-view .told")).to_contain_text("there is no one threshold")


def test_a_layer_gets_its_own_sparsity_in_the_map(draft):
    stage(draft, 2)
    score, layers = draft.locator("#pruning-score"), draft.locator("#pruning-map")
    expect(score).to_contain_text("Cut: 30 %", timeout=LONG)
    expect(layers.locator(".told")).to_have_text("", timeout=LONG)
    expect(layers.locator("button[data-cell]")).to_have_count(14)
    draft.get_by_label(controls.SPARE).check()
    layers.locator("button[data-cell='1 0']").click()
    expect(layers.locator(".told")).to_contain_text("1 layers have a sparsity of their own")
    draft.get_by_role("button", name="Prune and measure").click()
    expect(score).to_contain_text("7 matrices stay whole", timeout=LONG)
    expect(layers.locator("button[data-cell='1 0']")).to_contain_text("whole")
    draft.get_by_label(controls.SHOW).check()
    key = run_key(draft)
    layers.locator("button[data-cell='1 6']").click()
    wait_for_another_run(draft, key)
    stage(draft, 1)
    expect(draft.locator("#pruning-caption")).to_contain_text("model.layers.1.mlp.down_proj")


def test_the_curve_grows_stops_and_its_point_is_written(draft):
    stage(draft, 3)
    curve = draft.locator("#pruning-curve")
    expect(curve.locator(".told")).to_contain_text("points", timeout=LONG)
    expect(draft.locator("#pruning-texts section .name").nth(1)).to_have_text("Magnitude, 30 %", timeout=LONG)
    expect(draft.locator("#pruning-read")).not_to_be_empty(timeout=LONG)
    draft.get_by_role("button", name="Stop").first.click()
    draft.wait_for_selector("#pruning-curve .gb-curve[data-done=true]", timeout=LONG)
    expect(draft.locator("#pruning-fallen")).to_contain_text("2 times the full model's")
    curve.locator("canvas").focus()
    curve.locator("canvas").press("ArrowRight")
    name = re.match(r"(\w+), (\d+) %", curve.locator(".read").inner_text())
    key = run_key(draft)
    curve.locator("canvas").press("Enter")
    expect(draft.get_by_label("number input for Sparsity (%)")).to_have_value(name.group(2))
    if name.group(0) != "Magnitude, 30 %":
        wait_for_another_run(draft, key)
    expect(draft.locator("#pruning-texts section .name").nth(1)).to_have_text(name.group(0), timeout=LONG)


def test_saving_and_the_rival_say_bytes_and_times(draft):
    stage(draft, 4)
    expect(draft.locator("#pruning-matrix")).to_contain_text("CSR product took", timeout=LONG)
    table = draft.locator("#pruning-table")
    expect(table).to_contain_text("units removed: ", timeout=LONG)
    assert canvas(draft, "weight").count() >= 1
    heads = table.locator("tbody tr", has_text="heads removed").locator("td").all_inner_texts()
    full = table.locator("tbody tr", has_text="full").locator("td").all_inner_texts()
    assert int(heads[1].replace(",", "")) < int(full[1].replace(",", "")) and float(heads[4]) > 0
    stage(draft, 6)
    for panel, title in EQUAL.items():
        shown = draft.locator(f"#pruning-equal-heatmaps figure:has(canvas[data-panel={panel}])")
        expect(shown).to_contain_text(title, timeout=LONG)
    equal = draft.locator("#pruning-equal-heatmaps")
    expect(equal.locator(".gb-heat")).to_have_attribute("data-window", "0,0,96,96")
    equal.get_by_role("button", name="Zoom in").click()
    expect(equal.locator(".gb-heat")).to_have_attribute("data-window", "24,24,48,48")
    numbers = draft.locator("#pruning-numbers tbody tr")
    bytes_of = {row.locator("td").nth(1).inner_text() for row in numbers.all()}
    assert numbers.count() == 3 and len(bytes_of) == 1
    contest = draft.locator("#pruning-contest")
    expect(contest).to_contain_text("At these bytes the best is", timeout=LONG)
    rows = [row.locator("td").all_inner_texts() for row in contest.locator("tbody tr").all()]
    assert len(rows) == 4 and len({row[1] for row in rows[:3]}) == 1 != len({row[1] for row in rows})


def test_a_refusal_is_one_sentence_and_the_page_keeps_what_it_showed(page):
    key = run_key(page)
    box = page.get_by_label("number input for Sparsity (%)")
    box.fill("")
    box.press("Enter")
    said = page.locator("#pruning-alarm .gb-said")
    expect(said).to_contain_text("Sparsity must be a number from 0 to 100; got")
    assert run_key(page) == key
    cut(page, 40)
    expect(said).to_be_hidden()


@pytest.mark.parametrize("width, dark, looked_at", [(1280, False, (4, 6)), (390, True, (1, 2))])
def test_every_stage_fits_and_is_accessible(open_page, width, dark, looked_at):
    page = opened(open_page, width=width, dark=dark)
    for n, name in enumerate(STAGES, 1):
        stage(page, n)
        expect(page.locator(f"#pruning-stage-{n}")).to_contain_text(name)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if n in looked_at:
            assert serious(page) == {}, name
    for name in ("Code", "Sources"):
        page.get_by_role("tab", name=name).click()
    expect(page.get_by_text("Mishra et al. (2021)")).to_be_visible()
