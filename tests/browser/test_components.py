"""The components that several topics share, in an app of their own: what they draw, say, ask and send."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from demos.kit.regions import region_of
from tests import components_app as app
from tests.browser.test_accessibility import serious
from tests.browser.views import COLOURS, PICTURE
from tests.conftest import start_app

pytestmark = pytest.mark.browser

MAPS, GRID, CHART, TEXTS = "#tiny-heatmaps", "#tiny-map", "#tiny-curve", "#tiny-reading"
READ = (
    r"row (\d+)(?: \(marked\))?, column (\d+)(?: \(marked\))?: "
    r"weight (\S+) · code (\S+) · back (\S+) · error (\S+)"
)
MASK = r"row (\d+), column (\d+): mask (\w+) · weight (\S+)"


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    """The address of the components' app."""
    log = tmp_path_factory.mktemp("components") / "log"
    process, url = start_app(log, command=("-m", "tests.components_app"))
    yield url
    process.terminate()
    process.wait(timeout=20)
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture
def opened(open_page, components):
    """opened("Fill", ...) -> the page after these buttons."""

    def with_buttons(*names, **options):
        page = open_page(at=components, ready=f"{TEXTS} .nothing", **options)
        for name in names:
            press(page, name)
        if "Fill" in names:
            page.wait_for_selector(f"{MAPS} [data-run=first]")
            page.wait_for_selector(f"{TEXTS} [data-done=true]")
        return page

    return with_buttons


def press(page, name):
    page.get_by_role("button", name=name, exact=True).first.click()


def heard(page, *expected):
    expect(page.locator("#heard textarea")).to_have_value(json.dumps(expected))


def number(text):
    return float(text.replace("−", "-"))


def entry(page):
    """Row and column that the heatmaps read out; the values said are those of the app's arrays."""
    line = page.locator(f"{MAPS} .read").inner_text()
    row, column, *values = re.fullmatch(READ, line).groups()
    for (name, array), value in zip(app.matrix().items(), values, strict=True):
        want = array[int(row), int(column)]
        assert number(value) == pytest.approx(float(want), abs=0.51e-4), name
    return int(row), int(column)


def places(window=(0, 0, 688, 512)):
    _, row_of, column_of = region_of({}, np.abs(app.matrix()["error"]), window)
    return lambda i, j: (row_of[i, j], column_of[i, j])


def wait_for_window(page, *window):
    page.wait_for_selector(f"{MAPS} [data-window='{','.join(map(str, window))}']")


def lies_around(frame, x, y):
    """Whether the middle of a cell's frame is within a few pixels of a place on the page."""
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    return abs(middle[0] - x) < 3 and abs(middle[1] - y) < 3


def test_empty_filled_and_empty_again(opened):
    page = opened()
    expect(page.locator(".nothing:visible")).to_have_count(5)
    press(page, "Fill")
    page.wait_for_selector(f"{MAPS} [data-run=first]")
    page.wait_for_timeout(300)
    for key in app.PANELS:
        canvas = page.locator(f"{MAPS} canvas[data-panel={key}]")
        assert canvas.evaluate(COLOURS) > (15 if key == "code" else 60)
    expect(page.locator(".nothing:visible")).to_have_count(1)
    assert page.locator(f"{CHART} canvas").evaluate(COLOURS) > 10
    assert page.locator("img").count() == 0  # hostile names are words
    press(page, "Empty")
    expect(page.get_by_text("Press Fill to see it.")).to_have_count(4)
    expect(page.locator(f"{MAPS} canvas").first).to_be_hidden()
    press(page, "Fill")
    expect(page.locator(f"{MAPS} canvas").first).to_be_visible()


def test_heatmaps_read_the_same_entry_from_all_pictures(opened):
    page = opened("Fill")
    page.locator(f"{MAPS} canvas").first.focus()
    at = places()
    for keys, cell in (
        ((), (80, 80)), (("ArrowRight",), (80, 81)), (("Shift+ArrowDown",), (90, 81)),
        (("ArrowUp", "ArrowLeft", "ArrowLeft"), (89, 79)),
    ):  # fmt: skip
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(100)
        assert entry(page) == at(*cell)
    press_in, code = {"x": 130, "y": 60}, page.locator(f"{MAPS} canvas[data-panel=code]")
    code.hover(position=press_in)
    page.wait_for_timeout(100)
    box = code.bounding_box()
    shared = entry(page)
    frames = [f.bounding_box() for f in page.locator(f"{MAPS} .cell").all()]
    assert lies_around(frames[1], box["x"] + 130, box["y"] + 60)
    assert len({(round(f["width"], 2), round(f["height"], 2)) for f in frames}) == 1
    code.click(position=press_in)
    heard(page, "maps", list(map(int, shared)))
    expect(page.locator(f"{MAPS} .picked:visible")).to_have_count(4)
    for _ in range(80 + 40):  # to the left edge and back over the marked column
        page.keyboard.press("ArrowLeft")
    expect(page.locator(f"{MAPS} .read")).to_have_text(re.compile(r"^row \d+, column [0-3]: "))
    for column in range(1, 13):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_timeout(40)
        _, found = entry(page)
        boxes = [page.locator(f"{MAPS} .{kind}").first.bounding_box() for kind in ("cell", "picked")]
        assert boxes[0] == boxes[1]
        assert column * 512 // 160 <= found < (column + 1) * 512 // 160
        said = page.locator(f"{MAPS} .read").inner_text()
        assert ("(marked)" in said.split(":")[0].split(",")[1]) == (found in app.MARKED)
    assert found == 40


def test_zoom_asks_for_the_window_and_shows_it(opened):
    page = opened("Fill")
    shown, do = page.locator(f"{MAPS} .shown"), lambda name: page.click(f"{MAPS} [data-do={name}]")
    expect(shown).to_have_text("688 rows, 512 columns; each cell shows one of up to 5 × 4 entries")
    before = page.locator(f"{MAPS} canvas").first.evaluate(PICTURE)
    do("in")
    wait_for_window(page, 172, 128, 344, 256)
    expect(shown).to_have_text(
        "rows 172 to 515 of 688, columns 128 to 383 of 512; each cell shows one of up to 3 × 2 entries"
    )
    page.wait_for_timeout(100)
    assert page.locator(f"{MAPS} canvas").first.evaluate(PICTURE) != before
    at = places((172, 128, 344, 256))
    assert entry(page) in {tuple(at(i, j)) for i in range(160) for j in range(160)}
    # A rectangle, from cell to cell.
    canvas = page.locator(f"{MAPS} canvas[data-panel=error]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.wait_for_timeout(50)
    cell = page.locator(f"{MAPS} .cell").nth(3)  # over the error
    assert lies_around(cell.bounding_box(), box["x"] + 100, box["y"] + 60)
    top, left = entry(page)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 120, steps=3)
    page.wait_for_timeout(50)
    bottom, right = entry(page)
    expect(page.locator(f"{MAPS} .drag:visible")).to_have_count(4)
    page.mouse.up()
    page.wait_for_function(f"() => document.querySelector('{MAPS} [data-window]').dataset.window[0] !== '1'")
    window = list(map(int, page.locator(f"{MAPS} .gb-heat").get_attribute("data-window").split(",")))
    assert 0 <= top - window[0] < 4 and 0 <= left - window[1] < 3
    assert 0 < window[0] + window[2] - bottom <= 4 and 0 < window[1] + window[3] - right <= 3
    expect(page.locator(f"{MAPS} .drag:visible")).to_have_count(0)
    do("up")
    wait_for_window(page, window[0] - round(window[2] / 2), *window[1:])
    do("whole")
    wait_for_window(page, 0, 0, 688, 512)
    expect(page.locator(f"{MAPS} [data-do=left]")).to_be_hidden()


def test_a_late_answer_and_a_refused_one(opened):
    page = opened("Fill")
    zoom = page.locator(f"{MAPS} [data-do=in]")
    zoom.click()
    page.wait_for_timeout(50)
    zoom.click()  # while the server is still at the first
    wait_for_window(page, 258, 192, 172, 128)
    page.wait_for_timeout(900)
    wait_for_window(page, 258, 192, 172, 128)
    for rows in (86, 43, 22, 11, 6):
        zoom.click()
        page.wait_for_selector(f"{MAPS} [data-window*=',{rows},']")
    before = page.locator(f"{MAPS} .gb-heat").get_attribute("data-window")
    zoom.click()
    expect(page.locator(f"{MAPS} .alarm")).to_have_text("A window of at least 6 rows is expected; got 4.")
    assert page.locator(f"{MAPS} .gb-heat").get_attribute("data-window") == before
    top, _, height, _ = map(int, before.split(","))
    expect(page.locator(f"{MAPS} .shown")).to_contain_text(f"rows {top} to {top + height - 1} of 688")
    entry(page)
    page.locator(f"{MAPS} canvas").first.focus()
    page.keyboard.press("0")
    wait_for_window(page, 0, 0, 688, 512)
    expect(page.locator(f"{MAPS} .alarm")).to_be_empty()
    page.mouse.move(0, 0)
    page.locator(f"{MAPS} canvas").first.hover(position={"x": 60, "y": 60})
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_selector(f"{MAPS} [data-window$=',344,256']", timeout=5000)


def test_a_mask_says_cut_or_kept(opened):
    page = opened("Mask")
    page.wait_for_selector("#mask-heatmaps [data-run=masked]")
    weight = app.matrix()["weight"]
    page.locator("#mask-heatmaps canvas").first.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
        line = page.locator("#mask-heatmaps .read").inner_text()
        row, column, kept, value = re.fullmatch(MASK, line).groups()
        want = weight[int(row), int(column)]
        assert kept == ("kept" if abs(want) > 0.03 else "cut")
        assert number(value) == pytest.approx(float(want), abs=0.51e-3)
    expect(page.locator("#mask-heatmaps .legend").first).to_have_text("cutkept")


def test_layer_map_says_and_sends_each_cell(opened):
    page = opened("Fill")
    wanted = app.layers(6, 42)
    rows = page.locator(f"{GRID} tbody tr")
    expect(rows).to_have_count(6)
    for r, cells in enumerate(wanted["cells"]):
        for c, cell in enumerate(cells):
            place = rows.nth(r).locator("td").nth(c)
            if cell is None:
                assert place.locator("button").count() == 0
                continue
            button = place.locator("button")
            assert button.inner_text().split() == [cell["text"], cell["mark"]]
            assert button.get_attribute("aria-label") == (
                f"layer {r}, {app.MATRICES[c]}: {cell['text']} relative error, {cell['mark']}"
            )
    colours = page.locator(f"{GRID} tbody button").evaluate_all(
        "all => all.map(b => getComputedStyle(b).backgroundColor)"
    )
    known = [cell["value"] for cells in wanted["cells"] for cell in cells if cell]
    assert colours[int(np.argmin(known))] == "rgb(68, 1, 84)"  # the ends of viridis
    assert colours[int(np.argmax(known))] == "rgb(253, 231, 37)"
    read = page.locator(f"{GRID} .read")
    rows.nth(1).locator("button").nth(3).click()  # layer 1, o
    heard(page, "grid", [1, 3])
    expect(read).to_have_text(f"layer 1, o: {wanted['cells'][1][3]['text']} relative error, nf4 (chosen)")
    page.keyboard.press("ArrowRight")  # there is no gate
    expect(read).to_contain_text("layer 1, up: ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    heard(page, "grid", [2, 5])
    assert page.locator(f"{GRID} button[aria-pressed=true]").count() == 1
    assert page.locator(f"{GRID} button[tabindex='0']").count() == 1
    press(page, "Deep")
    expect(rows).to_have_count(24)
    expect(page.locator(f"{GRID} .unknown")).to_have_count(24 * 7 - 100)
    expect(page.locator(f"{GRID} .told")).to_have_text("100 of 168 matrices")
    last = rows.nth(23).locator("button").last
    assert last.get_attribute("aria-label") == "layer 23, down: not yet computed, int4"
    assert page.locator(f"{GRID} tbody tr").first.bounding_box()["height"] >= 20


def sentence(point, series):
    y = point["y"]
    text = "infinite" if y is None else "3e7" if y == 3e7 else f"{y:.4g}"
    note = f" {point['note']}" if point["note"] else ""
    return f"{point['name']} ({series}): bits per weight {point['x']:.4g}, perplexity {text}.{note}"


def test_curve_reads_out_every_point_by_keys(opened):
    page = opened("Fill")
    wanted = sorted(
        (point["x"], s, sentence(point, series["name"]))
        for s, series in enumerate(app.curve(7)["series"])
        for point in series["points"]
    )
    read, canvas = page.locator(f"{CHART} .read"), page.locator(f"{CHART} canvas")
    chosen = next(text for *_, text in wanted if text.startswith("GPTQ 4.125"))
    expect(read).to_have_text(chosen)
    canvas.focus()
    for _ in range(21):
        page.keyboard.press("ArrowLeft")
    for i, (*_, text) in enumerate(wanted):
        if i:
            page.keyboard.press("ArrowRight")
        assert read.inner_text() == text
    page.keyboard.press("ArrowUp")
    assert "perplexity 10" in read.inner_text()
    page.keyboard.press("Enter")
    heard(page, "chart", read.inner_text().split(" (")[0])
    page.locator(f"{CHART} summary").click()
    cells = page.locator(f"{CHART} tbody tr")
    expect(cells).to_have_count(21)
    assert "infinite" in cells.first.inner_text()
    page.wait_for_timeout(100)


def test_curve_takes_the_point_nearest_to_the_pointer(opened):
    page = opened("Fill")
    read, canvas = page.locator(f"{CHART} .read"), page.locator(f"{CHART} canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    canvas.hover(position={"x": box["width"] - 12, "y": box["height"] / 2})
    expect(read).to_contain_text("bits per weight 16")
    canvas.hover(position={"x": 62, "y": 22})
    expect(read).to_contain_text("bits per weight 2.1")
    page.mouse.move(0, 0)
    expect(read).to_contain_text("GPTQ 4.125")
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] - 30})
    name = read.inner_text().split(" (")[0]
    assert name.endswith("8.25")
    heard(page, "chart", name)
    before = canvas.evaluate(PICTURE)
    page.evaluate("Glassbox.setDark(true)")
    page.wait_for_timeout(300)
    assert canvas.evaluate(PICTURE) != before


def test_texts_grow_without_being_written_anew(opened):
    page = opened()
    page.evaluate("""() => {
        const text = document.querySelector('#tiny-reading .text');
        window.removed = 0;
        new MutationObserver(all => all.forEach(m => (window.removed += m.removedNodes.length)))
            .observe(text, {childList: true});
    }""")
    press(page, "Grow")
    page.wait_for_selector(f"{TEXTS} .text.writing")
    page.wait_for_selector(f"{TEXTS} [data-done=true]")
    assert page.evaluate("removed") == 0
    wanted = app.reading(20)
    for k, side in enumerate(wanted["sides"]):
        text = page.locator(f"{TEXTS} .text").nth(k)
        assert text.locator(".tok").all_text_contents() == [token["text"] for token in side["tokens"]]
        assert text.locator(".parting").all_text_contents() == [side["tokens"][10]["text"]]
        assert text.locator(".flag").all_text_contents() == ["they part here"]
        assert text.locator(".after").count() == (9 if k else 0)
    assert page.locator(f"{TEXTS} .prompt").inner_text() == app.PROMPT
    expect(page.locator(f"{CHART} [data-done=true], {CHART} .gb-curve[data-done=true]").first).to_be_visible()
    expect(page.locator(f"{GRID} .unknown")).to_have_count(0)


def test_texts_tell_probabilities_and_laws(opened):
    page = opened("Fill")
    read, wanted = page.locator(f"{TEXTS} .read"), app.reading(20)
    expect(read).to_contain_text("The texts part at token 11.")
    for k, side in enumerate(wanted["sides"]):
        p = side["tokens"][7]["p"]
        page.locator(f"{TEXTS} .text").nth(k).locator(".tok").nth(7).hover()
        expect(read).to_have_text(f"Token 8, “ He”: probability {p:.3f} under {side['name']}.")
    page.mouse.move(0, 0)
    page.locator(f"{TEXTS} .text").nth(1).focus()
    page.keyboard.press("End")
    expect(read).to_contain_text("Token 20, “ blue”")
    page.keyboard.press("ArrowLeft")
    expect(read).to_contain_text(
        f"Token 19, “ wide”: probability {wanted['sides'][1]['tokens'][18]['p']:.3f}"
    )
    expect(page.locator(f"{TEXTS} .laws .name")).to_have_text("The laws of the next token after “saw a”")
    numbers = page.locator(f"{TEXTS} .number").all_inner_texts()
    assert numbers == [
        "0.420 ◂ taken", "0.210", "0.200", "0.390 ◂ taken",
        "0.110", "0.100", "0.020", "4e−4", "0.250", "0.299",
    ]  # fmt: skip
    widths = [bar.bounding_box()["width"] for bar in page.locator(f"{TEXTS} .track i").all()]
    assert widths[1] / widths[0] == pytest.approx(0.5, abs=0.02)
    assert widths[3] / widths[2] == pytest.approx(1.95, abs=0.05)
    press(page, "Same")
    expect(read).to_have_text("The texts are the same in all 20 tokens.")
    expect(page.locator(f"{TEXTS} :is(.flag, .parting, .after, .laws table)")).to_have_count(0)


@pytest.mark.parametrize("width, height", [(1280, 720), (390, 844)])
def test_components_fit_and_are_accessible(opened, width, height):
    page = opened("Fill", "Mask", "Deep", width=width, height=height)
    page.locator(f"{CHART} summary").click()
    page.click(f"{MAPS} [data-do=in]")
    page.locator(f"{GRID} button").nth(3).click()
    wait_for_window(page, 172, 128, 344, 256)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for dark in ("false", "true"):
        page.evaluate(f"Glassbox.setDark({dark})")
        assert serious(page) == {}, f"dark: {dark}"
