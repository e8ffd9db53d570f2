"""The stage of structured pruning: controls, pictures, the paper's table, and which event does what."""

import functools
import json
from html import escape
from pathlib import Path

import gradio as gr

from demos.kit.events import answering
from demos.kit.frame import PRIVATE, QUIET
from demos.kit.lesson import prose
from demos.kit.linked import linked_views
from demos.kit.stages import figure
from demos.kit.widgets import slider
from demos.pruning import shear_handlers as handlers
from demos.pruning.shear_controls import PARTS, RANGES, SOURCE, SOURCES, sizes_of, two_thirds

HERE = Path(__file__).parent
PUBLISHED = json.loads((HERE / "published.json").read_text(encoding="utf-8"))
SHEARED = "Sheared"  # how the names of the paper's own models begin
UNITS = {"T": 1e12, "B": 1e9}  # of the tokens
# part -> title of its map
MAPS = {"layers": "Layers", "heads": "Heads", "units": "MLP units", "width": "Hidden dimensions"}
# canvas -> title
CHARTS = {
    "layers": "Layers",
    "width": "Hidden dimensions",
    "heads": "Heads of each layer",
    "units": "Units of each layer",
    "loss": "Loss during the search",
    "linear": "Multipliers λ",
    "quadratic": "Multipliers φ",
    "training": "Loss after the cut",
}
LEGENDS = {
    "sizes": ("s, expected open", "t, the target"),
    "kinds": ("layers", "width", "heads (mean)", "units (mean)"),
    "models": ("sheared", "same shape from scratch"),
}


def shear_settings() -> dict[str, gr.components.Component]:
    """Draws what the visitor chooses, and the buttons: the components by name."""
    made: dict[str, gr.components.Component] = {}
    made["source"] = gr.Dropdown(list(SOURCES), value=SOURCE, label="Start from")
    for part, most, value in zip(PARTS, sizes_of(SOURCE), two_thirds(SOURCE), strict=True):
        made[part] = slider(1, most, value, step=1, label=PARTS[part][0])
    with gr.Row():
        made["paper"] = gr.Button("The paper's example: 2, 3, 2, 4", size="sm", min_width=150)
        made["thirds"] = gr.Button("Two thirds", size="sm", min_width=90)
        made["prepared"] = gr.Button("The prepared run", size="sm", min_width=110)
        made["start"] = gr.Button("Start", size="sm", variant="primary", min_width=90)
        made["stop"] = gr.Button("Stop", size="sm", min_width=90)
    with gr.Accordion("More", open=False):
        for name, (label, low, high, step, value) in RANGES.items():
            made[name] = slider(low, high, value, step=step, label=label)
    return made


def shear_pictures() -> dict[str, gr.components.Component]:
    """Draws the stage inside the open column: the components by name."""
    made = {"view": shears_view(), "caption": prose("", elem_id="shears-caption")}
    with gr.Accordion("The paper's table", open=True):
        made["published"] = published_view()
    return made


def connect_shears(made: dict[str, gr.components.Component], alarm: gr.HTML) -> None:
    """The stage's events. made: its settings and its pictures; alarm: says what was wrong."""
    view, shown = made["view"], [alarm, made["view"], made["caption"]]
    target = [made[part] for part in PARTS]
    settings = [made["source"], *target, *(made[name] for name in RANGES)]
    # Long runs have places of their own, so that the other stages need not wait for them.
    running = {"outputs": shown, "concurrency_id": "shears", **QUIET}
    running |= {"concurrency_limit": handlers.AT_ONCE, "trigger_mode": "multiple"}
    view.seen(handlers.once(handlers.first, 2), view, **running, **PRIVATE)
    made["prepared"].click(handlers.once(handlers.prepared, 2), None, **running, **PRIVATE)
    made["start"].click(
        answering(handlers.asked, 1),
        settings,
        [alarm, made["caption"]],
        queue=False,
        trigger_mode="multiple",
        **PRIVATE,
        **QUIET,
    ).then(handlers.once(handlers.shear, 2), settings, api_name="pruning_shear", **running)
    made["stop"].click(handlers.stop, queue=False, **PRIVATE, **QUIET)
    for name in ("paper", "thirds"):
        made[name].click(
            answering(functools.partial(handlers.shape, name), 4),
            made["source"],
            [alarm, *target],
            **PRIVATE,
            **QUIET,
        )
    made["source"].input(answering(handlers.limits, 4), made["source"], [alarm, *target], **PRIVATE, **QUIET)


def shears_view() -> gr.HTML:
    """The gates and the lines of a run; its value is `served(shear_figures.view(...))`.

    Sends the event `seen` when it is first on the screen.
    """
    maps = "".join(figure(f"map-{part}", title, part, "", "over") for part, title in MAPS.items())
    charts = {name: figure(name, title, "small", "", "over") for name, title in CHARTS.items()}
    training = charts.pop("training").replace('class="small"', 'class="tall"')
    sizes = "".join(charts.pop(part) for part in MAPS)
    html = (
        '<div class="gb-shears" role="group" aria-label="Gates that close">'
        '<p class="nothing">Nothing yet.</p>'
        '<p class="alarm" role="alert"></p><p class="told" role="status"></p>'
        '<div class="holds" hidden><div class="bar"><button type="button" class="play">Play</button>'
        '<label class="slide">Step <input class="step" type="range" min="0" max="0" value="0"></label></div>'
        f'<p class="counts"></p><div class="maps">{maps}</div><p class="read" role="status"></p>'
        '<p class="legend scale"><span>0, shut</span><i></i><span>1, open</span></p>'
        f'<div class="panels four">{sizes}</div>{_legend("sizes")}'
        f'<div class="panels three">{"".join(charts.values())}</div>{_legend("kinds")}'
        f'<div class="after" hidden>{training}{_legend("models")}</div></div></div>'
    )
    return linked_views(html, HERE / "shear", "shears-view", [])


def _legend(name: str) -> str:
    items = "".join(
        f'<span class="line-{n}"><i></i>{escape(words)}</span>' for n, words in enumerate(LEGENDS[name])
    )
    return f'<p class="legend">{items}</p>'


def published_view() -> gr.HTML:
    """The paper's table; a click on the head of a column sorts by it."""
    head = "".join(
        f'<th scope="col"><button type="button">{escape(name)}<i aria-hidden="true"></i></button></th>'
        for name in PUBLISHED["columns"]
    )
    rows = "".join(map(_row, PUBLISHED["rows"]))
    notes = "".join(f"<li>{escape(note)}</li>" for note in PUBLISHED["notes"])
    html = (
        '<div class="gb-published"><div class="scroll" tabindex="0" role="region" aria-label="Table">'
        "<table><caption>Click a column to sort by it. ✂ marks the sheared models.</caption>"
        f'<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div><p class="sorted" role="status">'
        f'</p><ul>{notes}</ul><p>Source: <a href="{escape(PUBLISHED["url"])}">{escape(PUBLISHED["source"])}'
        "</a></p></div>"
    )
    return linked_views(html, HERE / "published", "shears-published", [])


def _row(row: list) -> str:
    name, tokens, *figures = row
    ours = name.startswith(SHEARED)
    cells = f'<th scope="row">{"✂ " if ours else ""}{escape(name)}</th>'
    cells += f'<td data-value="{float(tokens[:-1]) * UNITS[tokens[-1]]:g}">{escape(tokens)}</td>'
    cells += "".join(f'<td data-value="{value}">{value:.1f}</td>' for value in figures)
    return f'<tr class="{"sheared" if ours else ""}">{cells}</tr>'
