"""The whole app around the topics: header, navigation, contents, one tab per topic."""

import html
from importlib.metadata import version
from pathlib import Path

import gradio as gr

from demos.kit.device import device_name
from demos.kit.theme import theme
from demos.kit.topic import Topic

STATIC = Path(__file__).parent / "static"
CARDS = Path(__file__).parents[2] / "assets" / "cards"
PROFILE = "pocket models"
SHOWN_VERSIONS = ("gradio", "torch", "transformers", "librosa")

# Run in the browser: no trip to the server for what only the page needs to know.
_SELECT = "() => ({__type__: 'update', selected: window.Glassbox.topic()})"
_APPLY = "(kept) => { window.Glassbox.setLecture(kept && kept.lecture); }"
_KEEP_SIZE = "(kept) => ({...kept, lecture: document.documentElement.classList.contains('lecture')})"


def build(topics: tuple[Topic, ...], sections: tuple[str, ...]) -> gr.Blocks:
    """The app with these topics. A topic's panel is drawn by the browser when first chosen."""
    ready = [topic for topic in topics if topic.build]
    with gr.Blocks(
        title="Glassbox", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)
    ) as app:
        kept = preferences()
        nav = gr.HTML(
            html_template=_header(topics, sections),
            css_template=_static("nav.css"),
            js_on_load=_static("nav.js"),
            elem_id="nav",
            apply_default_css=False,
        )
        with gr.Tabs(elem_id="topics", overflow_behavior="wrap") as tabs:
            with gr.Tab("Contents", id="contents", elem_id="tab-contents"):
                gr.HTML(
                    html_template=_contents(topics, sections),
                    css_template=_static("contents.css"),
                    js_on_load="",
                    elem_id="contents",
                    apply_default_css=False,
                )
            for topic in ready:
                with gr.Tab(topic.title, id=topic.slug, elem_id=f"tab-{topic.slug}"):
                    topic.build(kept)
        in_browser = {"api_visibility": "private", "show_progress": "hidden"}
        nav.go(None, None, tabs, js=_SELECT, **in_browser)
        nav.size(None, kept, kept, js=_KEEP_SIZE, **in_browser)
        app.load(None, kept, None, js=_APPLY, **in_browser)
    return app


def preferences() -> gr.BrowserState:
    """What a visitor's own browser keeps: the lecture size, and the answers given to predictions.

    The key and the secret are fixed so that they survive a reload; nothing in them is secret.
    """
    return gr.BrowserState({"lecture": False, "answers": {}}, storage_key="glassbox", secret="glassbox")


def launch(app: gr.Blocks, *, host: str | None, port: int | None, share: bool) -> None:
    """Serve the app until it is stopped."""
    app.queue(max_size=200, default_concurrency_limit=8)
    app.launch(
        server_name=host,
        server_port=port,
        share=share,
        theme=theme(),
        css=_static("page.css"),
        head="<script>" + "\n".join(map(_static, ("head.js", "chart.js", "stages.js"))) + "</script>",
        footer_links=[],
        run_history=False,
        strict_cors=True,
        enable_monitoring=False,
        max_file_size="25mb",
        ssr_mode=False,
    )


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _header(topics: tuple[Topic, ...], sections: tuple[str, ...]) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in SHOWN_VERSIONS)
    where = f"{device_name()}, {PROFILE}"
    wide, narrow = [], []
    for section in sections:
        items, options = [], []
        for topic in (t for t in topics if t.section == section):
            title, short = html.escape(topic.title), html.escape(topic.short)
            if topic.build:
                items.append(
                    f'<li><a href="?topic={topic.slug}" data-topic="{topic.slug}" title="{title}">'
                    f"{short}</a></li>"
                )
                options.append(f'<option value="{topic.slug}">{title}</option>')
            else:
                items.append(f'<li><span title="{title}, still to come">{short}</span></li>')
                options.append(f"<option disabled>{title} (still to come)</option>")
        label = html.escape(section)
        wide.append(f'<div data-section><b>{label}</b><ul aria-label="{label}">{"".join(items)}</ul></div>')
        narrow.append(f'<optgroup label="{label}">{"".join(options)}</optgroup>')
    return (
        '<header class="gb-head"><a class="gb-brand" href="?topic=contents" data-topic="contents">'
        f'Glassbox</a><span class="gb-where">{html.escape(where)} · {html.escape(versions)}</span>'
        '<span class="gb-switches">'
        '<button type="button" class="gb-lecture" aria-pressed="false">Lecture size</button>'
        '<button type="button" class="gb-dark" aria-pressed="false">Dark</button></span>'
        '<nav aria-label="Topics"><ul><li><a href="?topic=contents" data-topic="contents">Contents'
        f"</a></li></ul>{''.join(wide)}"
        '<label class="gb-phone">Topic <select><option value="contents">Contents</option>'
        f"{''.join(narrow)}</select></label></nav></header>"
    )


def _contents(topics: tuple[Topic, ...], sections: tuple[str, ...]) -> str:
    parts = [
        '<div class="gb-contents"><h1>Inside efficient and multimodal language models</h1>'
        "<p>One page for each topic of the lecture. Each runs a real model or a real algorithm on "
        "your own input and shows every step it took.</p>"
    ]
    for section in sections:
        cards = "".join(_card(topic) for topic in topics if topic.section == section)
        parts.append(f'<h2>{html.escape(section)}</h2><div class="gb-cards">{cards}</div>')
    return "".join(parts) + "</div>"


def _card(topic: Topic) -> str:
    picture = (CARDS / f"{topic.slug}.svg").read_text(encoding="utf-8")
    words = f"<strong>{html.escape(topic.title)}</strong><span>{html.escape(topic.summary)}</span>"
    if topic.build:
        return f'<a class="gb-card" href="?topic={topic.slug}" data-topic="{topic.slug}">{picture}{words}</a>'
    return f'<div class="gb-card gb-later">{picture}{words}<em>Still to come</em></div>'
