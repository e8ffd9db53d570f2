"""A small app with the kit's components that several topics share, on data made here.

Its values come from `matrix()`, `layers()`, `curve()` and `reading()`, which the browser tests read too.
"""

import argparse
import json
import os
import time

import numpy as np

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before Gradio is imported

import gradio as gr

from demos.kit.asked import answering_script, field
from demos.kit.curve import curve_view
from demos.kit.heatmaps import heatmaps
from demos.kit.inputs import InputError
from demos.kit.layermap import layer_map
from demos.kit.linked import served
from demos.kit.page import launch
from demos.kit.reading import reading_view
from demos.kit.regions import packed_region

PANELS = {"weight": "weight", "code": "code", "back": "back", "error": "error"}
MATRICES = ("q", "k", "v", "o", "gate", "up", "down")
MARKED = [40, 300]
PROMPT = "Once upon a time a fox"
HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{value}}"


def matrix() -> dict[str, np.ndarray]:
    """A weight [688, 512] rounded to steps of 1/64, without the picture."""
    weight = np.random.default_rng(0).normal(0, 0.05, (688, 512)).astype(np.float32)
    weight[:, MARKED] *= 4
    code = np.clip(np.rint(weight * 64), -7, 7).astype(np.int32)
    back = (code / 64).astype(np.float32)
    return {"weight": weight, "code": code, "back": back, "error": back - weight}


def region(request: dict) -> dict:
    """What the heatmaps ask. A window of fewer than 6 rows is refused, one of 344 rows takes its time."""
    window = field(request, "window")
    if window[2] < 6:
        raise InputError(f"A window of at least 6 rows is expected; got {window[2]}.")
    if window[2] == 344:
        time.sleep(0.6)
    arrays = matrix()
    panels = [
        {"key": "weight", "title": "weight", "colours": "diverging", "extent": [-0.4, 0.4], "digits": 4},
        {"key": "code", "title": "code", "colours": "viridis", "extent": [-7, 7], "digits": 0},
        {"key": "back", "title": "back", "colours": "diverging", "extent": [-0.4, 0.4], "digits": 4},
        {"key": "error", "title": "error", "colours": "diverging", "extent": [-0.1, 0.1], "digits": 4},
    ]
    facts = {
        "panels": panels, "key": str(field(request, "key")), "marked_columns": MARKED, "marked_rows": [3],
        "labels": {"row": "output", "column": "input"},
    }  # fmt: skip
    return served(packed_region(arrays, np.abs(arrays["error"]), window, facts))


def masked(key: str) -> dict:
    """A weight of 12 rows and 20 columns, and which of them stay."""
    weight = matrix()["weight"][:12, :20]
    mask = (np.abs(weight) > 0.03).astype(np.uint8)
    panels = [
        {"key": "kept", "title": "mask", "colours": "mask", "extent": [0, 1], "digits": 0,
         "words": ["cut", "kept"]},
        {"key": "weight", "title": "weight", "colours": "diverging", "extent": [-0.2, 0.2], "digits": 3},
    ]  # fmt: skip
    facts = {"panels": panels, "key": key, "labels": {"row": "output", "column": "input"}}
    return served(packed_region({"kept": mask, "weight": weight}, np.abs(weight), (0, 0, 12, 20), facts))


def layers(rows: int, known: int) -> dict:
    """A map of which the first `known` cells are computed; layer 1 has no gate."""
    generator = np.random.default_rng(1)
    error = (generator.uniform(0.01, 0.09, (rows, 7)) * (1 + np.arange(7) / 4)).tolist()
    cells = [
        [
            {"value": error[r][c], "text": f"{error[r][c]:.3f}", "mark": ("int4", "nf4", "16")[(r + c) % 3]}
            if r * 7 + c < known
            else {"value": None, "text": "", "mark": "int4"}
            for c in range(7)
        ]
        for r in range(rows)
    ]  # fmt: skip
    cells[1][4] = None
    return {
        "rows": [f"layer {r}" for r in range(rows)], "columns": list(MATRICES), "cells": cells,
        "unit": "relative error", "chosen": None, "low": "little error", "high": "much error",
        "told": "" if known >= rows * 7 else f"{known} of {rows * 7} matrices",
    }  # fmt: skip


def curve(count: int) -> dict:
    """Perplexity against bits of three methods, the first `count` points of each."""
    bits = [2.125, 2.25, 3.125, 4.125, 4.5, 8.25, 16]
    series = []
    for s, name in enumerate(("round to nearest", "GPTQ", HOSTILE)):
        points = [
            {"x": b + 0.03 * s, "y": 10 * (1 + (0.9 - 0.25 * s) * 60 * 4 ** (-b)), "name": f"{name} {b}",
             "note": "Group of 32." if s else ""}
            for b in bits[:count]
        ]  # fmt: skip
        series.append({"name": name, "points": points})
    series[0]["points"][0]["y"] = None  # infinite
    series[1]["points"][0]["y"] = 3e7
    if count == 7:
        series[2]["points"][6]["y"] = 0.0  # has no logarithm
    return {
        "x": {"title": "bits per weight"}, "y": {"title": "perplexity", "log": True}, "lines": True,
        "series": series, "rules": [{"y": 10.0, "text": "full model: 10.0"}],
        "chosen": "GPTQ 4.125" if count > 3 else None,
        "told": f"{3 * count} of 21 schemes" if count < 7 else "", "done": count == 7,
    }  # fmt: skip


FOX = " went to the river to drink . He saw a"
TEXTS = (
    f"{FOX} big fish , and the fish said hello to him .\nThe fox was happy",
    f"{FOX} small boat with a red sail on the wide blue water .\nIt was",
)


def reading(count: int, same: bool = False) -> dict:
    """The first `count` tokens of two texts that part at token 10, or of one text twice."""
    sides = []
    for k, name in enumerate(("full model", "NF4")):
        words = TEXTS[0 if same else k].split(" ")[1 : count + 1]
        tokens = [{"text": f" {w}", "p": 0.05 + (7 * i + k) % 10 / 11} for i, w in enumerate(words)]
        sides.append({"name": name, "tokens": tokens})
    parts = None if same or count <= 10 else 10
    rows = [
        {"token": " big", "p": [0.42, 0.21]}, {"token": " small", "p": [0.2, 0.39]},
        {"token": " fish", "p": [0.11, 0.1004]}, {"token": HOSTILE, "p": [0.02, 0.0004]},
    ]  # fmt: skip
    laws = {"after": " saw a", "rows": rows, "rest": [0.25, 0.2992], "taken": [" big", " small"]}
    return {
        "prompt": PROMPT,
        "sides": sides,
        "parts": parts,
        "laws": laws if parts else None,
        "done": count >= 20,
    }


def growing():
    """The texts, the curve and the map as they grow while a run streams."""
    for count in range(1, 21):
        yield reading(count), curve(min(7, 1 + count // 3)), layers(6, 2 * count + 2)
        time.sleep(0.05)


def build() -> gr.Blocks:
    quiet = {"show_progress": "hidden"}
    with gr.Blocks(title="Components", fill_width=True, analytics_enabled=False) as app, gr.Row():
        with gr.Column(scale=1, min_width=240):
            buttons = {n: gr.Button(n) for n in ("Fill", "Grow", "Same", "Deep", "Mask", "Empty")}
            heard = gr.Textbox(label="Heard", elem_id="heard")
        with gr.Column(scale=3, min_width=320):
            maps = heatmaps("tiny", PANELS, [answering_script(region)])
            mask = heatmaps("mask", {"kept": "mask", "weight": "weight"}, [answering_script(region)])
            grid = layer_map("tiny-map", "Error of each matrix")
            chart = curve_view("tiny-curve", "Perplexity against bits")
            texts = reading_view("tiny-reading")
        whole = {"key": "first", "window": [0, 0, 688, 512]}
        full = lambda: (region(whole), layers(6, 42), curve(7), reading(20))  # noqa: E731
        everything = [maps, grid, chart, texts]
        buttons["Fill"].click(full, None, everything, **quiet)
        buttons["Grow"].click(growing, None, [texts, chart, grid], **quiet)
        buttons["Same"].click(lambda: reading(20, same=True), None, texts, **quiet)
        buttons["Deep"].click(lambda: layers(24, 100), None, grid, **quiet)
        buttons["Mask"].click(lambda: masked("masked"), None, mask, **quiet)
        empty = {"nothing": "Press Fill to see it."}
        buttons["Empty"].click(lambda: [empty] * 4, None, everything, **quiet)
        for name, view in {"maps": maps, "grid": grid, "chart": chart}.items():
            view.choose(lambda value, name=name: json.dumps([name, value["chosen"]]), view, heard, **quiet)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    launch(build(), host=arguments.host, port=arguments.port, share=False)
