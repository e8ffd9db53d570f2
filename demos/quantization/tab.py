"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering
from demos.kit.frame import PRIVATE, QUIET, frame
from demos.kit.source import source_of
from demos.kit.stages import to_stage
from demos.kit.topic import Topic
from demos.quantization import effects, handlers, whole
from demos.quantization.controls import OWN, TRIES, start
from demos.quantization.handlers import LESSON, OFFER, SLUG
from demos.quantization.pictures import pictures
from demos.quantization.widgets import quantization_widgets

HERE = Path(__file__).parent
CODE = "\n\n\n".join(
    (
        source_of(HERE / "algorithm.py", "quantize"),
        source_of(HERE / "rounding.py", "round_nearest", "fit", "encode", "decode"),
        source_of(HERE / "gptq.py", "gptq"),
        source_of(HERE / "awq.py", "awq"),
        source_of(HERE / "llm_int8.py", "llm_int8"),
    )
)
MODELS = {"concurrency_id": "models", "concurrency_limit": 2}


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    page = frame(
        LESSON, SLUG, kept, controls=lambda: quantization_widgets(OFFER), pictures=pictures, code=CODE
    )
    settings, offered = page.controls
    on = page.pictures
    alarm, view = on["alarm"], on["view"]
    model, scheme, matrix, prompt, sequences, threshold, *sampling = settings.values()
    base = [model, scheme, matrix, sequences, threshold]
    outputs = [alarm, on["remark"], view, on["maps"], on["profile"], on["caption"], page.formula]
    outputs += [page.compared, matrix]
    shared = {"fn": answering(handlers.run, 8), "inputs": [*base, page.answer], "outputs": outputs}
    shared |= QUIET | MODELS
    moved = [widget.input for widget in (scheme, matrix, sequences, threshold)]
    gr.on(moved, trigger_mode="always_last", api_name="quantization", **shared)
    # The first of the new model's matrices, and none of the old one's on the map.
    model.input(None, None, [matrix, on["map"]], js="() => [null, null]", **PRIVATE, **QUIET)
    OFFER.connect(offered, view, shared)
    on["maps"].choose(
        answering(handlers.take, 2), on["maps"], [alarm, view, page.formula], **PRIVATE, **QUIET
    ).success(None, None, None, js=to_stage(SLUG, 1), **PRIVATE)

    def event(name: str, n: int, handler, inputs: list, outputs: list, first: bool = True) -> None:
        """A picture that its first button makes, its stage when first opened, and its last button stops."""
        does = {"fn": answering(handler, len(outputs)), "inputs": inputs, "outputs": [alarm, *outputs]}
        go, *_, halt = on[name]
        go.click(api_name=f"quantization_{name}", **does, **QUIET, **MODELS)
        if first:
            getattr(view, f"stage{n}")(trigger_mode="always_last", **does, **PRIVATE, **QUIET, **MODELS)
        halt.click(handlers.stop, queue=False, **PRIVATE, **QUIET)

    event("measure", 3, whole.measure, [*base, on["map"]], [on["map"], on["score"]])
    event("sweep", 3, whole.sweep, base, [on["curve"]], first=False)
    event("write", 4, effects.write, [*base, prompt, *sampling, on["map"]], [on["texts"], on["read"]])
    event("weigh", 5, effects.weigh, [*base, on["map"]], [on["savings"], on["table"]])
    event("remember", 6, effects.remember, [model], [on["cache"], on["active"]])
    on["map"].choose(handlers.interrupt, on["does"], queue=False, **PRIVATE, **QUIET)
    picked = on["map"].choose(
        answering(whole.pick, 2),
        [on["map"], on["does"], scheme],
        [alarm, on["map"], matrix],
        trigger_mode="always_last",
        **PRIVATE,
        **QUIET,
    )
    picked.success(**shared, **PRIVATE)
    on["measure"][1].click(whole.clear, on["map"], on["map"], **PRIVATE, **QUIET)
    page.connect_tries([(n, set_up(changes)) for n, changes in TRIES], list(settings.values()), shared)
    page.opened(view, shared)
    gr.api(handlers.region, api_name="quantization_region")


def set_up(changes: dict) -> list:
    """The settings of a thing to try: as at the start but for the changes; the visitor's own stay."""
    return [gr.skip() if name in OWN else value for name, value in start(**changes).items()]


TOPIC = Topic(
    SLUG,
    "Quantization",
    "Quantization",
    "Smaller models",
    "The same weights in 16, 8 or 4 bits: where the error is, and what the text loses.",
    build,
)
