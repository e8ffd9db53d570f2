"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering
from demos.kit.frame import PRIVATE, QUIET, frame
from demos.kit.source import source_of
from demos.kit.topic import Topic
from demos.pruning import effects, handlers, whole
from demos.pruning.controls import OWN, TRIES, start
from demos.pruning.handlers import LESSON, OFFER, SLUG
from demos.pruning.pictures import pictures
from demos.pruning.shears import connect_shears
from demos.pruning.widgets import pruning_widgets

HERE = Path(__file__).parent
CODE = "\n\n\n".join(
    (
        source_of(HERE / "algorithm.py", "prune", "weight_scores"),
        source_of(HERE / "selection.py", "cut", "lowest"),
        source_of(HERE / "sparsegpt.py", "sparsegpt", "inverse_factor"),
        source_of(HERE / "structure.py", "prune_groups", "remove"),
        source_of(HERE / "storage.py", "csr", "bitmask", "two_of_four"),
        source_of(HERE / "gates.py", "sample", "expected", "final"),
        source_of(HERE / "shearing.py", "shear_search", "penalty", "ascend", "decide"),
        source_of(HERE / "masking.py", "shear"),
    )
)
MODELS = {"concurrency_id": "models", "concurrency_limit": 2}


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    page = frame(LESSON, SLUG, kept, controls=lambda: pruning_widgets(OFFER), pictures=pictures, code=CODE)
    settings, offered, shears = page.controls
    on = page.pictures
    alarm, view = on["alarm"], on["view"]
    model, method, pattern, sparsity, matrix, sequences, *reading, scheme = settings.values()
    base = [model, method, pattern, sparsity, matrix, sequences]
    outputs = [alarm, on["remark"], view, on["maps"], on["caption"], page.formula, page.compared]
    outputs += [matrix, sparsity]
    shared = {"fn": answering(handlers.run, 8), "inputs": [*base, page.answer], "outputs": outputs}
    shared |= QUIET | MODELS
    moved = [widget.input for widget in (method, pattern, sparsity, matrix, sequences)]
    gr.on(moved, trigger_mode="always_last", api_name="pruning", **shared)
    # The first of the new model's matrices, and none of the old one's on the map.
    model.input(None, None, [matrix, on["map"]], js="() => [null, null]", **PRIVATE, **QUIET)
    OFFER.connect(offered, view, shared)
    on["maps"].choose(answering(handlers.take, 1), on["maps"], [alarm, page.formula], **PRIVATE, **QUIET)

    def event(name: str, opens, handler, inputs: list, outputs: list) -> None:
        """A picture that its first button makes, the events `opens` too, and its last button stops."""
        does = {"fn": answering(handler, len(outputs)), "inputs": inputs, "outputs": [alarm, *outputs]}
        go, *_, halt = on[name]
        go.click(api_name=f"pruning_{name}", **does, **QUIET, **MODELS)
        for opened in opens:
            opened(trigger_mode="always_last", **does, **PRIVATE, **QUIET, **MODELS)
        halt.click(handlers.stop, queue=False, **PRIVATE, **QUIET)

    event("measure", [view.stage2], whole.measure, [*base, on["map"]], [on["map"], on["score"]])
    event("sweep", [view.stage3], whole.sweep, base, [on["curve"], on["fallen"]])
    event("write", [view.texts], effects.write, [*base, *reading], [on["texts"], on["read"]])
    weighed = [on["matrix"], on["savings"], on["table"]]
    event("weigh", [view.stage4], effects.weigh, [*base, on["map"]], weighed)
    compared = [on["equal"], on["numbers"], on["contest"]]
    event("rival", [view.stage6, scheme.input], effects.rival, [*base, scheme], compared)
    event("rivals", [], effects.rivals, base, [on["equals"]])
    connect_shears(shears | on["shears"], alarm)
    on["map"].choose(handlers.interrupt, on["does"], queue=False, **PRIVATE, **QUIET)
    cell = [on["map"], on["does"], sparsity]
    on["map"].choose(answering(whole.pick, 2), cell, [alarm, on["map"], matrix], **PRIVATE, **QUIET).success(
        **shared, **PRIVATE
    )
    on["measure"][1].click(whole.clear, on["map"], on["map"], **PRIVATE, **QUIET)
    on["curve"].choose(
        answering(whole.follow, 2), on["curve"], [alarm, method, sparsity], **PRIVATE, **QUIET
    ).success(**shared, **PRIVATE)
    page.connect_tries([(n, set_up(changes)) for n, changes in TRIES], list(settings.values()), shared)
    page.opened(view, shared)
    gr.api(handlers.region, api_name="pruning_region")
    gr.api(effects.region, api_name="pruning_equal_region")


def set_up(changes: dict) -> list:
    """The settings of a thing to try: as at the start but for the changes; the visitor's own stay."""
    return [gr.skip() if name in OWN else value for name, value in start(**changes).items()]


TOPIC = Topic(
    SLUG,
    "Pruning and Sheared LLaMA",
    "Pruning",
    "Smaller models",
    "Weights, heads and layers cut out of a model, and what is truly saved.",
    build,
)
