"""A browser, and pages in it that remember what went wrong."""

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import FLAGS, MISSING, find


@pytest.fixture(scope="session")
def browser():
    path = find()
    assert path, MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, app_url):
    """open_page(query, width, height, dark) -> page; at the end, no error and no foreign request.

    known: an error on the console that Gradio's own components write in this case. at: another app's address.
    """
    contexts, errors, foreign = [], [], []

    def open_one(query="", width=1280, height=720, dark=False, ready=None, known="nothing", at=None):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            permissions=["microphone"],
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on(
            "console", lambda m: errors.append(m.text) if m.type == "error" and known not in m.text else None
        )
        page.on("pageerror", lambda e: errors.append(str(e)))
        url = at or app_url
        own = (url, url.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(own) else foreign.append(r.url))
        page.goto(url + query)
        page.wait_for_selector(ready or "#nav header")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []
    assert foreign == []


@pytest.fixture
def speech(open_page):
    """The speech page with its first result drawn."""

    def open_speech(**options):
        return open_page("?topic=speech-features", ready="#speech-view [data-run]", **options)

    return open_speech
