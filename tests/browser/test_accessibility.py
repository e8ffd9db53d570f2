"""axe-core on our pages: no serious violation that plain Gradio does not have too."""

import gradio as gr
import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser

# Serious violations of Gradio 6.31's own components, each seen in the plain app below: rule -> where.
# Contrast is not among them: our theme mends it.
KNOWN_IN_GRADIO: dict[str, tuple[str, ...]] = {}


def serious(page) -> dict[str, list[str]]:
    page.wait_for_function("!document.body.innerText.includes('Loading...')")
    page.wait_for_timeout(500)
    found = Axe().run(page).response["violations"]
    return {
        v["id"]: [node["html"] for node in v["nodes"]]
        for v in found
        if v["impact"] in ("serious", "critical")
    }


def unexpected(found: dict[str, list[str]]) -> dict[str, list[str]]:
    left = {
        rule: [html for html in nodes if not any(k in html for k in KNOWN_IN_GRADIO.get(rule, ()))]
        for rule, nodes in found.items()
    }
    return {rule: nodes for rule, nodes in left.items() if nodes}


@pytest.mark.parametrize("width, height", [(1280, 720), (390, 844)])
@pytest.mark.parametrize("dark", [False, True])
def test_contents(open_page, width, height, dark):
    page = open_page(width=width, height=height, dark=dark, ready="#contents .gb-card")
    assert unexpected(serious(page)) == {}


@pytest.mark.parametrize("width, height", [(1280, 720), (390, 844)])
@pytest.mark.parametrize("dark", [False, True])
def test_speech_page_in_every_stage(speech, width, height, dark):
    page = speech(width=width, height=height, dark=dark)
    page.wait_for_timeout(500)
    if width < 761:
        page.get_by_role("button", name="Controls").click()
    page.get_by_role("button", name="Record, upload or generate").click()
    for stage in range(1, 8):
        page.click(f"#stage-{stage}")
        for more in page.get_by_role("button", name="More", exact=True).all():
            if more.is_visible():
                more.click()
        assert unexpected(serious(page)) == {}, f"stage {stage}"


def test_what_is_known_of_gradio_is_in_plain_gradio(browser):
    """Each exception above is found on a page of Gradio's components alone, or it is no exception."""
    with gr.Blocks() as plain:
        gr.Audio(sources=["upload", "microphone"])
        gr.Dropdown(["a", "b"], label="Choice")
        gr.Slider(0, 1, label="Number")
        gr.Code("x = 1", language="python")
    _, url, _ = plain.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("text=Choice")
        found = serious(page)
    finally:
        plain.close()
    for rule, places in KNOWN_IN_GRADIO.items():
        for place in places:
            assert any(place in html for html in found.get(rule, [])), (rule, place)
