"""The page's widgets: what sound goes in, and every parameter of the recipe, stage by stage."""

import gradio as gr

from demos.kit.frame import stage
from demos.kit.widgets import slider
from demos.speech_features.controls import (
    CHOICES,
    FORM_FIELDS,
    GENERATOR,
    OWN,
    RANGES,
    SOURCES,
    TONE_RATE,
    TONES,
    Form,
    badge,
    form_of,
    recipe_of,
)
from demos.speech_features.recipes import RECIPES

LABELS = {
    "rate": "Samples a second (Hz)",
    "anti_alias": "Filter before sampling (anti-alias)",
    "quantizer": "Quantizer",
    "bits": "Bits",
    "window_ms": "Window (ms)",
    "stride_ms": "Stride (ms)",
    "window": "Shape",
    "periodic": "Periodic (not symmetric)",
    "padding": "Centred frames, padded by",
    "drop_last_frame": "Drop the last frame",
    "remove_dc": "Remove each frame's mean",
    "pre_emphasis": "Pre-emphasis",
    "n_fft": "n_fft (0: follows the window)",
    "n_mels": "Bands",
    "fmin": "Lowest frequency (Hz)",
    "fmax": "Highest frequency (Hz; 0: half the rate)",
    "mel_scale": "Mel scale",
    "triangles": "Triangles straight in",
    "mel_norm": "Norm",
    "log": "Logarithm",
    "floor": "Floor",
    "dynamic_range": "Range below the maximum (0: all)",
    "offset": "Add",
    "scale": "Then divide by",
}
STEPS = {"rate": 25, "bits": 1, "window_ms": 0.01, "stride_ms": 0.01, "n_mels": 1}
# The stage at which each control is shown; those under "More" are folded away.
BY_STAGE = {
    2: (("rate", "anti_alias"), ()),
    3: (("quantizer", "bits"), ()),
    4: (
        ("window_ms", "stride_ms", "window"),
        ("periodic", "padding", "drop_last_frame", "remove_dc", "pre_emphasis"),
    ),
    5: (("n_fft",), ()),
    6: (("n_mels", "mel_scale"), ("fmin", "fmax", "triangles", "mel_norm")),
    7: (("log", "floor"), ("dynamic_range", "offset", "scale")),
}


def sound_widgets() -> list[gr.components.Component]:
    """Source, own file, kind of tone, first and second frequency."""
    source = gr.Dropdown(list(SOURCES), value=SOURCES[0], label="Sound")
    with gr.Accordion("Record, upload or generate", open=False):
        own = gr.Audio(sources=["upload", "microphone"], type="filepath", label=OWN, elem_id="speech-own")
        kind = gr.Radio(list(TONES), value=TONES[0], label=GENERATOR)
        top = TONE_RATE / 2
        first = slider(20, top, 1000, step=1, label="First frequency (Hz)")
        second = slider(20, top, 3000, step=1, label="Second frequency (Hz)")
    return [source, own, kind, first, second]


def form_widgets() -> tuple[gr.Dropdown, gr.Markdown, list[gr.components.Component]]:
    """The preset, its badge, and the recipe's widgets in the order of Form's fields."""
    name = next(iter(RECIPES))
    start = form_of(RECIPES[name])
    preset = gr.Dropdown(list(RECIPES), value=name, label="Recipe")
    line = gr.Markdown(badge(recipe_of(start), name), elem_id="speech-badge")
    made = {}
    for n, (shown, more) in BY_STAGE.items():
        with stage(n):
            made |= {field: _widget(field, start) for field in shown}
            if more:
                with gr.Accordion("More", open=False):
                    made |= {field: _widget(field, start) for field in more}
    return preset, line, [made[field] for field in FORM_FIELDS]


def _widget(field: str, start: Form) -> gr.components.Component:
    value, label = getattr(start, field), LABELS[field]
    if field in CHOICES:
        return gr.Dropdown(list(CHOICES[field][1]), value=value, label=label)
    if isinstance(value, bool):
        return gr.Checkbox(value, label=label)
    _, low, high, _ = RANGES[field]
    if field in STEPS:
        return slider(low, high, value, step=STEPS[field], label=label)
    return gr.Number(value, label=label)
