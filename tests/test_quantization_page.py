"""What the quantization page says and draws, against transformers, torch and the traces it is made of."""

import math
import re
import struct
import threading
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch.distributions import Categorical, kl_divergence
from transformers import GPT2Config, GPT2LMHeadModel

from demos.kit import calibration, hub, models, saying
from demos.kit.blocks import Matrix, matrices
from demos.kit.calibration import batches
from demos.kit.inputs import InputError
from demos.kit.language import sequences
from demos.kit.models import Shelf, load
from demos.kit.runs import Runs
from demos.kit.scores import Agreement, Score
from demos.kit.timing import Form
from demos.kit.zoo import LABELS, MODELS, TEXT
from demos.quantization import (
    charts,
    controls,
    effects,
    figures,
    handlers,
    number,
    trials,
    whole,
    words,
    work,
)
from demos.quantization import scheme as schemes
from demos.quantization.algorithm import quantize
from demos.quantization.cached import Recalled
from demos.quantization.controls import ASSIGN, KEEP, SHOW, SPARE, Plan, Settings, plan_of, start
from demos.quantization.gptq import gptq
from demos.quantization.handlers import LESSON
from demos.quantization.panels import STAGES
from demos.quantization.scheme import SCHEMES
from demos.quantization.tab import set_up
from tests.hub_server import tiny_tokenizer
from tests.test_speech_page import unpacked

DRAFT, VIT = MODELS["fairy-draft"].title, MODELS["cifar-vit"].title
DOWN, UP = "model.layers.0.mlp.down_proj", "model.layers.1.mlp.up_proj"
FEW, SEEN = 2, 16  # sequences and pictures that the tests measure on


VISITOR = gr.Request(session_hash="a visitor")


@pytest.fixture(scope="module", autouse=True)
def small():
    """Few sequences, one thread, and shelves of this file's own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (calibration, trials):
            patch.setattr(module, "HELD_OUT", FEW)
        patch.setattr(calibration, "PICTURES", SEEN)
        for module, name in (
            *((work, name) for name in ("MATRICES", "MODELS", "SCORES")),
            *((trials, name) for name in ("TEXTS", "CACHES", "ACTIVE")),
        ):
            shelf = getattr(module, name)
            patch.setattr(module, name, Runs(shelf.max_bytes, shelf.seconds, shelf._size))
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def loaded():
    with load(MODELS["fairy-draft"]) as lent:
        yield lent


@pytest.fixture
def tiny_gpt2(monkeypatch):
    """A GPT-2 of random weights in the place of the hub's models."""

    def read(spec, device, dtype):
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=300, n_positions=64, n_embd=32, n_layer=2, n_head=2)
        return GPT2LMHeadModel(config).eval().requires_grad_(False), tiny_tokenizer()

    monkeypatch.setattr(models, "SHELF", Shelf(models.budget, read))
    monkeypatch.setattr(hub, "on_disk", lambda spec: True)
    return "DistilGPT2"


def base(scheme="int4 absmax", model=DRAFT, sequences=4, threshold=6.0):
    return {"model": model, "scheme": scheme, "matrix": "", "sequences": sequences, "threshold": threshold}


def plan(scheme="int4 absmax", others=(), **changes) -> Plan:
    given = base(scheme, **changes)
    return plan_of(given["model"], scheme, given["sequences"], given["threshold"], dict(others))


def last(states):
    *_, state = states
    return state


def seen(scheme="int4 absmax", matrix=UP, **changes) -> work.Seen:
    given = base(scheme, **changes) | {"matrix": matrix}
    return work.see(controls.settings_of(**given))


def kept(shelf, inputs):
    """The run that is on the shelf."""

    def make():
        raise AssertionError("it was not kept")

    return last(shelf.stream(inputs, make))[1]


def never() -> None:
    """A check that stops nothing."""


def read_by_hook(model, name, ids):
    """X of one matrix in whole passes."""
    read = []
    handle = model.get_submodule(name).register_forward_hook(lambda _, given, out: read.append(given[0]))
    with torch.no_grad():
        model(input_ids=ids)
    handle.remove()
    return read[0].flatten(0, 1)


# One matrix


@pytest.mark.parametrize("name", SCHEMES)
def test_one_matrix_in_every_scheme(loaded, name):
    """DOWN reads 256 numbers, which all groups divide."""
    run = seen(name, DOWN)
    count = 4
    x = read_by_hook(loaded.model, DOWN, sequences(loaded, "calibration", count))
    weight = loaded.model.get_submodule(DOWN).weight
    want = quantize(weight, SCHEMES[name], x)
    assert torch.equal(run.trace.codes, want.codes) and torch.equal(run.trace.dequantized, want.dequantized)
    assert run.trace.scheme == SCHEMES[name] and run.read == len(x) == count * 256
    exact, lossy = x.double() @ weight.double().T, x.double() @ run.trace.dequantized.double().T
    lost = float((exact - lossy).square().sum() / exact.square().sum())
    assert run.lost == pytest.approx(lost, rel=1e-3, abs=1e-12)
    assert torch.equal(run.largest, x.abs().amax(0)) and torch.equal(run.outliers, run.largest >= 6)
    assert run.names == tuple(m.name for m in matrices(loaded.model)) and run.matrix.name == DOWN


def test_methods_that_learn_read_as_many_sequences_as_asked_and_the_others_a_few():
    assert seen("GPTQ, int4", sequences=6).read == 6 * 256
    assert seen("int8 absmax", sequences=6).read == work.LOOK * 256
    assert seen("int8 absmax", sequences=2).read == 2 * 256


def test_the_threshold_of_llm_int8_is_the_controls():
    run = seen("LLM.int8", DOWN, threshold=2.0)
    assert torch.equal(run.trace.outliers, run.largest >= 2) and int(run.trace.outliers.sum()) > 0
    assert torch.equal(run.outliers, run.trace.outliers)
    assert "they reach 2 somewhere and stay in 16 bits" in words.caption(run, (9, 9))


def numbers(text: str) -> list[float]:
    return [float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*\.?\d*(?:e-?\d+)?", text)]


@pytest.mark.parametrize("name", ["int8 absmax", "NF4, double quantization", "LLM.int8", "AWQ, int4"])
def test_the_caption_says_the_traces_numbers(name):
    run = seen(name, DOWN, threshold=1.5)
    said, trace = words.caption(run, (96, 160)), run.trace
    parts = (
        f"**{DOWN}**, 96 × 256 weights as **{name}**",
        f"**{trace.bits_per_weight:.3f} bits**",
        f"{trace.nbytes:,} bytes",
        f"**{20 * math.log10(float(trace.weight.norm() / trace.error.norm())):.2f} dB**",
        f"{100 * run.lost:.3g} % is lost, on 1,024 inputs",
        f"{int((run.largest >= 1.5).sum())} of 256 input channels are outliers: they reach 1.5 somewhere",
        f"the largest input is {float(run.largest.max()):.1f}",
        "Each of the maps' 96 × 160 cells shows the one weight in it whose error is greatest",
    )
    for part in parts:
        assert part in said, part
    assert ("stay in 16 bits" in said) == (name == "LLM.int8")
    assert ("AWQ's search" in said) == (name == "AWQ, int4")
    if name == "AWQ, int4":
        r, loss = min(trace.searched, key=lambda pair: pair[1])
        assert f"r = {r:g}: the outputs' error is {loss / dict(trace.searched)[0]:.3f} of what it" in said
    assert "maps' " not in words.caption(run, (96, 256))


def test_nothing_lost_is_said_so():
    weight = torch.tensor([[1.0, -1.0]])
    matrix = Matrix("m", 0, "m", 1, 2)
    run = work.Seen(
        Settings(DRAFT, "float16", "m", 1, 6.0), matrix, quantize(weight, schemes.FLOAT16),
        torch.ones(2), torch.zeros(2, dtype=torch.bool), 0.0, 0.0, 5, ("m",),
    )  # fmt: skip
    said = words.caption(run, (1, 2))
    assert "Signal to noise **infinite: nothing is lost**" in said and " 0 % is lost, on 5 inputs" in said
    assert words.worst(run.trace) == (0, 0)
    zeros = replace(run, trace=quantize(torch.zeros(1, 2), schemes.INT4_ABSMAX))
    maps = unpacked(figures.maps(zeros, "k"))
    assert all(np.isfinite(values).all() for values in maps.values())
    assert figures.profile(zeros)["edges"] == [-1.0, 1.0]


def tex(value: float) -> str:
    return f"{value:.5g}"


def test_the_formula_has_the_numbers_of_the_weight():
    run = seen("int4 absmax", DOWN)
    row, column = words.worst(run.trace)
    assert float(run.trace.error.abs().max()) == float(run.trace.error[row, column].abs())
    said = words.formula(run, number.number(run.trace, row, column))
    w, s = float(run.trace.weight[row, column]), float(run.trace.scales[row, 0])
    q = round(w / s)
    for part in (f"Row {row}, column {column}, scale $s={tex(s)}$", f"{{{tex(w)}}}", f"={q}$$", tex(q * s)):
        assert part in said, part
    run = seen("int4 zero-point", DOWN)
    z, s = int(run.trace.zero_points[3, 0]), float(run.trace.scales[3, 0])
    q = int(run.trace.codes[3, 5])
    said = words.formula(run, number.number(run.trace, 3, 5))
    assert f"+{z}={q}$$" in said and f"({q}-{z})={tex(s * (q - z))}" in said.replace("\\cdot", "")
    run = seen("NF4", DOWN)
    q = int(run.trace.codes[3, 5])
    level = float(run.trace.dequantized[3, 5]) / float(run.trace.scales[(3 * 256 + 5) // 64])
    said = words.formula(run, number.number(run.trace, 3, 5))
    assert f"={q}$$" in said and f"$$t_{{{q}}}={level:.4f}$$" in said
    run = seen("AWQ, int4", DOWN)
    stretch = float(run.trace.column_scales[5])
    said = words.formula(run, number.number(run.trace, 3, 5))
    assert f"\\cdot{tex(stretch)}$" in said and f"={int(run.trace.codes[3, 5])}$$" in said
    w, s = float(run.trace.weight[3, 5]), float(run.trace.scales[3, 0])
    assert f"\\frac{{{tex(w * stretch)}}}" in said and tex(int(run.trace.codes[3, 5]) * s) in said
    said = words.formula(seen("GPTQ, int4", DOWN), number.number(seen("GPTQ, int4", DOWN).trace, 3, 5))
    assert "after the errors of the columns before" in said and "round" not in said
    said = words.formula(seen("float16", DOWN), number.number(seen("float16", DOWN).trace, 3, 5))
    assert "two floats of 16 bits" in said


def test_small_numbers_are_powers_of_ten():
    trace = quantize(torch.tensor([[0.0005, 0.00025]]), schemes.INT8_ABSMAX)
    run = replace(seen("int8 absmax", DOWN), trace=trace)
    assert r"5.000\cdot10^{-4}" in words.formula(run, number.number(trace, 0, 0))


def test_the_maps_hold_the_trace_and_mark_the_outliers():
    run = seen("int4 absmax", DOWN, threshold=1.5)
    packed = figures.maps(run, "key", (3, 100, 20, 90), (7, 130))
    got, trace = unpacked(packed), run.trace
    part = (slice(3, 23), slice(100, 190))
    for name in ("weight", "codes", "dequantized", "error"):
        np.testing.assert_allclose(got[name], getattr(trace, name)[part].float().numpy(), rtol=1e-6)
    facts = packed.facts
    assert facts["marked_columns"] == (run.largest >= 1.5).nonzero().flatten().tolist() != []
    assert facts["chosen"] == [7, 130] and facts["key"] == "key"
    extents = {panel["key"]: panel["extent"] for panel in facts["panels"]}
    assert (
        extents["weight"]
        == extents["dequantized"]
        == pytest.approx([-float(trace.weight.abs().max()), float(trace.weight.abs().max())])
    )
    assert extents["error"][1] == pytest.approx(float(trace.error.abs().max()))
    assert extents["codes"] == [-7, 7]
    assert figures.maps(seen("NF4", DOWN), "k").facts["panels"][1]["extent"] == [0.0, 15.0]
    with pytest.raises(ValueError, match="inside 96 rows and 256 columns"):
        figures.maps(run, "key", (90, 0, 20, 20))


@pytest.mark.parametrize("name", ["int4 absmax", "int4, groups of 64", "NF4", "int2 zero-point", "float16"])
def test_the_profile_is_the_histogram_and_the_errors(name):
    run = seen(name, DOWN)
    got, trace = figures.profile(run), run.trace
    rms = trace.error.double().square()
    assert got["rows"] == pytest.approx(rms.mean(1).sqrt().tolist(), rel=1e-4)
    assert got["columns"] == pytest.approx(rms.mean(0).sqrt().tolist(), rel=1e-4)
    assert got["largest"] == pytest.approx(run.largest.tolist()) and got["size"] == [96, 256]
    assert sum(got["counts"]) == 96 * 256
    units = number.in_units(trace)
    low, high = got["edges"]
    assert high == -low == pytest.approx(float(units.abs().max()))
    bins = ((units.double() - low) / (high - low) * figures.BINS).long().clamp(0, figures.BINS - 1)
    want = torch.bincount(bins.flatten(), minlength=figures.BINS)
    assert (want - torch.tensor(got["counts"])).abs().sum() <= 0.01 * 96 * 256  # at the bins' edges
    size = SCHEMES[name].size
    if size:
        groups = rms.reshape(96, -1, size).mean((0, 2)).sqrt()
        assert got["groups"] == pytest.approx(groups.tolist(), rel=1e-4)
    else:
        assert got["groups"] == []
    levels = {"int4 absmax": 15, "int4, groups of 64": 15, "NF4": 16, "int2 zero-point": 4, "float16": 0}
    assert len(got["levels"]) == levels[name]
    if name == "int2 zero-point":  # the rows have different ones; the levels are drawn where the mean is
        z = float(trace.zero_points.double().mean())
        assert got["levels"] == pytest.approx([q - z for q in range(4)], abs=1e-5)
    assert figures.profile(seen("int8 absmax", DOWN))["levels"] == []


def test_long_profiles_keep_the_greatest_of_each_stretch():
    values = torch.rand(1000)
    got = figures._thin(values)
    assert len(got) == figures.ACROSS and max(got) == float(values.max())
    assert got[0] == float(values[:4].max()) and got[-1] == float(values[-3:].max())


def test_the_number_lines_view_is_the_number():
    for name in ("int4 absmax", "int4 zero-point", "NF4", "AWQ, int4", "bfloat16"):
        run = seen(name, DOWN)
        line = number.number(run.trace, 3, 5)
        view = figures.number_view(line, run.trace)
        for part in ("levels", "codes", "places", "units", "rounded", "numbers"):
            assert view[part] == getattr(line, part).tolist()
        assert view["weight"] == line.weight * line.stretched and view["back"] == line.back * line.stretched
        assert (view["row"], view["column"], view["code"]) == (3, 5, line.code)
        assert view["scale"] == (None if math.isnan(line.scale) else line.scale)
        assert view["zero"] == line.zero_point
        for code, bits in view["patterns"].items():
            signed = name in ("int4 absmax", "AWQ, int4")
            whole_number = int(bits, 2) - (2 ** len(bits) if signed and bits[0] == "1" else 0)
            assert whole_number == int(code) and len(bits) == line.bits
        assert {str(code) for code in (*view["codes"], *view["numbers"], view["code"])} <= set(
            view["patterns"]
        )


def test_the_bits_of_a_spared_negative_weight_are_a_float16s():
    run = seen("LLM.int8", DOWN, threshold=0)
    row, column = divmod(int(run.trace.weight.argmin()), 256)
    view = figures.number_view(number.number(run.trace, row, column), run.trace)
    half = struct.unpack("<H", struct.pack("<e", float(run.trace.weight[row, column].half())))[0]
    assert half >= 2**15 and view["code"] == half and view["patterns"][str(half)] == f"{half:016b}"


def test_the_prediction_is_judged_by_int4_absmax_alone():
    run = seen("int4 absmax", DOWN)
    key, evidence = words.outcome(run)
    weight = run.trace.weight
    eight = weight.abs().amax(1, keepdim=True) / 127
    four = weight.abs().amax(1, keepdim=True) / 7
    errors = [float((torch.round(weight / s) * s - weight).square().mean().sqrt()) for s in (eight, four)]
    ratio = errors[1] / errors[0]
    assert key == "eighteen" and 15 < ratio < 22
    said = numbers(evidence)
    assert said[0] == pytest.approx(errors[0], rel=0.02) and said[1] == pytest.approx(errors[1], rel=0.02)
    assert said[2] == pytest.approx(ratio, rel=0.02)
    assert words.outcome(seen("int8 absmax", DOWN)) == (None, "")


# The handlers of one matrix


def test_the_first_run_fills_every_part_of_the_page(loaded):
    remark, view, maps, profile, caption, formula, verdict, choices = handlers.run(
        **base("int4 absmax") | {"matrix": UP}, answer="eighteen"
    )
    run = work.MATRICES.find(view["key"])
    assert remark == "" and run.matrix.name == UP and maps["key"] == view["key"]
    row, column = words.worst(run.trace)
    assert maps["chosen"] == [row, column] == [view["number"]["row"], view["number"]["column"]]
    assert profile == figures.profile(run) and caption == words.caption(run, tuple(maps["cells"]))
    assert formula == words.formula(run, number.number(run.trace, row, column))
    assert "✓ As you said" in verdict and "times as large" in verdict
    assert choices["choices"] == [m.name for m in matrices(loaded.model)] and choices["value"] == UP
    again = handlers.run(**base("int4 absmax") | {"matrix": UP}, answer="two")
    assert again[1]["key"] == view["key"] and "✗ Not as you said" in again[6]
    first = handlers.run(**base("int4 absmax") | {"matrix": None}, answer=None)
    assert first[-1]["value"] == matrices(loaded.model)[0].name
    # The page then holds its name, which must not be another run: the stages would be made anew.
    named = handlers.run(**base("int4 absmax") | {"matrix": first[-1]["value"]}, answer=None)
    assert named[1]["key"] == first[1]["key"]


def test_an_entry_chosen_in_the_maps_comes_to_the_number_line():
    _, view, maps, *_ = handlers.run(**base("NF4") | {"matrix": UP}, answer=None)
    run = work.MATRICES.find(view["key"])
    shown, formula = handlers.take({**maps, "chosen": [4, 9]})
    line = number.number(run.trace, 4, 9)
    assert shown == {"key": view["key"], "number": figures.number_view(line, run.trace)}
    assert formula == words.formula(run, line) and formula.startswith("Row 4, column 9")


def test_a_window_is_asked_for_by_its_key():
    _, view, *_ = handlers.run(**base("NF4") | {"matrix": UP}, answer=None)
    said = handlers.region({"key": view["key"], "window": [4, 5, 6, 7]})
    assert said["window"] == [4, 5, 6, 7] and said["cells"] == [6, 7] and said["key"] == view["key"]


@pytest.mark.parametrize(
    ("handler", "request_", "sentence"),
    [
        (handlers.region, {"key": "x", "window": [0, 0, 1, 1]}, "This run is no longer kept"),
        (handlers.region, {"key": ["x"], "window": [0, 0, 1, 1]}, "key|no longer kept"),
        (handlers.region, {}, "A request must say window"),
        (handlers.region, {"window": [0, 0, 1]}, r"A window is 4 whole numbers; got \[0, 0, 1\]"),
        (handlers.region, {"window": [0, 0, 1, 1.5]}, "A window is 4 whole numbers"),
        (handlers.region, {"window": [0, 0, 0, 1]}, "inside 256 rows and 96 columns is expected"),
        (handlers.take, 3, "A request must say key; got 3"),
        (handlers.take, {"key": {"a": 1}, "chosen": [0, 0]}, "key|no longer kept"),
        (handlers.take, {}, "A request must say chosen"),
        (handlers.take, {"chosen": [0]}, r"An entry is 2 whole numbers; got \[0\]"),
        (handlers.take, {"chosen": [True, 0]}, "An entry is 2 whole numbers"),
        (handlers.take, {"chosen": [0, 96]}, "An entry of 256 x 96 is expected; got row 0, column 96"),
        (handlers.take, {"chosen": [-1, 0]}, "An entry of 256 x 96 is expected; got row -1, column 0"),
    ],
)
def test_what_a_page_may_ask_and_cannot_have_is_one_sentence(handler, request_, sentence):
    if isinstance(request_, dict) and "key" not in request_:
        _, view, *_ = handlers.run(**base("NF4") | {"matrix": UP}, answer=None)
        request_ = {"key": view["key"], **request_}
    if handler is handlers.region:
        assert re.search(sentence, handler(request_)["error"])
    else:
        with pytest.raises(InputError, match=sentence):
            handler(request_)


# The whole model


@pytest.mark.parametrize("name", SCHEMES)
def test_the_whole_model_in_every_scheme(loaded, name):
    before = {n: p.clone() for n, p in loaded.model.named_parameters()}
    shown, said = last(whole.measure(**base(name), shown=None, request=VISITOR))
    state = kept(work.SCORES, plan(name))  # on the shelf: nothing is made
    model = kept(work.MODELS, plan(name)).model
    assert all(torch.equal(p, before[n]) for n, p in loaded.model.named_parameters())
    # Each matrix as its scheme writes it; those that methods learn are told by the trace's own size of error.
    own = dict(model.named_parameters())
    noises = {}
    for matrix in matrices(model):
        weight, now = before[f"{matrix.name}.weight"], own[f"{matrix.name}.weight"]
        noises[matrix.name] = float((now - weight).double().norm() / weight.double().norm())
        scheme = SCHEMES[name]
        if scheme.per == "group" and matrix.columns % scheme.size:
            scheme = replace(scheme, per="channel", size=0)
        if scheme.method == "nearest":
            assert torch.equal(now, quantize(weight, scheme).dequantized)
    assert set(own) == set(before)
    for n, p in own.items():
        assert n.removesuffix(".weight") in noises or torch.equal(p, before[n])
    # The score is transformers' loss and torch's divergence on the same ids.
    ids = sequences(loaded, "held_out", FEW)
    with torch.no_grad():
        loss, full = (float(m(input_ids=ids, labels=ids).loss) for m in (model, loaded.model))
        q, p = (Categorical(logits=m(input_ids=ids).logits[:, :-1].double()) for m in (model, loaded.model))
    assert state.score.loss == pytest.approx(loss, rel=1e-5)
    assert state.score.full_loss == pytest.approx(full, rel=1e-5)
    assert state.score.divergence == pytest.approx(float(kl_divergence(p, q).mean()), rel=1e-3, abs=1e-6)
    same = float((p.probs.argmax(-1) == q.probs.argmax(-1)).double().mean())
    assert state.score.same == pytest.approx(same, abs=4e-3) and state.done
    for part in (
        f"On {FEW * 255:,} tokens of held-out text perplexity **{math.exp(state.score.loss):,.2f}**",
        f"the full model's {math.exp(full):.2f}",
        f"KL from the full model {state.score.divergence:.4f} nats",
        f"at {100 * state.score.same:.3g} % of the places",
    ):
        assert part in said, part
    # Bits and bytes of all matrices, with all that is stored.
    total = sum(m.rows * m.columns for m in matrices(model))
    assert sum(c.bits * c.matrix.rows * c.matrix.columns for c in state.cells) / total == pytest.approx(
        state.bits
    )
    nbytes = sum(cell.nbytes for cell in state.cells)
    assert state.bits == pytest.approx(8 * nbytes / total, rel=2e-3)
    assert f"**{state.bits:.3f} bits** of a weight, {nbytes / 1e6:.2f} MB in all." in said
    # Which groups do not divide 96 is said.
    lacking = [m for m in matrices(model) if SCHEMES[name].per == "group" and m.columns % SCHEMES[name].size]
    assert (f"{len(lacking)} matrices with rows that the groups do not divide" in said) == bool(lacking)
    assert ("(per channel: 96 columns)" in said) == bool(lacking)
    # The map: a row for each layer, a column for each matrix, errors in percent of the weights' size.
    assert shown["rows"] == ["layer 1", "layer 2"] and shown["told"] == "" and shown["others"] == {}
    assert shown["columns"] == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    for names, cells in zip(shown["names"], shown["cells"], strict=True):
        for matrix, cell in zip(names, cells, strict=True):
            assert cell["value"] == pytest.approx(100 * noises[matrix], rel=1e-3, abs=1e-6)
            assert cell["text"] == f"{cell['value']:.3g}" and cell["mark"] == ""


def test_the_map_fills_matrix_by_matrix_and_the_score_batch_by_batch(monkeypatch):
    monkeypatch.setattr("demos.kit.passes.PAUSE", 0.0)
    states = list(whole.measure(**base("int3 absmax", sequences=3), shown=None, request=VISITOR))
    known = [sum(c["value"] is not None for line in shown["cells"] for c in line) for shown, _ in states]
    assert known[:14] == list(range(1, 15)) and set(known[14:]) == {14}
    assert states[4][0]["told"] == "5 of 14 matrices" and "Not yet read." in states[4][1]
    assert "(so far)" in states[-2][1] and "(so far)" not in states[-1][1] and states[-1][0]["told"] == ""
    again = list(whole.measure(**base("int3 absmax", sequences=3), shown=None, request=VISITOR))
    assert len(again) == 1 and again[0] == states[-1]  # kept


def test_gptq_learns_from_the_layers_as_they_were_changed(loaded):
    """The first matrix of layer 1 is calibrated on what the changed layer 0 gives."""
    state = last(work.change(loaded, plan("GPTQ, int3"), never))
    name = "model.layers.1.self_attn.q_proj"
    ids = sequences(loaded, "calibration", 4)
    for model, same in ((state.model, True), (loaded.model, False)):
        x = read_by_hook(model, name, ids)
        want = gptq(loaded.model.get_submodule(name).weight, SCHEMES["GPTQ, int3"], x).dequantized
        now = state.model.get_submodule(name).weight
        equal = (want - now).abs().max() < 1e-5
        assert equal == same or (same and (want != now).float().mean() < 0.02)  # codes at ties


def test_single_matrices_are_spared_or_have_a_scheme_of_their_own(loaded):
    others = {UP: KEEP, DOWN: "int2 absmax"}
    given = base("int8 absmax") | {"shown": {"others": others}, "request": VISITOR, "matrix": UP}
    shown, said = last(whole.measure(**given))
    model = kept(work.MODELS, plan("int8 absmax", others)).model
    for matrix in matrices(loaded.model):
        weight, now = (m.get_submodule(matrix.name).weight for m in (loaded.model, model))
        scheme = {UP: None, DOWN: schemes.INT2_ABSMAX}.get(matrix.name, schemes.INT8_ABSMAX)
        assert torch.equal(now, quantize(weight, scheme).dequantized if scheme else weight)
    cells = {
        n: c
        for names, cs in zip(shown["names"], shown["cells"], strict=True)
        for n, c in zip(names, cs, strict=True)
    }
    assert cells[UP] == {"value": 0.0, "text": "0", "mark": "full"} and cells[DOWN]["mark"] == "2 bit"
    assert {c["mark"] for n, c in cells.items() if n not in others} == {""}
    assert shown["others"] == others and shown["chosen"] == [1, 5]
    assert "; at full precision: 1 matrix." in said
    only = last(whole.measure(**given | {"shown": {"others": {DOWN: "int8 absmax"}}}))
    assert (
        only[1].split(" Its")[0]
        == last(whole.measure(**base("int8 absmax"), shown=None, request=VISITOR))[1].split(" Its")[0]
    )


def test_a_model_that_is_spared_as_a_whole_is_the_full_model(loaded):
    others = {m.name: KEEP for m in matrices(loaded.model)}
    _, said = last(whole.measure(**base(), shown={"others": others}, request=VISITOR))
    assert "nan " not in said and "At full precision: 14 matrices, which is all." in said and "nats" in said


def test_names_that_the_model_lacks_are_said():
    given = base() | {"shown": {"others": {"transformer.h.0.mlp.c_fc": "NF4"}}, "request": VISITOR}
    with pytest.raises(InputError, match=r"transformer\.h\.0\.mlp\.c_fc"):
        last(whole.measure(**given))


def test_pictures_are_measured_by_their_answers():
    given = base("int3 absmax", VIT)
    shown, said = last(whole.measure(**given, shown=None, request=VISITOR))
    state = kept(work.SCORES, plan("int3 absmax", model=VIT))
    model = kept(work.MODELS, plan("int3 absmax", model=VIT)).model
    with load(MODELS["cifar-vit"]) as lent, torch.no_grad():
        pixels = torch.cat([b["pixel_values"] for b in batches(lent, "held_out", SEEN)])
        p, q = (Categorical(logits=m(pixel_values=pixels).logits.double()) for m in (lent.model, model))
    assert len(pixels) == SEEN == state.score.pictures
    assert state.score.divergence == pytest.approx(float(kl_divergence(p, q).mean()), rel=1e-3)
    same = float((p.probs.argmax(-1) == q.probs.argmax(-1)).double().mean())
    assert state.score.same == pytest.approx(same)
    assert f"On {SEEN} pictures the answer is the same for **{100 * same:.3g} %**" in said
    assert len(shown["rows"]) == 6 and len(shown["columns"]) == 6


def test_calibration_and_held_out_share_nothing(loaded):
    cut = [
        torch.cat([b["input_ids"] for b in batches(loaded, part, 8)]) for part in ("calibration", "held_out")
    ]
    assert not {tuple(row.tolist()) for row in cut[0]} & {tuple(row.tolist()) for row in cut[1]}
    with load(MODELS["cifar-vit"]) as lent:
        a, b = (
            torch.cat([x["pixel_values"] for x in batches(lent, part, 8)])
            for part in ("calibration", "held_out")
        )
    assert (torch.cdist(a.flatten(1), b.flatten(1)) > 0.1).all()


def test_every_scheme_makes_a_point_of_the_curve(monkeypatch):
    few = {
        name: SCHEMES[name] for name in ("float16", "NF4", "int4, groups of 32", "GPTQ, int4", "int2 absmax")
    }
    monkeypatch.setattr(whole, "SCHEMES", few)
    states = list(whole.sweep(**base("NF4"), request=VISITOR))
    grown = [sum(len(s["points"]) for s in state["series"]) for (state,) in states]
    assert grown == [1, 2, 3, 4, 5]
    (final,) = states[-1]
    assert states[1][0]["told"] == "2 of 5 schemes" and final["told"] == "" and final["done"]
    assert final["chosen"] == "NF4" and not states[-2][0]["done"]
    points = {p["name"]: p for s in final["series"] for p in s["points"]}
    assert set(points) == set(few)
    for name, point in points.items():
        state = kept(work.SCORES, plan(name))
        assert point["y"] == pytest.approx(math.exp(state.score.loss)) and point["x"] == state.bits
        assert f"KL {state.score.divergence:.3g} nats" in point["note"]
    (rule,) = final["rules"]
    assert rule["y"] == pytest.approx(math.exp(state.score.full_loss)) and f"{rule['y']:.2f}" in rule["text"]
    assert final["y"]["most"] == pytest.approx(charts.MOST * rule["y"]) and final["y"]["log"]


def test_families_are_told_apart_and_all_schemes_have_one():
    families = {}
    for name in SCHEMES:
        families.setdefault(charts.family(name), []).append(name)
    assert families["GPTQ"] == [n for n in SCHEMES if n.startswith("GPTQ")]
    assert families["16-bit floats"] == ["float16", "bfloat16"] and families["LLM.int8"] == ["LLM.int8"]
    assert len(families["4-bit tables"]) == 5 and len(families) == 7
    assert all("groups" in name for name in families["integers, groups"])


def test_an_infinite_perplexity_is_drawn_at_the_edge_and_said():
    chart = charts.curve({"int2 absmax": (2.1, math.inf, "")}, 60.0, "", "NF4", True)
    assert chart["series"][0]["points"][0]["y"] is None
    assert "**beyond all numbers**" in words.measured(Score(5, 800.0, 4.0, 9.0, 0.1), 2.1, 10, 0, True)


# Clicks on the map


@pytest.fixture
def shown():
    return last(whole.measure(**base("int4 absmax"), shown=None, request=VISITOR))[0]


def test_a_click_shows_the_matrix(shown):
    value, name = whole.pick({**shown, "chosen": [1, 5]}, SHOW, "NF4")
    assert name == UP and value["others"] == {}


def test_a_click_gives_a_scheme_and_a_second_one_takes_it_back(shown):
    once, same = whole.pick({**shown, "chosen": [1, 5]}, ASSIGN, "NF4")
    assert once["others"] == {UP: "NF4"} and once["cells"][1][5]["value"] is None
    assert once["cells"][1][5]["mark"] and not once["cells"][0][5]["mark"] and same["__type__"] == "update"
    both, _ = whole.pick({**once, "chosen": [0, 6]}, SPARE, "NF4")
    assert both["others"] == {UP: "NF4", DOWN: KEEP} and both["cells"][0][6]["mark"] == "full"
    assert "Schemes of their own: 2 matrices." in both["told"]
    other, _ = whole.pick({**both, "chosen": [1, 5]}, ASSIGN, "int2 absmax")
    assert other["others"] == {UP: "int2 absmax", DOWN: KEEP}
    back, _ = whole.pick({**other, "chosen": [0, 6]}, SPARE, "NF4")
    assert back["others"] == {UP: "int2 absmax"} and back["cells"][0][6]["mark"] == ""
    assert shown["others"] == {} and shown["cells"][1][5]["value"] is not None  # what was handed in stays


def test_clearing_takes_all_schemes_and_marks_away(shown):
    once, _ = whole.pick({**shown, "chosen": [1, 5]}, SPARE, "NF4")
    cleared = whole.clear(once)
    assert cleared["others"] == {} and "measure again" in cleared["told"]
    assert {cell["mark"] for line in cleared["cells"] for cell in line} == {""}
    assert whole.clear(None)["others"] == {}


@pytest.mark.parametrize(
    "hostile",
    [
        None, 3, "x", {}, {"chosen": [0, 0]}, {"chosen": [99, 0]}, {"chosen": [0, 99]}, {"chosen": None},
        {"chosen": ["a", 0]}, {"chosen": [0]}, {"names": {}},
        {"others": 3}, {"cells": 3}, {"cells": [[]]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("does", [ASSIGN, SPARE])
def test_a_map_that_the_page_would_not_send_is_one_sentence(shown, hostile, does):
    if isinstance(hostile, dict) and hostile not in ({}, {"chosen": [0, 0]}):
        hostile = {**shown, "chosen": [0, 0], **hostile}
    with pytest.raises(InputError, match="expected|must say"):
        whole.pick(hostile, does, "NF4")


@pytest.mark.parametrize("names", ["abc", [[["x"]]], [[3]]])
def test_names_that_are_none_are_refused_at_the_latest_where_they_are_measured(shown, names):
    with pytest.raises(InputError):
        value, _ = whole.pick({**shown, "chosen": [0, 0], "names": names}, ASSIGN, "NF4")
        last(whole.measure(**base("int4 absmax"), shown=value, request=VISITOR))


@pytest.mark.parametrize("hostile", [3, "x", [1]])
def test_a_map_that_is_none_can_be_cleared(hostile):
    assert whole.clear(hostile)["others"] == {}


def test_a_click_does_one_of_three_things(shown):
    with pytest.raises(InputError, match="What a click does must be one of"):
        whole.pick({**shown, "chosen": [0, 0]}, "explode", "NF4")


# Read it, what it saves, cache and activations


def writing(scheme="int3 absmax", prompt="Once upon a time", temperature=0, seed=1, tokens=24, shown=None):
    given = base(scheme) | {"prompt": prompt, "temperature": temperature, "seed": seed, "tokens": tokens}
    return effects.write(**given, shown=shown, request=VISITOR)


def test_both_texts_are_transformers_own(loaded):
    value, said = last(writing())
    model = kept(work.MODELS, plan("int3 absmax")).model
    ids = loaded.reader("Once upon a time", return_tensors="pt")["input_ids"]
    texts = []
    for m, side in zip((loaded.model, model), value["sides"], strict=True):
        new = m.generate(ids, do_sample=False, max_new_tokens=24)[0, ids.shape[1] :]
        texts.append([loaded.reader.decode([token]) for token in new])
        assert [token["text"] for token in side["tokens"]] == texts[-1]
    at = next(i for i, (a, b) in enumerate(zip(*texts, strict=True)) if a != b)
    assert value["parts"] == at and value["laws"]["taken"] == [texts[0][at], texts[1][at]] and value["done"]
    assert [side["name"] for side in value["sides"]] == ["The full model", "In int3 absmax"]
    assert f"part at token {at + 1}: the full model writes `{texts[0][at]}`, the model in int3" in said
    again = list(writing())
    assert len(again) == 1 and again[0][0] == value  # kept


def test_equal_texts_are_said_to_be_equal():
    value, said = last(writing("float16", tokens=8))
    assert value["parts"] is None and said.startswith("The texts are the same: the model in float16")
    assert words.read(None, False, "x").startswith("So far the texts are the same")


def test_the_map_decides_what_writes(loaded):
    spared = {m.name: KEEP for m in matrices(loaded.model)}
    value, _ = last(writing("int2 absmax", shown={"others": spared}))
    assert value["parts"] is None
    value, _ = last(writing("int2 absmax"))
    assert value["parts"] is not None


def test_white_space_and_code_are_shown_as_they_are():
    assert saying.quoted("\n") == "`↵`" and saying.quoted("  ") == "`␣␣`" and saying.quoted("") == "`␣`"
    assert "`" not in saying.quoted("a`b")[1:-1]


def test_bytes_are_those_of_the_parts_and_of_the_file(loaded):
    chart, table = last(effects.weigh(**base("int4 absmax"), shown=None, request=VISITOR))
    weights = 2 * (4 * 96 * 96 + 3 * 96 * 256)
    rows = 2 * (4 * 96 + 2 * 256 + 96)
    rest = 4096 * 96 + 5 * 96
    lines = [line.split("|")[1:-1] for line in table.split("\n") if line.startswith("| ")][1:]
    table_of = {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}
    assert list(table_of) == [
        "float32, as it runs here", "bfloat16", "int4 absmax, unpacked to float32 to run",
        "int4 absmax, packed", "int8, torch's kernel", "int4, torch's kernel",
    ]  # fmt: skip
    buffers = sum(b.nbytes for b in {b.data_ptr(): b for b in loaded.model.buffers()}.values())
    assert table_of["float32, as it runs here"][0] == f"{(4 * (weights + rest) + buffers) / 1e6:.2f} MB"
    assert table_of["int4 absmax, packed"][0] == f"{(weights // 2 + 2 * rows + 2 * rest) / 1e6:.2f} MB"
    whole_file = save({n: p.bfloat16().contiguous() for n, p in loaded.model.named_parameters()})
    assert table_of["bfloat16"][1] == f"{len(whole_file) / 1e6:.2f} MB"
    packed = float(table_of["int4 absmax, packed"][1].split()[0])
    assert packed == pytest.approx((weights // 2 + 2 * rows + 2 * rest) / 1e6, abs=0.02)
    timed = {name: float(cells[2]) for name, cells in table_of.items() if cells[2]}
    assert set(timed) == set(table_of) - {"int4 absmax, packed"} and min(timed.values()) > 0
    drawn = {s["name"]: s["points"][0]["y"] for s in chart["series"]}
    assert {name: round(ms, 2) for name, ms in drawn.items()} == timed
    memory = {s["name"]: s["points"][0]["x"] for s in chart["series"]}
    assert {n: f"{megabytes:.2f} MB" for n, megabytes in memory.items()} == {n: table_of[n][0] for n in timed}
    assert memory["bfloat16"] == pytest.approx(memory["float32, as it runs here"] / 2)
    fastest, slowest = min(timed, key=timed.get), max(timed, key=timed.get)
    assert f"{drawn[slowest] / drawn[fastest]:.1f} times its time" in table
    assert f"The kernel of 4 bits takes {drawn[list(timed)[-1]] / drawn[list(timed)[-2]]:.2f} times" in table
    assert fastest in table and slowest in table


def test_the_table_comes_before_the_times_and_says_what_a_kernel_left():
    first = next(effects.weigh(**base("int4 absmax"), shown=None, request=VISITOR))
    assert first[0]["series"] == [] and "ms per token" in first[1] and "Fastest" not in first[1]
    said = words.weighed(
        [
            Form("bfloat16", 2_000_000, 1_990_000, 2.0),
            Form("int8, torch's kernel", 1_500_000, None, 1.0),
            Form("int4, torch's kernel", 1_000_000, None, 3.0, left=7),
        ]
    )
    assert "| bfloat16 | 2.00 MB | 1.99 MB | 2.00 |" in said
    assert "int4, torch's kernel (7 matrices stay bfloat16) | 1.00 MB |  | 3.00 |" in said
    assert "Fastest here: **int8, torch's kernel**, slowest **int4, torch's kernel**, 3.0 times" in said
    assert "takes 3.00 times the time of that of 8: it reads fewer bytes, and unpacks" in said


def test_cache_and_activations_are_charts_of_what_was_measured(loaded):
    states = list(effects.remember(DRAFT, VISITOR))
    cache, active = states[-1]
    ids = sequences(loaded, "held_out", 2 * FEW)
    points = {p["name"]: p for s in cache["series"] for p in s["points"]}
    assert len(points) == len(trials.CACHED) and cache["done"] and active["done"]
    for bits, keys, values in trials.CACHED:
        found = trials.recall(loaded.model, ids, bits, keys, values)
        point = points[f"{bits} bits, keys per {'position' if keys == 'token' else 'channel'}"]
        assert point["y"] == pytest.approx(math.exp(found.loss), rel=1e-5) and point["x"] == bits
        assert point["note"] == f"{found.nbytes / 1e6:.2f} MB of cache"
    rules = {rule["text"].split(":")[0]: rule["y"] for rule in cache["rules"]}
    for bits, name in ((16, "cache of 16 bits"), (0, "without the cache")):
        assert rules[name] == pytest.approx(math.exp(trials.recall(loaded.model, ids, bits).loss), rel=1e-5)
    few = sequences(loaded, "held_out", FEW)
    full = float(loaded.model(input_ids=few, labels=few).loss)
    assert active["rules"][0]["y"] == pytest.approx(math.exp(full), rel=1e-5)
    assert sorted(len(s["points"]) for s in active["series"]) == [3, 3]
    drawn = {s["name"]: [p["y"] for p in s["points"]] for s in active["series"]}
    assert [p["x"] for p in active["series"][0]["points"]] == [4, 6, 8]
    assert all(ys[0] > ys[-1] for ys in drawn.values())
    assert drawn["one scale for all"][0] > drawn["a scale per position"][0]
    assert len(states) == len(trials.CACHED) + 2 + len(trials.ACTIVATIONS)
    assert not states[0][1]["series"] and not states[3][0]["done"]


def test_the_cache_chart_of_given_points():
    points = [(16, "token", Recalled(3.0, 100, 5)), (4, "channel", Recalled(3.5, 2_500_000, 5))]
    chart = charts.caches(points, "so far", False)
    assert chart["series"] == [
        {"name": "keys per channel", "points": [
            {"x": 4, "y": math.exp(3.5), "name": "4 bits, keys per channel", "note": "2.50 MB of cache"}
        ]}
    ]  # fmt: skip
    assert chart["rules"] == [{"y": math.exp(3.0), "text": f"cache of 16 bits: {math.exp(3):.2f}"}]
    assert chart["told"] == "so far" and not chart["done"]


# Stop


@pytest.mark.parametrize(
    "make",
    [
        lambda: whole.measure(**base("int4 zero-point", sequences=9), shown=None, request=VISITOR),
        lambda: whole.sweep(**base("NF4", sequences=9), request=VISITOR),
        lambda: writing("int4 zero-point", tokens=200),
        lambda: effects.weigh(**base("int4 zero-point"), shown=None, request=VISITOR),
        lambda: effects.remember(DRAFT, VISITOR),
    ],
    ids=["measure", "sweep", "write", "weigh", "remember"],
)
def test_stop_ends_a_run_before_its_next_pass_and_nothing_is_kept(make, monkeypatch):
    monkeypatch.setattr("demos.kit.passes.PAUSE", 0.0)
    for name in ("CACHES", "ACTIVE"):
        monkeypatch.setattr(trials, name, Runs(1000, 9, lambda _: 1))
    running = make()
    next(running)
    handlers.stop(VISITOR)
    rest = list(running)
    assert len(rest) == 1 and "Stopped" in str(rest[0])
    charts_of = [part for part in rest[0] if isinstance(part, dict) and "series" in part]
    assert all(chart["done"] for chart in charts_of)  # nothing more will come
    assert not handlers.STOPS._checks
    grown = make()
    next(grown)
    assert "Stopped" not in str(next(grown))  # it can be run again
    grown.close()


def test_visitors_who_weigh_at_once_leave_the_threads_as_they_were():
    torch.set_num_threads(2)
    try:
        one, other = (effects.weigh(**base("NF4"), shown=None, request=VISITOR) for _ in range(2))
        next(one)
        next(other)
        last(one)
        last(other)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_another_visitors_stop_does_not_end_the_run(monkeypatch):
    monkeypatch.setattr("demos.kit.passes.PAUSE", 0.0)
    running = whole.measure(**base("int3 zero-point", sequences=9), shown=None, request=VISITOR)
    next(running)
    handlers.stop(gr.Request(session_hash="another visitor"))
    assert "Stopped" not in str(last(running))


def test_two_visitors_measure_at_once(loaded):
    got, want = {}, {}
    for name in ("int3, groups of 32", "int2, groups of 32"):
        want[name] = last(work.change(loaded, plan(name), never)).model.state_dict()

    def run(name):
        last(whole.measure(**base(name, sequences=7), shown=None, request=gr.Request(session_hash=name)))
        got[name] = kept(work.MODELS, plan(name, sequences=7)).model.state_dict()

    threads = [threading.Thread(target=run, args=(name,)) for name in want]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got.keys() == want.keys()
    for name, state in got.items():
        assert all(torch.equal(value, want[name][key]) for key, value in state.items())


# Models that are not here, and what cannot be


def test_a_model_that_is_not_here_is_said_and_the_pocket_model_goes_on():
    remark, *_, caption, _, _, choices = handlers.run(**base("int8 absmax", "DistilGPT2"), answer=None)
    assert remark == (
        "DistilGPT2 must be downloaded first, with the button under the models. The pocket model goes on."
    )
    assert "256 × 256 weights" in caption and len(choices["choices"]) == 42
    *_, text = effects.write(
        **base("int8 absmax", "DistilGPT2"), prompt="The king", temperature=0, seed=1, tokens=8,
        request=VISITOR, shown={"others": {"transformer.h.0.attn.c_attn": KEEP}},
    )  # fmt: skip
    with load(MODELS["fairy-target"]) as pocket:
        ids = pocket.reader("The king", return_tensors="pt")["input_ids"]
        full = pocket.model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
        assert "".join(t["text"] for t in text[0]["sides"][0]["tokens"]) == pocket.reader.decode(full)
    assert not handlers.STOPS._checks


def test_a_model_of_another_kind_goes_through_all_stages(tiny_gpt2):
    remark, view, *_, choices = handlers.run(**base("int8 absmax", tiny_gpt2), answer=None)
    assert remark == "" and "transformer.h.1.mlp.c_proj" in choices["choices"] and view["number"]["scale"]
    shown, said = last(whole.measure(**base("GPTQ, int4", tiny_gpt2), shown=None, request=VISITOR))
    assert shown["columns"] == ["c_attn", "c_proj", "c_fc", "c_proj"] and "perplexity" in said
    given = base("int8 absmax", tiny_gpt2)
    value, _ = last(
        effects.write(
            **given, prompt="the king", temperature=0, seed=1, tokens=8, shown=None, request=VISITOR
        )
    )
    assert len(value["sides"][0]["tokens"]) == 8
    _, table = last(effects.weigh(**given, shown=None, request=VISITOR))
    assert "int8, torch's kernel" in table
    cache, active = last(effects.remember(tiny_gpt2, VISITOR))
    assert cache["done"] and active["done"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model": None}, "The model must be one of"),
        ({"model": ["a"]}, "The model must be one of"),
        ({"scheme": "int5"}, "The scheme must be one of"),
        ({"scheme": None}, "The scheme must be one of"),
        ({"sequences": 0}, "Calibration sequences must be a number from 1 to 128; got 0"),
        ({"sequences": 2.5}, "Calibration sequences must be a whole number; got 2.5"),
        ({"sequences": math.nan}, "Calibration sequences must be a number from 1 to 128; got nan"),
        ({"threshold": -1}, "outliers must be a number from 0 to 20; got -1"),
        ({"threshold": "x"}, "outliers must be a number from 0 to 20; got 'x'"),
        ({"matrix": 3}, "The name of a matrix is expected; got 3"),
        ({"matrix": ["a"]}, "The name of a matrix is expected"),
        ({"matrix": "model.layers.9"}, "One of the 14 matrices of Fairy tales, draft is expected"),
        ({"shown": {"others": 3}}, "Schemes of single matrices are expected as a table; got 3"),
        ({"shown": {"others": {"a": "int5"}}}, "A matrix's scheme must be one of"),
        ({"shown": {"others": {"a": ["NF4"]}}}, "A matrix's scheme must be one of"),
        ({"prompt": ""}, "A prompt of at least one character"),
        ({"prompt": None}, "A prompt of at least one character"),
        ({"prompt": "x" * 20_001}, "at most 20000 characters is expected; got 20001"),
        ({"prompt": "king " * 1100}, "The prompt must have 1 to 1024 tokens; got"),
        ({"temperature": 0.01}, "Temperature must be 0 or at least 0.05; got 0.01"),
        ({"temperature": 3}, "Temperature must be a number from 0 to 2; got 3"),
        ({"seed": -1}, "Seed must be a number from 0 to 9999; got -1"),
        ({"tokens": 8.5}, "Tokens to write must be a whole number; got 8.5"),
        ({"tokens": None}, "Tokens to write must be a number from 8 to 200; got None"),
    ],
)
def test_settings_that_cannot_be_get_one_sentence(given, sentence):
    settings = base("int8 absmax") | given
    with pytest.raises(InputError, match=sentence):
        if {"prompt", "temperature", "seed", "tokens"} & given.keys():
            settings = base("int8 absmax") | {"prompt": "a", "temperature": 0, "seed": 1, "tokens": 8} | given
            last(effects.write(**settings, shown=None, request=VISITOR))
        elif "matrix" in given:
            handlers.run(**settings, answer=None)
        else:
            last(whole.measure(**{"shown": None} | settings, request=VISITOR))
    assert not handlers.STOPS._checks


def test_groups_that_do_not_divide_are_said_with_both_numbers():
    given = base("int4, groups of 128", controls.POCKET) | {"matrix": DOWN}
    with pytest.raises(
        InputError, match=f"{DOWN} cannot .* Groups of 128 do not divide rows of 688 weights."
    ):
        handlers.run(**given, answer=None)


@pytest.mark.parametrize(
    "handler",
    [
        lambda given: whole.sweep(**given, request=VISITOR),
        lambda given: writing_of(given),
        lambda given: effects.weigh(**given, shown=None, request=VISITOR),
        lambda given: effects.remember(given["model"], VISITOR),
    ],
)
def test_a_model_of_pictures_writes_no_text(handler):
    with pytest.raises(InputError, match="A language model is expected here; CIFAR ViT looks at pictures."):
        last(handler(base("NF4", VIT)))


def writing_of(given):
    return effects.write(**given, prompt="a", temperature=0, seed=1, tokens=8, shown=None, request=VISITOR)


# The lesson


def test_the_lesson_has_a_text_for_each_stage_and_things_to_try_that_work():
    assert tuple(LESSON.steps) == STAGES and len(controls.TRIES) == len(LESSON.tries)
    assert set(LESSON.answers) == set(words.RATIOS)
    for stage, changes in controls.TRIES:
        assert 1 <= stage <= len(STAGES) and changes.keys() <= start().keys()
        given = {name: value for name, value in start(**changes).items() if name in base()}
        remark, *_ = handlers.run(**given | {"sequences": 2}, answer=None)
        assert remark == ""


@pytest.mark.parametrize("model", [VIT, DRAFT])
def test_things_to_try_work_with_any_model(model):
    """A try leaves the visitor's model; what it sets beside must fit that model."""
    for _, changes in controls.TRIES:
        values = dict(zip(start(), set_up(changes), strict=True))
        given = {n: v for n, v in values.items() if n in base() and not isinstance(v, dict)}
        handlers.run(**base(model=model, sequences=2) | given | {"sequences": 2}, answer=None)


def test_agreement_is_said_for_pictures():
    said = words.measured(Agreement(32, 0.25, 0.75), 4.5, 2_000_000, 3, False)
    assert said.startswith("On 32 pictures (so far) the answer is the same for **75 %**; KL")
    assert (
        "0.2500 nats" in said
        and "**4.500 bits** of a weight, 2.00 MB in all; at full precision: 3 matrices." in said
    )


def test_every_model_that_is_offered_writes_or_names_classes():
    """Others have neither a perplexity nor answers to compare."""
    assert {spec.tasks for (spec,) in handlers.OFFER.choices.values()} == {TEXT, LABELS}
