"""`make screenshots`: the README's pictures, taken from the running app."""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import FLAGS, MISSING, find
from tests.conftest import start_app

FOLDER = Path(__file__).parents[2] / "assets" / "screenshots"

SPEECH, SPECULATION = "?topic=speech-features", "?topic=speculative-decoding"
QUANTIZATION, PRUNING = "?topic=quantization", "?topic=pruning"
VIT, CLIP = "?topic=vision-transformer", "?topic=clip"
READY = {
    "": "#contents .gb-card",
    SPEECH: "#speech-view [data-run]",
    SPECULATION: "#speculation-view [data-done=true]",
    QUANTIZATION: "#quantization-view [data-run]",
    PRUNING: "#pruning-view [data-run]",
    VIT: "#vit-view [data-run]",
    CLIP: "#clip-view [data-run]",
}


def main() -> None:
    path = find()
    assert path, MISSING
    FOLDER.mkdir(exist_ok=True)
    process, url = start_app(FOLDER / "log")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))

        def shot(name, query="", size=(1280, 800), dark=False, act=None):
            page = browser.new_page(
                viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
            )
            page.goto(url + query)
            page.wait_for_selector(READY[query])
            if act:
                act(page)
            page.wait_for_timeout(1500)
            page.screenshot(path=FOLDER / f"{name}.png")
            page.close()

        shot("contents")
        shot("speculation", SPECULATION)
        shot("quantization", QUANTIZATION, act=parting)
        shot("pruning", PRUNING)
        shot("vit", VIT, act=lambda page: page.click("#vit-stage-3"))
        shot("clip", CLIP, act=lambda page: page.get_by_role("button", name="What does spoon").click())
        shot("speech", SPEECH, act=lambda page: page.click("#speech-stage-4"))
        shot("alias", SPEECH, dark=True, act=alias)
        shot(
            "phone",
            SPEECH,
            size=(390, 844),
            act=lambda page: page.locator("#speech-view").scroll_into_view_if_needed(),
        )
        browser.close()
    process.terminate()
    (FOLDER / "log").unlink()


def parting(page) -> None:
    """The text of three bits, and where it parts."""
    page.get_by_role("button", name="Three bits, well chosen").click()
    page.wait_for_selector("#quantization-texts [data-done=true]", timeout=120_000)


def alias(page) -> None:
    page.get_by_label("At 5000 Hz, where it was").check()
    page.get_by_role("button", name="A tone above Nyquist").click()
    page.wait_for_timeout(1500)
    page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    main()
