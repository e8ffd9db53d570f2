"""The page in a real browser: the cursor, the first load, and the memory of the server."""

import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.timing import Row
from tests.browser.chromium import FLAGS, MISSING, find
from tests.conftest import free_port

ROOT = Path(__file__).parents[1]
ROUNDS = 15

# From the pointer's event to the frame in which the pictures have changed: the message arrives after
# the animation frame's drawing, as the browser goes on to paint.
WATCH_CURSOR = """() => { window.took = [];
  document.querySelector('canvas[data-panel=wave]').addEventListener('pointerdown', event => {
    const where = document.querySelector('#speech-view .where'), before = where.textContent;
    const look = () => { if (where.textContent === before) return requestAnimationFrame(look);
      const channel = new MessageChannel(), t = event.timeStamp;
      channel.port1.onmessage = () => window.took.push(performance.now() - t);
      channel.port2.postMessage(0); };
    requestAnimationFrame(look);
  }, true); }"""
WATCH_EVENT = """() => { window.took = [];
  document.querySelector('#press').addEventListener('click', event => {
    const field = document.querySelector('#count input'), before = field.value, t = event.timeStamp;
    const look = () => { if (field.value === before) return requestAnimationFrame(look);
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.took.push(performance.now() - t);
      channel.port2.postMessage(0); };
    requestAnimationFrame(look);
  }, true); }"""
# From the click on "Write" to the frame that shows the first token of the new text.
WATCH_TOKEN = """() => { window.took = [];
  const button = [...document.querySelectorAll('button')].find(b => b.textContent.trim() === 'Write');
  button.addEventListener('click', event => {
    const run = document.querySelector('.gb-speculation').dataset, before = run.run, t = event.timeStamp;
    const look = () => { if (run.run === before) return requestAnimationFrame(look);
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.took.push(performance.now() - t);
      channel.port2.postMessage(0); };
    requestAnimationFrame(look);
  }, true); }"""
# From an event (pointer, slider, key) to the frame in which the picture and its words have changed.
WATCH_WORDS = """([from, event, words]) => { window.took = [];
  document.querySelector(from).addEventListener(event, event => {
    const where = document.querySelector(words), before = where.textContent, t = event.timeStamp;
    const look = () => { if (where.textContent === before) return requestAnimationFrame(look);
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.took.push(performance.now() - t);
      channel.port2.postMessage(0); };
    requestAnimationFrame(look);
  }, true); }"""
# From the press or the slider's number to the frame that shows another run.
WATCH_RUN = """([from, event, shown]) => { window.took = [];
  document.querySelector(from).addEventListener(event, event => {
    const run = () => document.querySelector(shown)?.dataset.run, before = run(), t = event.timeStamp;
    const look = () => { if (run() === before) return requestAnimationFrame(look);
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.took.push(performance.now() - t);
      channel.port2.postMessage(0); };
    requestAnimationFrame(look);
  }, true); }"""
TOKEN_SLACK = 150  # milliseconds that the first token may come after an empty event


class Served:
    """An app in its own process, from the start of Python to the first page."""

    def __init__(self, *command: str):
        port = free_port()
        begun = time.perf_counter()
        line = [sys.executable, *[part.format(port=port) for part in command]]
        self.process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).read()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"{line} did not start") from None
                time.sleep(0.02)
        self.start_seconds = time.perf_counter() - begun

    @property
    def megabytes(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def first_load(browser: Browser, url: str, ready: str) -> float:
    """Milliseconds from asking for the page, with an empty cache, to something to press."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(ready)
    took = (time.perf_counter() - start) * 1000
    context.close()
    return took


def cursor(page: Page) -> float:
    page.evaluate(WATCH_CURSOR)
    box = page.locator("canvas[data-panel=wave]").bounding_box()
    for n in range(40):
        page.mouse.click(box["x"] + 60 + (n * 37) % 600, box["y"] + 40)
        page.wait_for_timeout(30)
    page.wait_for_timeout(300)
    return statistics.median(page.evaluate("window.took"))


def first_token(page: Page) -> float:
    """Each time with another prompt, so that nothing is cached."""
    page.evaluate(WATCH_TOKEN)
    for n in range(15):
        page.get_by_label("Prompt").fill(f"There were {n} little dwarfs who")
        page.get_by_role("button", name="Write").click()
        page.wait_for_function(f"window.took.length > {n}")
        page.wait_for_selector(".gb-speculation[data-done=true]")
    return statistics.median(page.evaluate("window.took"))


def hover(page: Page) -> float:
    """Another patch under the pointer in each round."""
    page.evaluate(WATCH_WORDS, ["canvas[data-panel=picture]", "pointermove", ".gb-vit .here"])
    box = page.locator("canvas[data-panel=picture]").bounding_box()
    for n in range(40):
        page.mouse.move(box["x"] + 40 + (n * 67) % 250, box["y"] + 20 + (n * 91) % 280)
        page.wait_for_timeout(40)
    page.wait_for_timeout(300)
    return statistics.median(page.evaluate("window.took"))


def other_layer(page: Page) -> float:
    return slide(page, ".gb-vit .layer", ".gb-vit .told-heat")


def temperature(page: Page) -> float:
    return slide(page, ".gb-clip .scale", ".gb-clip .scale-at")


def slide(page: Page, slider: str, words: str) -> float:
    page.evaluate(WATCH_WORDS, [slider, "input", words])
    page.locator(slider).focus()
    for n in range(40):
        page.keyboard.press("ArrowLeft" if n % 10 < 5 else "ArrowRight")
        page.wait_for_timeout(40)
    page.wait_for_timeout(300)
    return statistics.median(page.evaluate("window.took"))


def another_run(page: Page) -> float:
    """Maps of a run that is not kept: another threshold each time."""
    field = "#quantization input[type=number][aria-label*='outliers']"
    page.click("#quantization-stage-2")
    page.locator("#quantization button.label-wrap", has_text="More").click()
    page.wait_for_selector(field)
    page.evaluate(WATCH_RUN, [field, "input", ".gb-heat"])
    for n in range(20):
        page.locator(field).fill(str(7 + n / 4))
        page.wait_for_function(f"window.took.length > {n}")
        page.wait_for_timeout(150)
    return statistics.median(page.evaluate("window.took"))


def same_payload(page: Page) -> float:
    page.evaluate(WATCH_RUN, ["#press", "click", "#view [data-run]"])
    for n in range(20):
        page.click("#press")
        page.wait_for_function(f"window.took.length > {n}")
    return statistics.median(page.evaluate("window.took"))


def empty_event(page: Page) -> float:
    page.evaluate(WATCH_EVENT)
    for n in range(40):
        page.click("#press")
        page.wait_for_function(f"window.took.length > {n}")
    return statistics.median(page.evaluate("window.took"))


def rows() -> Iterator[Row]:
    path = find()
    assert path, MISSING
    ours, starts = [], []
    for _ in range(3):
        pair = (
            Served("app.py", "--host", "127.0.0.1", "--port", "{port}"),
            Served("-m", "benchmarks.one_button", "{port}"),
        )
        starts.append([app.start_seconds for app in pair])
        for app in ours:
            app.stop()
        ours = list(pair)
    app, plain = ours
    fresh = app.megabytes, plain.megabytes
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        loads: dict[str, list[float]] = {"contents": [], "speech": [], "plain": []}
        for n in range(ROUNDS + 1):
            took = {
                "contents": first_load(browser, app.url, "#contents a.gb-card"),
                "speech": first_load(browser, f"{app.url}?topic=speech-features", "#speech-view [data-run]"),
                "plain": first_load(browser, plain.url, "#press"),
            }
            if n:
                for name, ms in took.items():
                    loads[name].append(ms)
        median = {name: statistics.median(values) for name, values in loads.items()}
        page, other = browser.new_page(viewport={"width": 1280, "height": 720}), browser.new_page()
        page.goto(f"{app.url}?topic=speech-features")
        page.wait_for_selector("#speech-view [data-run]")
        other.goto(plain.url)
        other.wait_for_selector("#press")
        page.wait_for_timeout(1000)
        for stage in (1, 5):
            page.click(f"#speech-stage-{stage}")
            yield Row(
                f"cursor to changed picture, stage {stage}", "an empty Gradio event", cursor(page),
                empty_event(other), "ms", 2.0,
            )  # fmt: skip
        page.goto(f"{app.url}?topic=speculative-decoding")
        page.wait_for_selector("#speculation-view [data-done=true]")
        page.wait_for_timeout(1000)
        yield Row(
            "click to the first token on the page", f"an empty Gradio event and {TOKEN_SLACK} ms",
            first_token(page), empty_event(other) + TOKEN_SLACK, "ms", 1.0,
        )  # fmt: skip
        page.goto(f"{app.url}?topic=vision-transformer")
        page.wait_for_selector("#vit-view [data-run]")
        page.wait_for_timeout(1000)
        for what, stage, measure in (
            ("patch under the pointer to changed picture", 1, hover),
            ("another layer to changed picture", 3, other_layer),
        ):
            page.click(f"#vit-stage-{stage}")
            yield Row(what, "an empty Gradio event", measure(page), empty_event(other), "ms", 2.0)
        page.goto(f"{app.url}?topic=clip")
        page.wait_for_selector("#clip-view [data-run]")
        page.wait_for_timeout(1000)
        what = "another exp(t) to changed matrix"
        yield Row(what, "an empty Gradio event", temperature(page), empty_event(other), "ms", 2.0)
        page.goto(f"{app.url}?topic=quantization")
        page.wait_for_selector("#quantization-view [data-run]")
        payload = Served("-m", "benchmarks.same_payload", "{port}")
        other.goto(payload.url)
        other.wait_for_selector("#press")
        yield Row(
            "another scheme of a matrix to its maps", "an empty event with the same payload",
            another_run(page), same_payload(other), "ms", 1.5,
        )  # fmt: skip
        payload.stop()
        browser.close()
    peer = "a Gradio app with one button"
    yield Row("first interactive page: contents", peer, median["contents"], median["plain"], "ms", 1.5)
    yield Row("speech page with its first result", peer, median["speech"], median["plain"], "ms")
    seconds = [statistics.median(column) for column in zip(*starts, strict=True)]
    yield Row("start of the server", peer, *seconds, "s")
    yield Row("start of the server and first page", peer, seconds[0] + median["contents"] / 1000,
              seconds[1] + median["plain"] / 1000, "s", 1.5)  # fmt: skip
    yield Row("resident memory after the start", peer, *fresh, "MiB")
    yield Row("resident memory after the topics were used", peer, app.megabytes, plain.megabytes, "MiB")
    for served in ours:
        served.stop()
