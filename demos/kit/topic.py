"""What the app knows of a topic before anyone opens it."""

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True)
class Topic:
    """One page of the app.

    slug: its name in addresses (`/?topic=slug`), its card's file (`assets/cards/<slug>.svg`).
    short: the title as the navigation has room for it.
    section: the part of the lecture it belongs to, one of `catalog.SECTIONS`.
    summary: one sentence of what the visitor will see.
    build: draws the page inside the tab that is open; it is given what the visitor's browser keeps
    (`page.preferences`). None while the topic is still to come.
    """

    slug: str
    title: str
    short: str
    section: str
    summary: str
    build: Callable[[gr.BrowserState], None] | None = None
