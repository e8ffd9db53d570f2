"""The app around the topics: contents, navigation, addresses, looks."""

import re

import pytest
from playwright.sync_api import expect

from demos.catalog import SECTIONS, TOPICS

pytestmark = pytest.mark.browser


def test_contents_show_every_topic_with_a_picture_and_what_is_to_come(open_page):
    page = open_page()
    cards = page.locator("#contents .gb-card")
    expect(cards).to_have_count(len(TOPICS))
    assert len(TOPICS) == 16
    expect(page.locator("#contents h2")).to_have_text(list(SECTIONS))
    assert page.locator("#contents svg").count() == 16
    assert page.locator("#contents .gb-card svg *").count() > 16 * 2
    to_come = sum(topic.build is None for topic in TOPICS)
    expect(page.get_by_text("Still to come", exact=True)).to_have_count(to_come)


def test_header_says_where_it_runs_and_with_what(open_page):
    header = open_page().locator("#nav header")
    expect(header).to_contain_text(re.compile(r"CPU|GPU|NVIDIA"))
    expect(header).to_contain_text("pocket models")
    expect(header).to_contain_text("gradio 6.31")


def test_navigation_stands_in_two_rows_on_a_projector(open_page):
    page = open_page()
    nav = page.locator("#nav nav")
    tops = {round(box.bounding_box()["y"] / 8) for box in nav.locator("b").all()}
    assert len(tops) == 2
    names = nav.locator("li").all_inner_texts()
    assert len(names) == 17  # the contents and sixteen topics
    assert page.locator("#nav header").bounding_box()["height"] < 100


def test_navigation_is_one_select_on_a_phone(open_page):
    page = open_page(width=390, height=844)
    select = page.locator("#nav select")
    expect(select).to_be_visible()
    expect(page.locator("#nav li").first).to_be_hidden()
    assert select.locator("optgroup").count() == 4
    assert select.locator("option").count() == 17
    select.select_option("speech-features")
    page.wait_for_selector("#speech-view [data-run]")
    assert "topic=speech-features" in page.url


def test_deep_link_opens_that_tab_alone(speech):
    page = speech()
    assert page.locator("#contents").count() == 0
    assert page.title() == "Speech features · Glassbox"
    expect(page.locator("#nav a[aria-current]")).to_have_text("Speech features")


def test_choosing_a_topic_changes_the_address_and_back_and_forward_work(open_page):
    page = open_page()
    page.locator("#contents a.gb-card", has_text="Speech features").click()
    page.wait_for_selector("#speech-view [data-run]")
    assert "topic=speech-features" in page.url
    page.go_back()
    page.wait_for_selector("#contents .gb-card")
    assert page.title() == "Glassbox"
    page.go_forward()
    expect(page.locator("#speech-view canvas").first).to_be_visible()
    page.locator("#nav a", has_text="Contents").click()
    expect(page.locator("#contents h1")).to_be_visible()
    assert "topic=contents" in page.url


@pytest.mark.parametrize("topic", ["nonsense", "medusa-heads", "%3Cscript%3E"])
def test_an_unknown_topic_opens_the_contents(open_page, topic):
    page = open_page(f"?topic={topic}")
    expect(page.locator("#contents h1")).to_be_visible()


def test_lecture_size_scales_type_and_is_kept(open_page):
    page = open_page(ready="#contents .gb-card")
    size = "parseFloat(getComputedStyle(document.querySelector('#contents p')).fontSize)"
    before = page.evaluate(size)
    page.get_by_role("button", name="Lecture size").click()
    assert page.evaluate(size) == pytest.approx(before * 1.3125, rel=0.01)
    page.wait_for_function("localStorage.getItem('glassbox') !== null")
    page.wait_for_timeout(300)
    page.reload()
    page.wait_for_function("document.documentElement.classList.contains('lecture')")


def test_dark_is_switched_and_kept(open_page):
    page = open_page(ready="#contents .gb-card")
    dark = "document.body.classList.contains('dark')"
    assert not page.evaluate(dark)
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(dark)
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    page.wait_for_selector("#contents .gb-card")
    assert page.evaluate(dark)


def test_dark_follows_the_system(open_page):
    page = open_page(dark=True)
    page.wait_for_function("document.body.classList.contains('dark')")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(open_page, speech, width):
    for page in (open_page(width=width), speech(width=width)):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
