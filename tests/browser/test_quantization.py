"""The quantization page as a student uses it."""

import re

import pytest
from playwright.sync_api import expect

from demos.kit.zoo import MODELS
from demos.quantization import controls, figures, number, words, work
from demos.quantization.panels import MAPS, PROFILE, STAGES
from demos.quantization.scheme import SCHEMES
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
    page = open_page("?topic=quantization", ready="#quantization-view [data-run]", **options)
    page.wait_for_selector("#quantization-view .steps b")
    return page


@pytest.fixture
def draft(page):
    """The page with the small model."""
    choose(page, "Model", DRAFT)
    return page


def view(page, selector):
    return page.locator(f"#quantization-view {selector}")


def stage(page, n):
    page.click(f"#quantization-stage-{n}")


def choose(page, label, name):
    views.choose(page, "quantization", label, name)


def first_run(**changes):
    """What the page's first number line should hold, computed here."""
    given = controls.start(**changes)
    seen = work.see(
        controls.settings_of(*(given[n] for n in ("model", "scheme", "matrix", "sequences", "threshold")))
    )
    return seen, figures.number_view(number.number(seen.trace, *words.worst(seen.trace)), seen.trace)


def steps(page):
    """The four numbers under the line: weight, in units, code and its bits, value back."""
    return view(page, ".steps b").all_inner_texts()


def formatted(page, value):
    return page.evaluate("v => window.Glassbox.format(v)", value)


def check_line(page, line):
    """The slider goes to each end and some places between: the numbers are the line's."""
    for place in (0, 100, 239, 333, len(line["places"]) - 1):
        view(page, ".place").fill(str(place))
        code = line["numbers"][place]
        want = [
            formatted(page, line["places"][place]),
            formatted(page, line["units"][place]),
            f"{code} = {line['patterns'][str(code)]}",
            formatted(page, line["rounded"][place]),
        ]
        assert steps(page) == want, place
    view(page, ".itself").click()
    weight, units, code, back = steps(page)
    assert weight == formatted(page, line["weight"]) and back == formatted(page, line["back"])
    assert code == f"{line['code']} = {line['patterns'][str(line['code'])]}"
    expect(view(page, ".itself")).to_be_disabled()
    return units


def wait_for_the_score(page):
    """Until the map says nothing more: it does while matrices are done, text is read, or schemes are new."""
    score, told = page.locator("#quantization-score"), page.locator("#quantization-map .told")
    expect(score).to_contain_text("likeliest token", timeout=LONG)
    expect(told).to_have_text("", timeout=LONG)
    expect(score).not_to_contain_text("so far", timeout=LONG)


def test_one_number_goes_to_its_level_and_nf4_has_other_levels(page):
    seen, line = first_run()
    expect(page.locator("#quantization-caption")).to_contain_text(f"{seen.trace.bits_per_weight:.3f} bits")
    expect(view(page, ".which")).to_contain_text(f"Row {line['row']}, column {line['column']}")
    assert canvas(page, "line").evaluate(COLOURS) > 3
    expect(page.locator("#quantization-remark .gb-said")).to_be_hidden()
    units = check_line(page, line)
    # The weight in units of its scale is the weight's own, not that of the slider's nearest place.
    assert units == formatted(page, line["weight"] / line["scale"])
    before = canvas(page, "line").evaluate(PICTURE)
    choose(page, "Scheme", "NF4")
    _, line = first_run(scheme="NF4")
    assert canvas(page, "line").evaluate(PICTURE) != before
    check_line(page, line)
    assert {line["numbers"][0], line["numbers"][-1]} == {0, 15}
    expect(page.locator("#quantization")).to_contain_text("arg")  # the formula of a table


def test_an_entry_of_the_maps_moves_the_number_line(page):
    stage(page, 2)
    for panel, title in (*MAPS.items(), *PROFILE.items()):
        expect(canvas(page, panel)).to_be_visible()
        heading = page.locator(f"figure:has(canvas[data-panel={panel}]) figcaption")
        expect(heading).to_have_text(title)
    page.wait_for_function(
        "() => ['weight', 'error', 'histogram', 'columns'].every(name => {"
        f"const c = document.querySelector(`canvas[data-panel=${{name}}]`); return ({COLOURS})(c) > 3; }})"
    )
    maps = page.locator("#quantization-heatmaps")
    weight = canvas(page, "weight")
    weight.focus()
    said = maps.locator(".read")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        before = said.inner_text()
        weight.press(key)
        expect(said).not_to_have_text(before)
    row, column, value = re.search(r"row (\d+).*?, column (\d+).*?: Weight (\S+)", said.inner_text()).groups()
    weight.press("Enter")
    expect(page.locator("#quantization-stage-1")).to_have_attribute("aria-selected", "true")
    expect(view(page, ".which")).to_contain_text(f"Row {row}, column {column}:")
    shown = float(steps(page)[0].replace("−", "-"))
    assert shown == pytest.approx(float(value.replace("−", "-")), abs=1e-4)
    stage(page, 2)
    maps.get_by_role("button", name="Zoom in").click()
    page.wait_for_function(
        "document.querySelector('#quantization-heatmaps .gb-heat').dataset.window != '0,0,688,256'"
    )
    expect(maps.locator(".alarm")).to_have_text("")


def test_the_whole_model_is_measured_and_single_matrices_are_changed(draft):
    page = draft
    stage(page, 3)
    layers, score = page.locator("#quantization-map"), page.locator("#quantization-score")
    wait_for_the_score(page)
    given = controls.start(model=DRAFT)
    plan = controls.plan_of(*(given[n] for n in ("model", "scheme", "sequences", "threshold")), {})
    *_, state = work.measure(plan, lambda: None)
    said = score.inner_text()
    assert f"On {state.score.tokens:,} tokens" in said and f"{state.bits:.3f} bits of a weight" in said
    perplexities = [
        float(n) for n in re.search(r"perplexity ([\d.]+), the full model's (\d+\.\d+)", said).groups()
    ]
    assert perplexities == pytest.approx([state.score.perplexity, state.score.full_perplexity], abs=0.02)
    cells = layers.locator("button[data-cell]")
    expect(cells).to_have_count(14)
    for cell, of in zip(cells.all(), state.cells, strict=True):
        assert float(cell.locator(".number").inner_text()) == pytest.approx(100 * of.noise**0.5, rel=0.01)

    page.get_by_label("Leave it at full precision").check()
    layers.locator("button[data-cell='0 0']").click()
    expect(layers.locator(".told")).to_contain_text("Schemes of their own: 1 matrix.")
    page.get_by_label("Give it the scheme above").check()
    layers.locator("button[data-cell='1 6']").click()
    expect(layers.locator("button[data-cell='1 6'] .tag")).to_have_text("own")
    choose(page, "Scheme", "int2 absmax")
    wait_for_the_score(page)
    expect(score).to_contain_text("; at full precision: 1 matrix.")
    expect(layers.locator("button[data-cell='0 0'] .tag")).to_have_text("full")
    expect(layers.locator("button[data-cell='1 6'] .tag")).to_have_text("8 bit")
    values = [float(text) for text in layers.locator("button[data-cell] .number").all_inner_texts()]
    assert values[0] == 0 < values[13] < 2 < 20 < min(values[1:13])

    page.get_by_label("Show that matrix").check()
    key = run_key(page)
    layers.locator("button[data-cell='0 1']").click()
    wait_for_another_run(page, key)
    expect(page.locator("#quantization input[aria-label='Matrix']")).to_have_value(
        "model.layers.0.self_attn.k_proj"
    )


def test_the_curve_grows_and_stops(draft):
    page = draft
    stage(page, 3)
    wait_for_the_score(page)
    page.get_by_role("button", name="Measure every scheme").click()
    curve = page.locator("#quantization-curve")
    told, schemes = curve.locator(".told"), f"of {len(SCHEMES)} schemes"
    expect(told).to_contain_text(re.compile(rf"^\d+ {schemes}"), timeout=LONG)
    page.locator(".gb-stage-3 button:visible", has_text="Stop").nth(1).click()
    expect(told).to_contain_text(re.compile(rf"^Stopped after \d+ {schemes}"), timeout=LONG)
    expect(curve.locator("[data-done=true]")).to_be_attached()
    curve.locator("summary").click()
    rows = curve.locator("tbody tr")
    number_of = int(re.search(r"after (\d+) of", told.inner_text()).group(1))
    expect(rows).to_have_count(number_of)
    assert rows.first.inner_text().startswith("float16")


def test_texts_bytes_and_caches_appear(draft):
    page = draft
    stage(page, 4)
    texts = page.locator("#quantization-texts")
    expect(texts.locator(".text").nth(0)).not_to_have_class(re.compile("writing"), timeout=LONG)
    expect(texts.locator(".text").nth(0).locator(".tok")).to_have_count(60, timeout=LONG)
    expect(texts.locator(".text").nth(1).locator(".tok")).to_have_count(60, timeout=LONG)
    expect(texts.locator(".prompt")).to_contain_text(controls.PROMPT)
    expect(page.locator("#quantization-read")).to_contain_text(
        re.compile("The texts (part at token|are the same)")
    )
    page.get_by_label("Prompt").fill("")
    page.get_by_role("button", name="Write").click()
    alarm = page.locator("#quantization-alarm .gb-said")
    expect(alarm).to_have_text("A prompt of at least one character is expected; got an empty one.")
    page.get_by_label("Prompt").fill("<img src=x onerror=alert(1)> The fox")
    page.get_by_role("button", name="Write").click()
    expect(texts.locator(".prompt")).to_contain_text("<img src=x onerror=alert(1)> The fox", timeout=LONG)
    expect(alarm).to_be_hidden()
    assert texts.locator("img").count() == 0

    stage(page, 5)
    table = page.locator("#quantization-table")
    expect(table).to_contain_text("Fastest here", timeout=LONG)
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(6)
    sizes = [float(text.split()[0]) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert sizes[0] == pytest.approx(2 * sizes[1], rel=0.02) and sizes[3] < sizes[1] < sizes[2]
    expect(page.locator("#quantization-savings .read")).not_to_be_empty()

    stage(page, 6)
    for name, points in (("cache", 7), ("active", 6)):
        chart = page.locator(f"#quantization-{name}")
        expect(chart.locator("[data-done=true] canvas")).to_be_visible(timeout=LONG)
        chart.locator("summary").click()
        expect(chart.locator("tbody tr")).to_have_count(points)
        assert chart.locator("canvas").evaluate(COLOURS) > 3


def test_what_cannot_be_is_one_sentence(page):
    key = run_key(page)
    page.locator("#quantization input[aria-label='Matrix']").click()
    page.get_by_role("option", name="model.layers.0.mlp.down_proj", exact=True).click()
    wait_for_another_run(page, key)
    key = run_key(page)
    page.locator("#quantization input[aria-label='Scheme']").click()
    page.get_by_role("option", name="int4, groups of 64", exact=True).click()
    said = page.locator("#quantization-alarm .gb-said")
    expect(said).to_contain_text("Groups of 64 do not divide rows of 688 weights.")
    assert run_key(page) == key
    choose(page, "Scheme", "int4 absmax")
    expect(said).to_be_hidden()


def test_the_prediction_is_answered_and_an_absent_model_is_said(page):
    page.get_by_label("about 18 times as large").check()
    page.get_by_role("button", name=re.compile("^Half the bits")).click()
    expect(page.locator("#quantization-predict")).to_contain_text("✓ As you said")
    expect(page.locator("#quantization-stage-2")).to_have_attribute("aria-selected", "true")
    choose(page, "Model", "DistilGPT2")
    expect(page.locator("#quantization-models")).to_contain_text("353 MB to download")
    expect(page.locator("#quantization-remark .gb-said")).to_contain_text("The pocket model goes on.")


@pytest.mark.parametrize(
    "width, height, dark, examined", [(1280, 720, False, (2, 3, 4)), (390, 844, True, (1, 2, 3, 4, 5, 6))]
)
def test_every_stage_fits_its_screen_and_is_accessible(open_page, width, height, dark, examined):
    page = opened(open_page, width=width, height=height, dark=dark)
    if width < 761:
        page.get_by_role("button", name="Controls").click()
    choose(page, "Model", DRAFT)
    ready = {
        3: "#quantization-map button[data-cell]",
        4: "#quantization-texts .text:not(.writing) .tok",
        5: "#quantization-table tbody tr",
        6: "#quantization-cache canvas",
    }
    for n, name in enumerate(STAGES, 1):
        stage(page, n)
        expect(page.locator(f"#quantization-stage-{n}")).to_contain_text(name)
        if n in ready:
            page.locator(ready[n]).first.wait_for(timeout=LONG)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"stage {n}"
        if n in examined:
            assert serious(page) == {}, f"stage {n}"
