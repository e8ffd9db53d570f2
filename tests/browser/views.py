"""What the tests of all topics' linked views share: their canvases, and the run that they show."""

import re

COLOURS = """c => { const s = new Set();
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  for (let i = 0; i < d.length; i += 4) if (d[i + 3]) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
  return s.size; }"""
PICTURE = "c => c.toDataURL()"


def canvas(page, panel):
    return page.locator(f"canvas[data-panel={panel}]")


def choose(page, topic, label, name):
    """A choice of one of the topic's dropdowns, which may be under "More", and the run that follows."""
    key = run_key(page)
    box = page.locator(f"#{topic} input[aria-label='{label}']")
    if not box.is_visible():
        page.locator(f"#{topic} button.label-wrap", has_text=re.compile("^More")).first.click()
    box.click()
    page.get_by_role("option", name=name, exact=True).click()
    wait_for_another_run(page, key)


def run_key(page):
    """The key of the run in the open topic's view."""
    return page.locator("[data-run]:visible").first.get_attribute("data-run")


def wait_for_another_run(page, key):
    """Until the open topic's view shows another run, to its end where it grows."""
    page.wait_for_function(
        """key => { const shown = [...document.querySelectorAll('[data-run]')].find(v => v.offsetParent);
        return shown && shown.dataset.run !== key && shown.dataset.done !== 'false'; }""",
        arg=key,
    )
