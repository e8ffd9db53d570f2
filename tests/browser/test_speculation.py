"""The speculation page as a student uses it."""

import re

import pytest
from playwright.sync_api import expect

from demos.speculative_decoding.panels import COURT, PANELS, STAGES
from tests.browser.views import COLOURS, PICTURE, canvas, run_key, wait_for_another_run

pytestmark = pytest.mark.browser


@pytest.fixture
def speculation(open_page):
    """The page with its first result drawn."""

    def open_one(**options):
        ready = "#speculation-view [data-done=true]"
        return open_page("?topic=speculative-decoding", ready=ready, **options)

    return open_one


def view(page, selector):
    return page.locator(f"#speculation-view {selector}")


def text_of(page):
    """The words of the race's own text, from the page."""
    page.click("#speculation-stage-3")
    return view(page, "section .words").nth(0).text_content()


def test_a_first_result_stands_there_before_anyone_clicks(speculation):
    page = speculation()
    expect(page.locator("#speculation-caption")).to_contain_text("48 tokens in")
    expect(page.locator("#speculation-caption")).to_contain_text("times the speed")
    assert view(page, ".strip .accepted:visible").count() > 5
    assert view(page, ".strip .rejected:visible").count() > 2
    assert canvas(page, "laws").evaluate(COLOURS) > 3
    expect(page.locator("#speculation-remark .gb-said")).to_be_hidden()


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_each_stage_is_shown_and_drawn(speculation, width, dark):
    page = speculation(width=width, dark=dark)
    for n, (name, panels) in enumerate(STAGES, 1):
        page.click(f"#speculation-stage-{n}")
        expect(page.locator(f"#speculation-stage-{n}")).to_contain_text(name)
        page.wait_for_timeout(150)
        for panel in panels:
            expect(canvas(page, panel)).to_be_visible()
            assert canvas(page, panel).evaluate(COLOURS) > 3, panel
            title = page.locator(f"figure:has(canvas[data-panel={panel}]) figcaption")
            expect(title).to_have_text(PANELS[panel].title)
        assert view(page, "canvas:visible").count() == len(panels)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_text_numbers_and_marks_agree(speculation):
    """What the page shows of the run, counted in the page itself."""
    page = speculation()
    kinds = ("accepted", "rejected", "resampled", "bonus", "target")
    accepted, rejected, resampled, bonus, alone = (view(page, f".strip .{kind}").count() for kind in kinds)
    blocks = int(re.search(r"block \d+ of (\d+)", view(page, ".when").inner_text()).group(1))
    assert resampled + bonus + alone == blocks and rejected == resampled
    assert accepted + resampled + bonus + alone == 48
    said = page.locator("#speculation-caption").inner_text()
    assert f"in {blocks} passes" in said
    assert f"{accepted} of {accepted + rejected} judged drafts" in said


def test_steps_and_play_move_text_caches_and_race_on_one_clock(speculation):
    page = speculation()
    key, sent = run_key(page), []
    page.on("request", lambda r: sent.append(r.url) if "queue/join" in r.url else None)
    page.click("#speculation-stage-2")
    shown = view(page, ".strip .tok:visible")
    total, whole = shown.count(), canvas(page, "caches").evaluate(PICTURE)
    said = view(page, ".cached").inner_text()
    page.get_by_role("button", name="‹ Block").click()
    assert shown.count() < total
    assert canvas(page, "caches").evaluate(PICTURE) != whole
    assert view(page, ".cached").inner_text() != said
    page.get_by_role("button", name="Block ›").click()
    assert shown.count() == total and canvas(page, "caches").evaluate(PICTURE) == whole
    view(page, ".clock").fill("0")
    assert shown.count() == 0
    page.get_by_role("button", name="▶ Play").click()
    page.wait_for_function("document.querySelectorAll('#speculation-view .strip .draft').length > 0")
    page.get_by_role("button", name="⏸ Pause").click()
    now = view(page, ".when").inner_text()
    page.wait_for_timeout(300)
    assert view(page, ".when").inner_text() == now
    page.click("#speculation-stage-3")
    assert view(page, "section .rate").nth(0).inner_text() != ""
    view(page, ".speed").select_option("1")
    page.get_by_role("button", name="▶ Play").click()
    expect(view(page, ".when")).to_contain_text("48 tokens")
    assert sent == [] and run_key(page) == key


def test_caches_say_what_the_last_block_kept(speculation):
    """Target: all but the last token; draft: the same, but one less after full acceptance, and where the
    target went on alone."""
    page = speculation()
    page.click("#speculation-stage-2")
    held = re.findall(r"holds (\d+) positions", view(page, ".cached").inner_text())
    prompt = page.evaluate(
        "document.querySelectorAll('#speculation-view .strip .prompt')[0].textContent.length"
    )
    assert prompt == len("Once upon a time there was a king who")
    target, draft = map(int, held)
    ends = view(page, ".strip :is(.resampled, .bonus, .target)").evaluate_all(
        "all => all.map(b => b.className)"
    )
    behind = 0
    for end in ends:
        behind = behind + 1 if "target" in end else 1 if "bonus" in end else 0
    assert target - draft == behind


def test_a_token_tells_its_numbers_on_hover_and_shows_its_laws_on_click(speculation):
    page = speculation()
    page.click("#speculation-stage-3")
    token = view(page, ".strip .accepted").first
    token.hover()
    told = view(page, ".told").inner_text()
    q, p, ratio, r = map(
        float,
        re.search(
            r"q = ([\d.e−]+), p = ([\d.e−]+), p/q = ([\d.e−]+); drawn r = ([\d.e−]+), below", told
        ).groups(),
    )
    assert ratio == pytest.approx(p / q, rel=0.03) and r < ratio
    token.click()
    expect(page.locator("#speculation-stage-1")).to_have_attribute("aria-selected", "true")
    before = canvas(page, "laws").evaluate(PICTURE)
    expect(token).to_have_attribute("aria-pressed", "true")
    view(page, ".strip .rejected").first.click()
    assert canvas(page, "laws").evaluate(PICTURE) != before
    expect(view(page, ".told")).to_contain_text("not below p/q: rejected")
    view(page, ".strip .bonus").first.click()
    expect(view(page, ".told")).to_contain_text("bonus")


def test_keyboard_moves_from_token_to_token(speculation):
    page = speculation()
    view(page, ".strip .tok").first.focus()
    told = view(page, ".told").inner_text()
    page.keyboard.press("ArrowRight")
    expect(view(page, ".strip .tok").nth(1)).to_be_focused()
    assert view(page, ".told").inner_text() != told
    page.keyboard.press("Enter")
    expect(view(page, ".strip .tok").nth(1)).to_have_attribute("aria-pressed", "true")


def test_what_was_not_kept_can_be_hidden_and_the_text_remains(speculation):
    page = speculation()
    text = text_of(page)
    page.get_by_label("show what was not kept").uncheck()
    assert view(page, ".strip .rejected:visible").count() == 0
    shown = view(page, ".strip .tok:visible").evaluate_all("all => all.map(b => b.textContent).join('')")
    assert shown == re.sub(r"\s", "", text) or shown.replace(" ", "") == re.sub(r"\s", "", text).replace(
        "\n", ""
    )


def test_greedy_writes_the_same_text_twice(speculation):
    page = speculation()
    key = run_key(page)
    page.get_by_role("button", name="Greedy", exact=True).click()
    wait_for_another_run(page, key)
    ours, plain = view(page, "section .words").all_text_contents()
    assert ours == plain and len(ours) > 100
    expect(page.locator("#speculation-caption")).to_contain_text("the same, token for token")


def test_the_prediction_is_answered_by_the_oracle(speculation):
    page = speculation()
    key = run_key(page)
    page.get_by_label("about K + 1 times as fast").check()
    page.get_by_role("button", name="The target drafts for itself").click()
    wait_for_another_run(page, key)
    expect(page.locator("#speculative-decoding-predict")).to_contain_text("drafted tokens were accepted")
    expect(page.locator("#speculative-decoding-predict")).to_contain_text("✗ Not as you said")
    assert view(page, ".strip .rejected").count() == 0
    expect(page.locator("#speculation-stage-3")).to_have_attribute("aria-selected", "true")


def test_a_longer_draft_is_a_new_run_with_longer_blocks(speculation):
    page = speculation()
    key = run_key(page)
    page.get_by_role("button", name="Eight at once").click()
    wait_for_another_run(page, key)
    expect(page.locator("#speculation-stage-4")).to_have_attribute("aria-selected", "true")
    expect(view(page, ".numbers .here td").first).to_have_text("8")


def test_ones_own_prompt_is_continued_and_shown_as_text(speculation):
    page = speculation()
    key, evil = run_key(page), "<img src=x onerror=alert(1)> said the fox"
    box = page.get_by_label("Prompt")
    box.fill(evil)
    page.get_by_role("button", name="Write").click()
    wait_for_another_run(page, key)
    expect(view(page, ".strip .prompt")).to_have_text(evil)
    assert page.locator("#speculation-view .strip img").count() == 0


def test_what_cannot_be_is_one_sentence_and_keeps_the_text(speculation):
    page = speculation()
    key = run_key(page)
    page.get_by_label("Prompt").fill("")
    page.get_by_role("button", name="Write").click()
    said = page.locator("#speculation-alarm .gb-said")
    expect(said).to_have_text("A prompt of at least one character is expected; got an empty one.")
    assert run_key(page) == key
    page.get_by_label("Prompt").fill("word " * 1100)
    page.get_by_role("button", name="Write").click()
    expect(said).to_contain_text("The prompt must have 1 to 1024 tokens; got")
    page.get_by_label("Prompt").fill("A little frog")
    page.get_by_role("button", name="Write").click()
    wait_for_another_run(page, key)
    expect(said).to_be_hidden()


def test_a_hub_pair_says_what_it_costs_and_the_pocket_pair_goes_on(speculation):
    page = speculation()
    page.locator("#speculative-decoding button.label-wrap", has_text="More").click()
    page.locator("#speculative-decoding input[aria-label='Models: draft → target']").click()
    page.get_by_role("option", name="SmolLM2-135M → SmolLM2-360M").click()
    about = page.locator("#speculation-models")
    expect(about).to_contain_text("269 MB to download")
    expect(about).to_contain_text("724 MB to download")
    expect(about).to_contain_text("Apache-2.0")
    expect(page.locator("#speculation-remark .gb-said")).to_contain_text("The pocket pair goes on")
    page.get_by_role("button", name="Download these models").click()
    said = page.locator("#speculation-download .gb-said")
    expect(said).to_contain_text("The pocket pair goes on.", timeout=60_000)
    assert said.inner_text().count(". ") == 1
    expect(page.locator("#speculative-decoding input[aria-label='Models: draft → target']")).to_have_value(
        re.compile("Fairy")
    )


def test_the_court_judges_the_rules_live(speculation):
    page = speculation()
    page.click("#speculation-stage-5")
    page.get_by_role("button", name="Draw the samples").click()
    expect(page.locator(".gb-court .acting")).to_contain_text("20,000 of 20,000 samples", timeout=60_000)
    rows = page.locator(".gb-court .verdicts tbody tr").all_inner_texts()
    assert len(rows) == 6
    for row in rows:
        kept = row.startswith(("A:", "F:"))
        assert ("✓ within the noise" in row) == kept and ("✗ another law" in row) != kept, row
    for panel in COURT:
        assert canvas(page, panel).evaluate(COLOURS) > 20
    expect(page.locator("#speculation-sentence")).to_contain_text("exact match only is lossless too")


def test_stop_ends_a_hearing_and_a_race(speculation):
    page = speculation()
    page.click("#speculation-stage-5")
    page.get_by_label("number input for Samples under each rule").fill("100000")
    page.get_by_label("number input for Samples under each rule").press("Enter")
    page.get_by_role("button", name="Draw the samples").click()
    page.wait_for_function("document.querySelector('.gb-court .acting').textContent.includes('of 100,000')")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".gb-court .acting")).to_contain_text("Stopped after", timeout=15_000)


def test_two_visitors_do_not_mix(speculation):
    first, second = speculation(), speculation()
    key = run_key(first)
    assert run_key(second) == key  # equal inputs are one run
    for page, words in ((first, "The fox and the goose"), (second, "An old woman had three sons")):
        page.get_by_label("Prompt").fill(words)
    first.get_by_role("button", name="Write").click()
    second.get_by_role("button", name="Write").click()
    wait_for_another_run(first, key)
    wait_for_another_run(second, key)
    expect(view(first, ".strip .prompt")).to_have_text("The fox and the goose")
    expect(view(second, ".strip .prompt")).to_have_text("An old woman had three sons")
    assert run_key(first) != run_key(second)


def test_code_formula_and_sources_can_be_opened(speculation):
    page = speculation()
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("#speculative-decoding .gb-code code")).to_contain_text("def speculate(")
    page.get_by_role("tab", name="Sources").click()
    expect(page.get_by_text("Leviathan, Kalman and Matias (2023)")).to_be_visible()
    page.get_by_role("tab", name="Formula").click()
    expect(page.locator("#speculative-decoding .katex:visible").first).to_be_visible()
