"""Models to choose from on a page: what each costs, its download, and what runs where it cannot be had."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import gradio as gr

from demos.kit.events import message
from demos.kit.inputs import InputError, check_choice
from demos.kit.later import Later
from demos.kit.stops import Check, Stops
from demos.kit.zoo import ModelSpec

hub = Later("demos.kit.hub")  # needs torch, which the app's start does not wait for
T = TypeVar("T")


@dataclass(frozen=True)
class Offered:
    """The widgets of a choice: which, what it costs, the button that fetches it, what went wrong then."""

    choice: gr.Dropdown
    about: gr.Markdown
    fetch: gr.Button
    said: gr.HTML


@dataclass(frozen=True)
class Offer:
    """what: names the choice in sentences. choices: what the visitor reads -> the models that it needs.

    The first of them is the pocket one, which needs nothing from the hub. goes_on: says that it runs
    instead of another.
    """

    what: str
    choices: dict[str, tuple[ModelSpec, ...]]
    goes_on: str

    @property
    def pocket(self) -> str:
        return next(iter(self.choices))

    def models(self, name: object) -> tuple[ModelSpec, ...]:
        """The models of a choice. Raises InputError for a name that is not offered."""
        return self.choices[check_choice(self.what, name, tuple(self.choices))]

    def missing(self, name: object) -> list[ModelSpec]:
        """The models of a choice that are not on disk."""
        return [spec for spec in self.models(name) if spec.source == "hub" and not hub.on_disk(spec)]

    def require(self, name: object) -> None:
        """Raises LoadError where something must be downloaded before this choice can run."""
        names = " and ".join(spec.title for spec in self.missing(name))
        if names:
            raise hub.LoadError(f"{names} must be downloaded first, with the button under the models.")

    def at_hand(self, asked: T, **instead: object) -> T:
        """What was asked, a dataclass with a `model`; for the pocket model where its own is not on disk.

        instead: its other fields that only its own model knows, as they are then.
        """
        return replace(asked, model=self.pocket, **instead) if self.missing(asked.model) else asked

    def describe(self, name):
        """What a choice costs before it is downloaded, and whether there is something to download."""
        absent = self.missing(name)
        lines = [model_line(spec, spec in absent) for spec in self.models(name)]
        return "\n".join(lines), gr.update(visible=bool(absent))

    def download(self, name, progress=gr.Progress()):  # noqa: B008, Gradio finds its bar by this default
        """All models of the choice on disk. Gives "" or why not, and the choice to go on with."""

        def show(done: int, total: int) -> None:
            progress((done, total), desc=f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB", unit="bytes")

        try:
            for spec in self.missing(name):
                hub.fetch(spec, show)
        except hub.LoadError as error:
            return f"{error} {self.goes_on}", self.pocket
        return "", name

    def widgets(self, prefix: str, label: str) -> Offered:
        """prefix: begins the widgets' ids. label: stands over the choice."""
        return Offered(
            gr.Dropdown(list(self.choices), value=self.pocket, label=label),
            gr.Markdown("", elem_classes="gb-prose", elem_id=f"{prefix}-models"),
            gr.Button("Download these models", size="sm", visible=False),
            message(f"{prefix}-download"),
        )

    def connect(self, offered: Offered, view: gr.HTML, shared: dict) -> None:
        """The choice's events. shared: the arguments of the event that runs the page."""
        hidden = {"api_visibility": "private", "show_progress": "hidden"}
        describing = {
            "fn": self.describe,
            "inputs": offered.choice,
            "outputs": [offered.about, offered.fetch],
        }
        view.shown(**describing, **hidden)
        offered.choice.input(lambda: "", None, offered.said, **hidden)
        offered.choice.input(**describing, **hidden).then(**shared, api_visibility="private")
        offered.fetch.click(
            self.download,
            offered.choice,
            [offered.said, offered.choice],
            api_visibility="private",
            concurrency_limit=2,
        ).then(**describing, **hidden).success(**shared, api_visibility="private")


@contextmanager
def stoppable(stops: Stops, request: gr.Request) -> Iterator[Check]:
    """The check of a run that may be stopped; a model that cannot be loaded is an InputError."""
    with stops.run(request.session_hash) as check:
        try:
            yield check
        except hub.LoadError as error:
            raise InputError(str(error)) from error


def model_line(spec: ModelSpec, absent: bool) -> str:
    """What a model costs, as an item of a list."""
    need = spec.memory_bytes / 1e6
    where = f"**{spec.disk_bytes / 1e6:,.0f} MB to download**" if absent else "on this machine"
    return (
        f"- {spec.title}: {spec.parameters / 1e6:,.1f}M parameters, {spec.licence}, needs {need:,.0f} MB of "
        f"memory on a CPU; {where}."
    )
