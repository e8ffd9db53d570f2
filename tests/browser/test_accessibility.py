"""axe-core on our pages: no serious violation, neither ours nor of the Gradio components they use."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser


def everywhere(test):
    """The test on a projector and on a phone, light and dark."""
    test = pytest.mark.parametrize("dark", [False, True])(test)
    return pytest.mark.parametrize("width, height", [(1280, 720), (390, 844)])(test)


def serious(page) -> dict[str, list[str]]:
    """Rule -> the elements that break it, for the rules whose impact is serious or critical."""
    page.wait_for_function("!document.body.innerText.includes('Loading...')")
    page.wait_for_timeout(500)
    found = Axe().run(page).response["violations"]
    return {
        v["id"]: [node["html"] for node in v["nodes"]]
        for v in found
        if v["impact"] in ("serious", "critical")
    }


@everywhere
def test_contents(open_page, width, height, dark):
    page = open_page(width=width, height=height, dark=dark, ready="#contents .gb-card")
    assert serious(page) == {}


@everywhere
def test_speech_page_in_every_stage(speech, width, height, dark):
    page = speech(width=width, height=height, dark=dark)
    page.wait_for_timeout(500)
    if width < 761:
        page.get_by_role("button", name="Controls").click()
    page.get_by_role("button", name="Record, upload or generate").click()
    for stage in range(1, 8):
        page.click(f"#speech-stage-{stage}")
        for more in page.locator("button.label-wrap", has_text=re.compile("^More")).all():
            if more.is_visible():
                more.click()
        assert serious(page) == {}, f"stage {stage}"


@everywhere
def test_speculation_page_in_every_stage(open_page, width, height, dark):
    ready = "#speculation-view [data-done=true]"
    page = open_page("?topic=speculative-decoding", width, height, dark, ready)
    page.wait_for_timeout(500)
    if width < 761:
        page.get_by_role("button", name="Controls").click()
    page.locator("button.label-wrap", has_text=re.compile("^More")).click()
    for stage in range(1, 6):
        page.click(f"#speculation-stage-{stage}")
        if stage == 5:
            page.get_by_role("button", name="Draw the samples").click()
            page.wait_for_selector("[data-done='20000']")
        assert serious(page) == {}, f"stage {stage}"


@everywhere
def test_vision_transformer_page_in_every_stage(open_page, width, height, dark):
    page = open_page("?topic=vision-transformer", width, height, dark, "#vit-view [data-run]")
    page.wait_for_timeout(500)
    if width < 761:
        page.get_by_role("button", name="Controls").click()
    page.locator("button.label-wrap", has_text=re.compile("^More")).click()
    page.get_by_role("button", name="My own picture").click()
    for stage in range(1, 5):
        page.click(f"#vit-stage-{stage}")
        if stage == 4:
            page.get_by_role("button", name="Hide half, by chance").click()
            page.get_by_role("button", name="Ask the other models").click()
            page.wait_for_selector(".gb-vit .others table")
        assert serious(page) == {}, f"stage {stage}"


@everywhere
def test_clip_page_in_every_stage(open_page, width, height, dark):
    page = open_page("?topic=clip", width, height, dark, "#clip-view [data-run]")
    page.wait_for_timeout(500)
    if width < 761:
        page.get_by_role("button", name="Controls").click()
    page.locator("button.label-wrap", has_text=re.compile("^More")).click()
    page.get_by_role("button", name="+ a picture of the app").click()
    page.get_by_role("button", name="+ draw one").click()
    for stage in range(1, 6):
        page.click(f"#clip-stage-{stage}")
        page.wait_for_timeout(1500)
        assert serious(page) == {}, f"stage {stage}"
