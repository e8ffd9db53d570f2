"""The race as one linked view, and the court as another: their frames in HTML."""

from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views
from demos.kit.stages import figure, options, stages
from demos.speculative_decoding.panels import COURT, PANELS, STAGES

HERE = Path(__file__).parent
SPEEDS = {"0.02": "50 times slower", "0.1": "10 times slower", "1": "real time"}
LEGEND = ("draft", "accepted", "rejected", "dropped", "resampled", "bonus", "target")
LEGEND_WORDS = {
    "draft": "drafted",
    "accepted": "accepted",
    "rejected": "rejected",
    "dropped": "not looked at, dropped",
    "resampled": "resampled",
    "bonus": "bonus",
    "target": "by the target alone",
}


def race_view() -> gr.HTML:
    """The component; its value is `figures.race_view(...)`."""
    return linked_views(_race_template(), HERE / "view", "speculation-view", [])


def court_view() -> gr.HTML:
    """The component; its value is `figures.court_view(...)`."""
    return linked_views(_court_template(), HERE / "court", "speculation-court", [])


def _canvas(panel: str, height: str, inside: str = "", classes: str = "") -> str:
    return figure(panel, PANELS[panel].title, height, inside, classes)


def _race_template() -> str:
    legend = "".join(f'<span class="tok {kind}">{LEGEND_WORDS[kind]}</span>' for kind in LEGEND)
    inside = {
        "Inside one token": "".join(_canvas(panel, "rows") for panel in ("laws", "residual", "draw"))
        + '<p class="key wide"></p>',
        "Caches": '<p class="cached wide"></p>'
        + _canvas("caches", "short", classes="wide")
        + _canvas("history", "tall", classes="wide"),
        "Race": '<section><h3>Speculative <span class="rate"></span></h3><p class="words"></p></section>'
        '<section><h3>Plain <span class="rate"></span></h3><p class="words"></p></section>'
        + _canvas("gantt", "tall", '<i class="mark"></i>', "wide")
        + '<p class="passes wide"></p>',
        "Theory": _canvas("theory", "rows") + '<div class="numbers"></div>',
        "Is it lossless?": "",
    }
    layouts = {"Inside one token": "three"}
    story = stages("speculation", [(name, layouts.get(name, ""), inside[name]) for name, _ in STAGES])
    return (
        '<div class="gb-speculation" role="group" aria-label="Two models write one text">'
        '<div class="bar"><button type="button" class="back">‹ Block</button>'
        '<button type="button" class="play" aria-pressed="false">▶ Play</button>'
        '<button type="button" class="next">Block ›</button>'
        f'<label>Speed <select class="speed">{options(SPEEDS)}</select></label>'
        '<label class="slide">Time <input class="clock" type="range" min="0" max="1000" value="1000"></label>'
        '<output class="when" aria-live="off"></output></div>'
        '<div class="strip" role="group" aria-label="The text, token by token"></div>'
        f'<p class="legend">{legend}<label><input type="checkbox" class="all" checked> '
        "show what was not kept</label></p>"
        f'<p class="told" role="status">The models are being loaded …</p>{story}</div>'
    )


def _court_template() -> str:
    return (
        '<div class="gb-court" role="group" aria-label="The court"><div class="bar">'
        '<progress max="1" value="0" aria-label="Samples drawn"></progress><output class="acting"></output>'
        f'</div><div class="panels">{"".join(_canvas(panel, "rows") for panel in COURT)}</div>'
        '<p class="noise"></p><div class="verdicts"></div></div>'
    )
