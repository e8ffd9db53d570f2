"""A topic's story as stages: one row of tabs, one open panel. static/stages.js makes them work."""

from collections.abc import Iterable
from html import escape


def stages(prefix: str, parts: Iterable[tuple[str, str, str]]) -> str:
    """The tabs and their panels. parts: name, the panel's CSS classes, what stands in it as HTML.

    prefix: begins the tabs' ids, `<prefix>-stage-1` and so on, so that two topics can share a document.
    """
    tabs, panels = [], []
    for n, (name, layout, inside) in enumerate(parts, 1):
        tab, panel = f"{prefix}-stage-{n}", f"{prefix}-panel-{n}"
        tabs.append(
            f'<button type="button" role="tab" id="{tab}" data-stage="{n}" aria-selected="false"'
            f' aria-controls="{panel}">{n} {escape(name)}</button>'
        )
        panels.append(
            f'<div role="tabpanel" id="{panel}" class="panels {layout}" data-stage="{n}"'
            f' aria-labelledby="{tab}" hidden>{inside}</div>'
        )
    return f'<div role="tablist" aria-label="Stages">{"".join(tabs)}</div>{"".join(panels)}'


def to_stage(slug: str, stage: int) -> str:
    """The script that shows a stage of the topic's view."""
    detail = f"{{topic: '{slug}', stage: {stage}}}"
    return f"() => {{ dispatchEvent(new CustomEvent('glassbox-stage', {{detail: {detail}}})); }}"


def figure(panel: str, title: str, height: str, inside: str = "", classes: str = "") -> str:
    """A canvas under its title. height: a class of static/linked.css; inside: what lies over the canvas."""
    title = escape(title)
    return (
        f'<figure class="{classes}"><figcaption>{title}</figcaption><div class="pic">'
        f'<canvas class="{height}" data-panel="{panel}" role="img" aria-label="{title}"></canvas>'
        f"{inside}</div></figure>"
    )


def options(choices: dict[str, str]) -> str:
    """The options of a select, value -> words."""
    return "".join(
        f'<option value="{escape(value)}">{escape(words)}</option>' for value, words in choices.items()
    )
