"""The speech page as a student uses it."""

import re

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from demos.speech_features.figures import PANELS, STAGES
from tests.browser.views import COLOURS, PICTURE, canvas, run_key, wait_for_another_run

pytestmark = pytest.mark.browser


def settle(page):
    """Until the close-up of the cell under the cursor stands there, and is drawn."""
    page.wait_for_function("""() => {
      const where = document.querySelector('#speech-view .where').textContent;
      const title = document.querySelector('#speech-view .prov-title').textContent;
      const at = where.match(/frame (\\d+) .*band (\\d+)/);
      return at && title.includes(`frame ${at[1]}, band ${at[2]} `); }""")
    page.wait_for_timeout(100)


def wait_for_change(page, panel, before):
    page.wait_for_function(
        "([panel, before]) => document.querySelector(`canvas[data-panel=${panel}]`).toDataURL() !== before",
        arg=[panel, before],
    )


def test_a_first_result_stands_there_before_anyone_clicks(speech):
    page = speech()
    expect(page.locator("#speech-caption")).to_contain_text("378 × 80")
    assert canvas(page, "wave").evaluate(COLOURS) > 3
    assert canvas(page, "log_mel").evaluate(COLOURS) > 50


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_each_stage_is_shown_and_drawn(speech, width, dark):
    page = speech(width=width, dark=dark)
    settle(page)
    for n, stage in enumerate(STAGES, 1):
        page.click(f"#speech-stage-{n}")
        page.wait_for_timeout(150)
        for panel in stage.panels:
            expect(canvas(page, panel)).to_be_visible()
            assert canvas(page, panel).evaluate(COLOURS) > 3, panel
            title = page.locator(f"figure:has(canvas[data-panel={panel}]) figcaption")
            expect(title).to_have_text(PANELS[panel].title)
        assert page.locator(".gb-speech canvas:visible").count() == 2 + len(stage.panels)


def test_the_cursor_moves_all_stages(speech):
    page = speech()
    settle(page)
    box = canvas(page, "wave").bounding_box()
    still = {"staircase": 0}  # without a quantizer the staircase is a line, and only its dot moves
    for n, stage in enumerate(STAGES, 1):
        page.click(f"#speech-stage-{n}")
        page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
        page.wait_for_timeout(200)
        settle(page)
        before = {p: canvas(page, p).evaluate(PICTURE) for p in stage.panels}
        where = page.locator("#speech-view .where").inner_text()
        marks = page.locator("#speech-view .mark").evaluate_all("all => all.map(m => m.style.transform)")
        page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
        expect(page.locator("#speech-view .where")).not_to_have_text(where)
        settle(page)
        for panel in stage.panels:
            if panel in ("frames", "curve", "spectra"):  # the whole sound, or the band: no moment in them
                continue
            assert (canvas(page, panel).evaluate(PICTURE) != before[panel]) or panel in still, panel
        assert page.locator("#speech-view .where").inner_text() != where
        moved = page.locator("#speech-view .mark").evaluate_all("all => all.map(m => m.style.transform)")
        assert len(set(marks)) == len(set(moved)) == 1  # waveform and log-mel show the same moment
        assert marks != moved


def test_dragging_moves_the_cursor_without_a_run(speech):
    page = speech()
    settle(page)
    key, sent = run_key(page), []
    page.on("request", lambda r: sent.append(r.url) if "queue/join" in r.url else None)
    box = canvas(page, "log_mel").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 40)
    page.mouse.down()
    for x in range(100, 600, 20):
        page.mouse.move(box["x"] + x, box["y"] + 60)
    page.mouse.up()
    page.wait_for_timeout(400)
    assert sent == []
    assert run_key(page) == key


def test_the_frame_row_of_all_frames_is_marked(speech):
    page = speech()
    page.click("#speech-stage-4")
    row = page.locator(".row-mark")
    page.locator("#speech-view .at").fill("10")
    page.wait_for_timeout(300)
    first = row.bounding_box()["y"]
    page.locator("#speech-view .at").fill("300")
    page.wait_for_timeout(300)
    assert row.bounding_box()["y"] < first - 40  # frame 0 is at the bottom


def test_keyboard_moves_the_cursor_and_the_stages(speech):
    page = speech()
    settle(page)
    page.locator("#speech-view .at").focus()
    before = page.locator("#speech-view .where").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#speech-view .where")).not_to_have_text(before)
    page.locator("#speech-stage-1").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#speech-stage-2")).to_be_focused()
    expect(canvas(page, "spectra")).to_be_visible()


def test_provenance_of_a_cell_adds_up(speech):
    page = speech()
    settle(page)
    box = canvas(page, "log_mel").bounding_box()
    before = page.locator("#speech-view .where").inner_text()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.45)
    expect(page.locator("#speech-view .where")).not_to_have_text(before)
    settle(page)
    rows = page.locator("#speech-view .prov-table tbody tr").all()
    numbers = [[float(c.replace("−", "-")) for c in row.locator("td").all_inner_texts()] for row in rows]
    assert 2 <= len(numbers) <= 12
    for _, _, weight, power, product in numbers:
        assert product == pytest.approx(weight * power, rel=2e-3)
    steps = [float(t.replace("−", "-")) for t in page.locator("#speech-view .prov-steps b").all_inner_texts()]
    assert steps[0] == pytest.approx(sum(n[-1] for n in numbers), rel=1e-3)
    assert steps[1] == pytest.approx(np.log(steps[0]), abs=1e-3)
    said = page.locator("#speech-view .where").inner_text()
    assert float(re.search(r"· ([−\d.]+) ln", said).group(1).replace("−", "-")) == pytest.approx(
        steps[1], abs=2e-3
    )
    frame, band = re.search(r"frame (\d+), band (\d+)", page.locator(".prov-title").inner_text()).groups()
    assert f"frame {frame} of" in said and f"band {band} (" in said


def test_a_bin_is_picked_in_the_spectrum(speech):
    page = speech()
    settle(page)
    page.click("#speech-stage-5")
    box = canvas(page, "spectrum").bounding_box()
    before = canvas(page, "cosine").evaluate(PICTURE)
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    wait_for_change(page, "cosine", before)
    expect(page.locator(".widths")).to_contain_text("31.25 Hz apart")
    expect(page.locator(".widths")).to_contain_text("80 Hz wide when rectangular")
    page.wait_for_timeout(500)  # until the close-up of the new bin is drawn
    with_both = canvas(page, "spectrum").evaluate(PICTURE)
    page.locator(".compare [value=rectangular]").uncheck()
    wait_for_change(page, "spectrum", with_both)


def test_zoom_shows_less_time(speech):
    page = speech()
    before = canvas(page, "wave").evaluate(PICTURE)
    page.get_by_role("button", name="Zoom in").click()
    wait_for_change(page, "wave", before)
    page.get_by_role("button", name="Whole").click()
    page.wait_for_timeout(150)
    assert canvas(page, "wave").evaluate(PICTURE) == before


def test_upload_is_run(speech, tmp_path):
    page = speech()
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 2000 * np.arange(24000) / 12000), 12000)
    key = run_key(page)
    page.get_by_role("button", name="Record, upload or generate").click()
    page.locator("#speech-own input[type=file]").set_input_files(path)
    wait_for_another_run(page, key)
    expect(page.locator("#speech-caption")).to_contain_text("12000 Hz came; it was resampled to 16000 Hz.")
    expect(page.locator("#speech-caption")).to_contain_text("2.00 s became 32000 samples")


def test_an_upload_that_is_no_sound_gets_one_sentence_and_loses_nothing(speech, tmp_path):
    page = speech(known="Waveform load error")  # of Gradio's player, which cannot draw the file either
    path = tmp_path / "words.wav"
    path.write_text("This is no sound, <img src=x onerror=alert(1)>.")
    key, picture = run_key(page), canvas(page, "log_mel").evaluate(PICTURE)
    page.get_by_role("button", name="Record, upload or generate").click()
    page.locator("#speech-own input[type=file]").set_input_files(path)
    expect(page.locator("#speech-alarm .gb-said")).to_contain_text("words.wav is none")
    assert run_key(page) == key
    assert canvas(page, "log_mel").evaluate(PICTURE) == picture
    page.locator("#speech-features input[aria-label=Sound]").click()
    page.get_by_role("option", name="A clap").click()
    wait_for_another_run(page, key)
    expect(page.locator("#speech-alarm .gb-said")).to_be_hidden()


def test_microphone_records(speech):
    page = speech()
    key = run_key(page)
    page.get_by_role("button", name="Record, upload or generate").click()
    page.get_by_role("button", name="Record audio").click()
    page.locator("#speech-own .record-button").first.click()
    page.wait_for_timeout(1200)
    page.locator("#speech-own .stop-button").first.click()
    wait_for_another_run(page, key)
    expect(page.locator("#speech-features input[aria-label=Sound]")).to_have_value("My own sound")


def test_settings_that_cannot_be_get_one_sentence(speech):
    page = speech()
    page.click("#speech-stage-4")
    window = page.get_by_label("number input for Window (ms)")
    window.fill("5")
    window.press("Enter")
    expect(page.locator("#speech-alarm .gb-said")).to_have_text(
        "The window must be at least as long as the stride (160 samples, 10 ms); got 80 samples, 5 ms."
    )
    window.fill("20")
    window.press("Enter")
    expect(page.locator("#speech-alarm .gb-said")).to_be_hidden()
    expect(page.locator("#speech-badge")).to_contain_text("differs from LECTURE in: window ms")


def test_presets_set_everything_and_the_badge_says_so(speech):
    page = speech()
    expect(page.locator("#speech-badge")).to_contain_text("✓ equals LECTURE")
    key = run_key(page)
    page.locator("#speech-features input[aria-label=Recipe]").click()
    page.get_by_role("option", name="WHISPER", exact=True).click()
    wait_for_another_run(page, key)
    expect(page.locator("#speech-badge")).to_contain_text("✓ equals WHISPER")
    expect(page.locator("#speech-caption")).to_contain_text("(log₁₀ energy +4)/4")


def test_things_to_try_set_the_controls_and_answer_the_prediction(speech):
    page = speech()
    page.get_by_label("At 5000 Hz, where it was").check()
    page.get_by_role("button", name="A tone above Nyquist").click()
    line = page.locator("#speech-features-predict")
    expect(line).to_contain_text("✗ Not as you said")
    expect(line).to_contain_text("was 5000 Hz before sampling and is 3000 Hz after")
    expect(page.locator("#speech-stage-2")).to_have_attribute("aria-selected", "true")
    page.get_by_label("At 3000 Hz").check()
    key = run_key(page)
    page.get_by_role("button", name="Four bits").click()
    wait_for_another_run(page, key)
    expect(page.locator("#speech-stage-3")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#speech-caption")).to_contain_text("6.02 · 4 + 1.76 = 25.8 dB")
    page.get_by_role("button", name="A tone above Nyquist").click()
    expect(line).to_contain_text("✓ As you said")


def test_the_prediction_is_kept_in_the_browser(speech):
    page = speech()
    page.get_by_label("At 4000 Hz, the highest that fits").check()
    page.wait_for_timeout(600)
    page.reload()
    page.wait_for_selector("#speech-view [data-run]")
    expect(page.get_by_label("At 4000 Hz, the highest that fits")).to_be_checked()


@pytest.mark.parametrize("sound", ["original", "sampled", "quantized", "rebuilt"])
def test_every_stage_can_be_heard(speech, sound):
    page = speech()
    page.evaluate("""() => { window.heard = []; const start = AudioBufferSourceNode.prototype.start;
        AudioBufferSourceNode.prototype.start = function (...a) {
          const d = this.buffer.getChannelData(0); let e = 0; for (const v of d) e += v * v;
          window.heard.push([this.buffer.sampleRate, this.buffer.duration, Math.sqrt(e / d.length)]);
          return start.apply(this, a); }; }""")
    button = page.locator(f"[data-sound={sound}]")
    button.click()
    page.wait_for_function("window.heard.length === 1")
    rate, seconds, loudness = page.evaluate("window.heard[0]")
    assert rate == (22050 if sound == "original" else 16000)
    assert seconds == pytest.approx(3.80, abs=0.02)
    assert loudness > 0.01
    expect(button).to_have_attribute("aria-pressed", "true")
    before = page.locator("#speech-view .where").inner_text()
    expect(page.locator("#speech-view .where")).not_to_have_text(before)  # the cursor goes along
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_silence_is_shown_as_silence(speech):
    page = speech()
    key = run_key(page)
    page.locator("#speech-features input[aria-label=Sound]").click()
    page.get_by_role("option", name="Silence").click()
    wait_for_another_run(page, key)
    expect(page.locator("#speech-caption")).to_contain_text("from -23 to -23")


def test_two_visitors_do_not_mix(speech):
    first, second = speech(), speech()
    key = run_key(first)
    assert run_key(second) == key  # equal inputs are one run
    second.locator("#speech-features input[aria-label=Sound]").click()
    second.get_by_role("option", name="A chirp").click()
    wait_for_another_run(second, key)
    assert run_key(first) == key
    expect(first.locator("#speech-caption")).to_contain_text("3.80 s")
    expect(second.locator("#speech-caption")).to_contain_text("3.00 s")


def test_code_formula_and_sources_can_be_opened(speech):
    page = speech()
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("#speech-features .gb-code code")).to_contain_text("scipy.fft.rfft")
    page.get_by_role("tab", name="Sources").click()
    expect(page.get_by_text("Davis and Mermelstein (1980)")).to_be_visible()
    page.get_by_role("tab", name="Formula").click()
    expect(page.locator("#speech-features .katex:visible").first).to_be_visible()
