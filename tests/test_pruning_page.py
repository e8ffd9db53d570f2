"""What the pruning page runs, says and draws: handlers, numbers, sentences, streams and equal bytes."""

import copy
import math
import re
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from transformers import ViTForImageClassification

from demos.kit import calibration
from demos.kit.inputs import InputError
from demos.kit.language import sequences
from demos.kit.models import load
from demos.kit.runs import Runs
from demos.kit.scores import Score
from demos.kit.zoo import MODELS
from demos.pruning import (
    against,
    algorithm,
    charts,
    controls,
    effects,
    figures,
    handlers,
    structure,
    tables,
    trials,
    whole,
    words,
    work,
)
from demos.pruning.controls import ASSIGN, SHOW, SPARE, plan_of, start
from demos.pruning.handlers import LESSON
from demos.pruning.panels import STAGES
from demos.pruning.tab import set_up
from demos.quantization.algorithm import quantize
from demos.quantization.packing import pack_trace
from demos.quantization.scheme import SCHEMES

DRAFT = MODELS["fairy-draft"].title
Q, UP, DOWN = (f"model.layers.0.{name}" for name in ("self_attn.q_proj", "mlp.up_proj", "mlp.down_proj"))
FEW = 4  # held-out sequences
ASKER = gr.Request(session_hash="a visitor")


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Few sequences, one thread, short timings, and shelves of this file's own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "HELD_OUT", FEW)
        patch.setattr("demos.kit.timing.ROUNDS", 8)
        for module, name in (
            *((work, name) for name in ("INPUTS", "MATRICES", "MODELS", "SCORES")),
            *((against, name) for name in ("EQUALS", "MODELS")),
            (trials, "TEXTS"),
        ):
            shelf = getattr(module, name)
            patch.setattr(module, name, Runs(shelf.max_bytes, shelf.seconds, shelf._size))
        patch.setattr(trials, "MATRICES", work.MATRICES)
        patch.setattr(against, "MATRICES", work.MATRICES)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def loaded():
    with load(MODELS["fairy-draft"]) as lent:
        yield lent


def base(method="magnitude", sparsity=30, pattern="unstructured", matrix=DOWN, model=DRAFT, sequences=4):
    """The page's first settings, in the order of the handlers."""
    return model, method, pattern, sparsity, matrix, sequences


def settings(*given, **named):
    return controls.settings_of(*base(*given, **named))


def plan(*given, others=(), **named):
    model, method, pattern, sparsity, _, count = base(*given, **named)
    return plan_of(model, method, pattern, sparsity, count, dict(others))


def never() -> None:
    """A check that stops nothing."""


def last(states):
    *_, state = states
    return state


def weight(loaded, name):
    return loaded.model.get_submodule(name).weight.data


def read_by_hook(loaded, name, count):
    """X of one matrix in whole passes."""
    read = []
    module = loaded.model.get_submodule(name)
    handle = module.register_forward_hook(lambda _, given, out: read.append(given[0]))
    with torch.no_grad():
        loaded.model(input_ids=sequences(loaded, "calibration", count))
    handle.remove()
    return read[0].flatten(0, 1)


def perplexity_of(model, ids) -> float:
    """As transformers' own loss gives it."""
    with torch.no_grad():
        return math.exp(float(model(input_ids=ids, labels=ids).loss))


# The page's names


def test_the_page_names_all_that_the_algorithms_have():
    assert tuple(controls.METHODS) == algorithm.METHODS
    assert tuple(controls.PATTERNS) == (*algorithm.PATTERNS, *structure.STRUCTURES)
    assert set(controls.PATTERNS) == set(tables.SAVES)
    assert {*controls.RIVALS, *controls.RIVALS.values(), *controls.WIDTHS} <= set(SCHEMES)
    for finer in controls.RIVALS.values():
        assert SCHEMES[finer].format == "absmax"  # 0 must stay 0
    assert [tuple(STAGES)] == [tuple(LESSON.steps)]
    assert len(LESSON.tries) == len(controls.TRIES) == 3
    assert list(start(sparsity=50).values())[:4] == [controls.POCKET, "magnitude", "unstructured", 50]


# One matrix


@pytest.mark.parametrize("method", algorithm.METHODS)
@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "rows"])
def test_one_matrix_is_pruned_as_the_algorithm_does_on_what_it_reads(loaded, method, pattern):
    seen = work.see(settings(method, 40, pattern))
    share = 0.5 if pattern == "2:4" else 0.4
    x = read_by_hook(loaded, DOWN, 4)
    want = algorithm.prune(weight(loaded, DOWN), method, share, pattern, x)
    assert torch.equal(seen.trace.mask, want.mask) and torch.allclose(seen.trace.pruned, want.pruned)
    exact, cut = (x.double() @ w.double().T for w in (weight(loaded, DOWN), seen.trace.pruned))
    assert seen.lost == pytest.approx(float((exact - cut).square().sum() / exact.square().sum()), rel=1e-3)
    assert seen.read == len(x) == 1024 and seen.matrix.name == DOWN


@pytest.mark.parametrize("pattern, matrix", [("heads", Q), ("units", DOWN), ("units", UP)])
def test_heads_and_units_are_those_of_the_whole_layer(loaded, pattern, matrix):
    seen = work.see(settings("magnitude", 34, pattern, matrix))
    cut = ~seen.trace.mask
    kinds = {Q: ("self_attn.o_proj", 3, 0), DOWN: ("mlp.up_proj", 256, 1), UP: ("mlp.down_proj", 256, 0)}
    other, groups, axis = kinds[matrix]
    gone = cut.movedim(axis, 0).reshape(groups, -1)
    assert gone.all(1).sum() == gone.any(1).sum() == round(0.34 * groups)
    also = work.see(settings("magnitude", 34, pattern, f"model.layers.0.{other}")).trace.mask
    gone_there = (~also).movedim(1 - axis, 0).reshape(groups, -1).all(1)
    assert torch.equal(gone.all(1), gone_there)


def test_a_matrix_without_such_groups_stays_whole_and_is_said_so():
    seen = work.see(settings("wanda", 34, "heads", UP))
    assert seen.trace.mask.all() and seen.lost == 0
    assert "holds no heads and stays whole" in words.caption(seen, (9, 9))


def test_the_model_is_read_once_for_all_sparsities(monkeypatch):
    calls = []
    monkeypatch.setattr(work, "inputs_of", lambda *given: calls.append(given) or torch.rand(8, 256))
    monkeypatch.setattr(work, "INPUTS", Runs(10**8, 60, lambda x: x.nbytes))
    for sparsity in (10, 20, 30):
        work.see(settings("wanda", sparsity))
    work.see(settings("magnitude", 30))
    assert len(calls) == 1  # 4 sequences are what magnitude looks at, too


def test_the_caption_says_the_traces_numbers():
    seen = work.see(settings("sparsegpt", 30))
    said, trace = words.caption(seen, (96, 160)), seen.trace
    moved = int(((trace.pruned != trace.weight) & trace.mask).sum())
    for part in (
        f"**{DOWN}**, 96 × 256 weights: **7,373 of 24,576** are cut (30 %) by SparseGPT",
        "compared within 128 columns",
        f"**{100 * seen.lost:.3g} %** is lost, on 1,024 inputs",
        f"SparseGPT moved {moved:,} of the weights",
        "maps' 96 × 160 cells shows one weight",
    ):
        assert part in said, part
    assert moved > 1000
    plain = words.caption(work.see(settings("magnitude", 30)), (96, 256))
    assert "SparseGPT" not in plain and "cells" not in plain
    assert "Orange: the 246 weights" in plain  # round(0.31 * 24576) - round(0.3 * 24576)
    assert "nothing comes next" in words.caption(work.see(settings("magnitude", 30, "2:4")), (9, 9))


def test_the_mask_marks_the_next_per_cent_and_the_bars_count_every_weight():
    seen = work.see(settings("magnitude", 30))
    parted, bars = figures.states(seen.trace), figures.bars(seen)
    more = work.see(settings("magnitude", 31)).trace.mask.numpy()
    assert np.array_equal(parted == 2, seen.trace.mask.numpy() & ~more)
    assert [(parted == s).sum() for s in (0, 1, 2)] == [sum(c) for c in bars["weights"]["counts"]]
    edge = float(seen.trace.weight.abs()[~seen.trace.mask].max())
    assert bars["threshold"] == [edge, edge]
    shown = sum(sum(counts) for counts in bars["scores"]["counts"])
    assert 0.989 < shown / parted.size < 0.991
    assert figures.bars(work.see(settings("magnitude", 30, "rows")))["threshold"] is None
    low, high = figures.bars(work.see(settings("wanda", 30)))["threshold"]
    assert low < high


def test_cells_of_the_maps_are_cut_as_often_as_weights_are():
    trace = algorithm.prune(torch.randn(688, 256), "magnitude", 0.7)
    packed = figures.maps(SimpleNamespace(trace=trace), "key")
    part = packed.parts["mask"]
    cells = np.frombuffer(packed.blob, "<f4", int(np.prod(part["shape"])), part["at"])
    assert part["shape"] == [160, 160]
    assert abs((cells == 0).mean() - 0.7) < 4 * math.sqrt(0.21 / cells.size)
    assert 0.004 < (cells == 2).mean() < 0.018


def test_the_formula_has_the_numbers_of_the_entry():
    seen = work.see(settings("wanda", 30))
    x = work.INPUTS.run(("read", DRAFT, DOWN, 4), lambda: None)[1]
    w, norm = float(seen.trace.weight[5, 7]), float(x[:, 7].norm())
    said = words.formula(seen, 5, 7)
    assert f"{abs(w):.5g}\\cdot{norm:.5g}={abs(w) * norm:.5g}" in said
    its = float(seen.trace.scores[5][~seen.trace.mask[5]].max())
    assert f"The highest score cut of its row is ${its:.5g}$" in said
    row, column = words.edge(seen.trace)
    assert not seen.trace.mask[row, column] and "It is **cut**" in words.formula(seen, row, column)
    with pytest.raises(ValueError, match="inside 96 × 256 is expected; got row 96"):
        words.formula(seen, 96, 0)


# Handlers of stage 1


def test_the_first_picture_does_not_answer_the_question_and_half_does():
    said = handlers.run(*base(sparsity=30), "half")
    assert said[0] == "" and said[5] == "" and said[1]["key"] == said[2]["key"]
    verdict = handlers.run(*base(sparsity=50), "half")[5]
    pruned = work.see(settings("magnitude", 50)).trace.pruned.bfloat16()
    left, dense = int((pruned != 0).sum()), 2 * pruned.numel()
    csr = 2 * left + 4 * left + 4 * 97
    assert f"{dense:,} bytes; as CSR {csr:,}, {csr / dense:.2f} times" in verdict
    assert verdict.startswith("**✗ Not as you said**")
    assert handlers.run(*base(sparsity=50), "grows")[5].startswith("**✓ As you said**")
    assert handlers.run(*base(sparsity=50, pattern="rows"), "half")[5] == ""


def test_patterns_without_a_choice_lock_the_slider():
    locked = handlers.run(*base(sparsity=30, pattern="4:8"), None)[7]
    assert locked["value"] == 50 and locked["interactive"] is False
    assert handlers.run(*base(), None)[7]["interactive"] is True


def test_taking_an_entry_and_asking_for_a_window():
    maps = handlers.run(*base(), None)[2]
    assert "Row 3, column 4" in handlers.take(maps | {"chosen": [3, 4]})[0]
    shown = handlers.region({"key": maps["key"], "window": [0, 8, 16, 32]})
    assert shown["window"] == [0, 8, 16, 32] and shown["cells"] == [16, 32]
    assert "window inside 96 rows" in handlers.region({"key": maps["key"], "window": [90, 0, 9, 9]})["error"]
    assert "4 whole numbers" in handlers.region({"key": maps["key"], "window": [0, 0, 1]})["error"]
    with pytest.raises(InputError, match="no longer kept"):
        handlers.take({"key": "unknown", "chosen": [0, 0]})
    with pytest.raises(InputError, match="inside 96 × 256"):
        handlers.take(maps | {"chosen": [96, 0]})


@pytest.mark.parametrize(
    "given, said",
    [
        (base(sparsity=101), "Sparsity must be a number from 0 to 100; got 101."),
        (base(sparsity="much"), "Sparsity must be a number from 0 to 100; got 'much'."),
        (base(method="best"), "The method must be one of magnitude, random, wanda, sparsegpt; got 'best'."),
        (base(pattern="3:7"), "The pattern must be one of"),
        (base(matrix="model.nowhere"), "One of the 14 matrices of"),
        (base(matrix=7), "The name of a matrix is expected; got 7."),
        (base(model="GPT-9"), "The model must be one of"),
        (base(sequences=0), "Calibration sequences must be a number from 1 to 128; got 0."),
    ],
)
def test_refusals_are_sentences(given, said):
    with pytest.raises(InputError, match=re.escape(said)):
        handlers.run(*given, None)


# The whole model


def test_a_whole_model_is_measured_as_it_is_cut(loaded):
    states = list(work.measure(plan("wanda", 40, others={1: 20}), never))
    end = states[-1]
    assert end.done and states[0].score is None and len(end.cells) == 14 and end.kept == ()
    for cell in end.cells:
        share = 0.2 if cell.matrix.layer == 1 else 0.4
        per_row = round(share * cell.matrix.columns)
        assert cell.cut == per_row * cell.matrix.rows
    weights = sum(c.matrix.rows * c.matrix.columns for c in end.cells)
    assert end.achieved == sum(c.cut for c in end.cells) / weights
    net = last(work.changed(loaded, plan("wanda", 40, others={1: 20}), never)).model
    ids = sequences(loaded, "held_out", FEW)
    assert end.score.perplexity == pytest.approx(perplexity_of(net, ids), rel=1e-4)
    assert end.score.full_perplexity == pytest.approx(perplexity_of(loaded.model, ids), rel=1e-4)


def test_a_cells_loss_is_on_what_the_matrix_reads_in_the_full_model(loaded):
    state = last(work.changed(loaded, plan("magnitude", 60), never))
    for name in (Q, DOWN, "model.layers.1.mlp.down_proj"):
        x = read_by_hook(loaded, name, 4).double()
        before, after = weight(loaded, name).double(), weight(SimpleNamespace(model=state.model), name)
        full = x @ before.T
        lost = float((full - x @ after.double().T).square().sum() / full.square().sum())
        (cell,) = (c for c in state.cells if c.matrix.name == name)
        assert cell.lost == pytest.approx(lost, rel=1e-3)


def test_heads_leave_the_mlp_whole_and_the_shared_model_is_never_changed(loaded):
    before = copy.deepcopy(loaded.model.state_dict())
    end = last(work.measure(plan("magnitude", 34, "heads"), never))
    assert {m.kind.split(".")[0] for m in end.kept} == {"mlp"} and len(end.kept) == 6
    assert {c.achieved for c in end.cells} == {1 / 3}
    last(work.measure(plan("sparsegpt", 50), never))
    assert all(torch.equal(t, before[name]) for name, t in loaded.model.state_dict().items())


def test_the_map_and_its_clicks():
    shown, said = last(whole.measure(*base(), None, ASKER))
    assert shown["rows"] == ["layer 1", "layer 2"] and shown["columns"][0] == "q_proj"
    cell = shown["cells"][0][6]
    seen = work.see(settings("magnitude", 30))
    assert cell["text"] == f"{100 * seen.lost:.3g}" and cell["mark"] == "30 % cut"
    assert "Cut: **30 %** of the weights" in said and "perplexity" in said
    at = shown | {"chosen": [1, 6]}
    assert whole.pick(at, SHOW, 70)[1] == "model.layers.1.mlp.down_proj"
    given, _ = whole.pick(at, ASSIGN, 70)
    assert given["others"] == {"1": 70.0} and given["cells"][1][0]["value"] is None
    assert given["cells"][0] == shown["cells"][0]
    again, said = last(whole.measure(*base(), given, ASKER))
    assert again["others"] == {"1": 70.0} and again["cells"][1][6]["mark"] == "70 % cut"
    assert whole.pick(given | {"chosen": [1, 0]}, ASSIGN, 70)[0]["others"] == {}
    spared, _ = whole.pick(at, SPARE, 70)
    kept, said = last(whole.measure(*base(), spared, ASKER))
    assert kept["cells"][1][0]["mark"] == "whole" and "7 matrices stay whole" in said
    cleared = whole.clear(spared)
    assert cleared["others"] == {} and cleared["cells"][0] == spared["cells"][0]
    assert {cell["mark"] for cell in cleared["cells"][1]} == {""}
    assert whole.clear(3)["others"] == {} == whole.clear(None)["others"]
    odd = ({"chosen": [9, 9]}, {"chosen": None}, {"others": [1]}, {"names": 7}, {"cells": 7})
    for wrong in (None, *(at | changes for changes in odd)):
        with pytest.raises(InputError, match="A cell of the map|A request must say"):
            whole.pick(wrong, SHOW, 30)


@pytest.mark.parametrize(
    "others, pattern, said",
    [
        ({"7": 10}, "unstructured", "Layers 0 to 1 are expected; got 7."),
        ({"x": 10}, "unstructured", "The number of a layer is expected; got 'x'."),
        ({"0": 101}, "unstructured", "Sparsity must be a number from 0 to 100; got 101."),
        ({"0": 30}, "2:4", "2:4 keeps 2 of 4: its sparsity is 0.5; got 0.3."),
        ([1], "unstructured", "are expected as a table; got [1]."),
    ],
)
def test_wrong_layers_are_sentences(others, pattern, said):
    with pytest.raises(InputError, match=re.escape(said)):
        last(whole.measure(*base(pattern=pattern), {"others": others}, ASKER))


def test_a_run_stops_between_passes_and_says_so():
    def stopping(*given):
        for n, out in enumerate(whole.measure(*given)):
            if n == 0:
                handlers.STOPS.stop(ASKER.session_hash)
            yield out

    *_, (picture, said) = stopping(*base("wanda", 35), None, ASKER)
    assert said.startswith("Stopped after") and picture == gr.skip()
    assert not handlers.STOPS._checks
    with pytest.raises(ZeroDivisionError):  # nothing was kept
        work.SCORES.run(plan("wanda", 35), lambda: 1 / 0)


# The curve


def test_the_curve_grows_and_names_where_texts_fall_apart(monkeypatch):
    monkeypatch.setattr(work, "SPARSITIES", (0.3, 0.9))
    states = list(whole.sweep(*base(sparsity=30), ASKER))
    assert len(states) == 8 and states[0][0]["told"] == "1 of 8 points" and not states[0][0]["done"]
    shown, said = states[-1]
    assert shown["done"] and shown["lines"] and shown["chosen"] == "Magnitude, 30 %"
    points = {p["name"]: p for s in shown["series"] for p in s["points"]}
    assert len(points) == 8 and [s["name"] for s in shown["series"]] == list(controls.METHODS.values())
    at = last(work.measure(plan("wanda", 90), never))
    assert points["Wanda, 90 %"]["x"] == pytest.approx(100 * at.achieved)
    assert points["Wanda, 90 %"]["y"] == pytest.approx(at.score.perplexity)
    full = at.score.full_perplexity
    assert [rule["y"] for rule in shown["rules"]] == [full, charts.APART * full]
    for method, name in controls.METHODS.items():
        first = next((s for s in (30, 90) if points[f"{name}, {s} %"]["y"] > 2 * full), None)
        assert (f"**{name} at {first} %**" in said) == (first is not None), method
    assert "random" not in said.lower() or "**Random at" in said
    assert whole.follow({"chosen": "SparseGPT, 90 %"}) == ("sparsegpt", 90.0)
    with pytest.raises(InputError, match="A point of the curve"):
        whole.follow({"chosen": "Best, 90 %"})


def test_falling_apart_is_the_first_point_above_twice():
    def score(perplexity):
        return Score(1, math.log(perplexity), math.log(10), 0.1, 0.5)

    points = [("wanda", s, s, score(p)) for s, p in ((0.9, 500), (0.5, 20.01), (0.3, 19.99))]
    found = charts.apart([*points, ("magnitude", 0.9, 0.9, score(19.9))])
    assert found["wanda"][0] == 0.5 and found["magnitude"] is None
    assert "Wanda at 50 %** (perplexity 20.01), Magnitude has not so far" in words.fallen(found, 2)


def test_a_pattern_without_a_choice_has_one_point_for_each_method():
    assert len(work.points_of(plan("magnitude", 30, "2:4"))) == 4
    assert len(work.points_of(plan("magnitude", 35))) == 1 + 4 * len(work.SPARSITIES)


def test_both_models_write(loaded):
    given = (*base(sparsity=60), "Once upon a time", 0, 1, 8)
    view, said = last(effects.write(*given, ASKER))
    ids = loaded.reader("Once upon a time", return_tensors="pt")["input_ids"]
    pruned = last(work.changed(loaded, plan("magnitude", 60), never)).model
    for model, side in zip((loaded.model, pruned), view["sides"], strict=True):
        want = model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
        assert "".join(t["text"] for t in side["tokens"]) == loaded.reader.decode(want)
    assert [side["name"] for side in view["sides"]] == ["The full model", "Magnitude, 60 %"]
    assert view["done"] and ("The texts part at token" in said) == (view["parts"] is not None)
    with pytest.raises(InputError, match="A prompt of at least one character"):
        last(effects.write(*base(), "", 0, 1, 8, ASKER))
    with pytest.raises(InputError, match="or at least 0.05; got 0.01"):
        last(effects.write(*base(), "x", 0.01, 1, 8, ASKER))


# Saving


def test_the_forms_are_weighed_to_the_byte_and_the_removed_model_computes_the_same(loaded):
    found = last(trials.weigh(settings("magnitude", 50, "2:4"), plan("magnitude", 50, "2:4"), never))
    n = 96 * 256
    sizes = {form.name: form.nbytes for form in found.matrix}
    assert sizes == {
        "dense": 2 * n,
        "CSR": 3 * n + 4 * 97,
        "bitmask": n + n // 8,
        "2:4": n + n // 8,
        "rows removed": n,
    }
    times = {form.name for form in found.matrix if form.milliseconds}
    assert times == {"dense", "CSR", "rows removed"}
    models = {form.name: form for form in found.models}
    assert list(models) == ["full", "cut weights stored as 0", "CSR", "bitmask", "2:4", *list(models)[5:]]
    full, zeros = models["full"], models["cut weights stored as 0"]
    parameters = sum(p.numel() for p in loaded.model.parameters())
    assert full.nbytes == zeros.nbytes == 2 * parameters
    assert full.file == zeros.file and 0 < full.file - full.nbytes < 10_000
    assert models["2:4"].nbytes == full.nbytes - 2 * full.parameters + full.parameters * 9 // 8
    assert models[list(models)[5]].parameters < full.parameters
    assert models["50 % of the units removed"].parameters == full.parameters - 2 * 3 * 128 * 96
    timed = [form.name for form in found.models if form.milliseconds]
    assert (
        timed
        == [form.name for form in found.models if form.perplexity]
        == [
            *("full", "cut weights stored as 0"),
            *list(models)[5:],
        ]
    )
    assert found.done and found.refused == ()

    ids = sequences(loaded, "held_out", 2)
    cut = last(work.changed(loaded, plan("magnitude", 50, "units"), never)).model
    alive = {name: structure.survivors(cut, name) for name in structure.STRUCTURES}
    small = structure.remove(cut, alive["heads"], alive["units"])
    with torch.no_grad():
        torch.testing.assert_close(small(ids).logits, cut(ids).logits, atol=1e-4, rtol=1e-4)
    assert models["50 % of the units removed"].perplexity == pytest.approx(
        perplexity_of(cut, sequences(loaded, "held_out", FEW)), rel=1e-3
    )


def test_the_tables_say_what_was_weighed():
    forms = (
        trials.MatrixForm("dense", 2000, (10, 100), 0.5),
        trials.MatrixForm("CSR", 3044, (10, 100), 2.0),
        trials.MatrixForm("rows removed", 1000, (5, 100), 0.25),
    )
    said = tables.matrix_table(forms, "m", "rows", "CPU")
    assert "| CSR | 10 × 100 | 3,044 | 152 % | 2.0000 |" in said
    assert "took 4.00 times as long" in said and tables.SAVES["rows"] in said
    full = trials.ModelForm("full", 4_000_000, 4_000_100, 2_000_000, 4.0, 10.0)
    small = trials.ModelForm("small", 2_000_000, 2_000_100, 1_000_000, 3.0, 20.0)
    mask = trials.ModelForm("bitmask", 3_000_000, 3_000_100, 2_000_000)
    said = tables.model_table((full, small, mask), ("2:4 does not fit.",), True)
    assert "*small*: **0.50 times** the bytes, **0.75 times** the time" in said
    assert "*bitmask*: **0.75 times** the bytes; to run here it is unpacked" in said
    assert "| small | 1,000,000 | 2.00 MB | 2.00 MB | 3.00 | 20.00 |" in said
    assert "Not possible here: 2:4 does not fit." in said
    assert "times** the time" not in tables.model_table((full, small, mask), (), False)
    chart = charts.savings((full, small, mask))
    assert [s["name"] for s in chart["series"]] == ["full", "small"]


# Against quantization


@pytest.mark.parametrize("scheme", ["int8 absmax", "int4 absmax", "NF4", "int3 absmax", "int2 absmax"])
def test_one_matrix_has_equal_bytes_in_all_three_forms(loaded, scheme):
    equal = against.equal(settings("magnitude", 30), scheme)
    bytes_of = {name: getattr(equal, name).nbytes for name in tables.NAMES}
    assert bytes_of["quantized"] == sum(
        t.nbytes for t in pack_trace(quantize(weight(loaded, DOWN), SCHEMES[scheme])).values()
    )
    assert max(bytes_of.values()) - min(bytes_of.values()) <= 1
    # What takes these bytes, counted by hand.
    n, kept = 96 * 256, int((equal.pruned.weight != 0).sum())
    assert bytes_of["pruned"] == 2 * kept + n // 8
    finer = SCHEMES[equal.finer]
    left = n - round(equal.both.sparsity * n)
    assert bytes_of["both"] == math.ceil(left * finer.bits / 8) + n // 8 + 2 * 96
    assert equal.pruned.sparsity == 1 - kept / n
    W = weight(loaded, DOWN)
    want = algorithm.prune(W, "magnitude", equal.pruned.sparsity).pruned.bfloat16().float()
    assert torch.equal(equal.pruned.weight, want)
    assert (equal.both.weight[W.abs() < W.abs().flatten().kthvalue(n - left).values] == 0).all()


def test_wandas_rows_are_whole_weights_apart():
    """NF4 leaves 150.5 of 688 weights a row."""
    equal = against.equal(settings("wanda", 30, model=controls.POCKET), "NF4")
    assert abs(equal.pruned.nbytes - equal.quantized.nbytes) == 256
    assert "differ by at most" in tables.equal_words(equal)


def test_bytes_that_cannot_be_had_are_a_sentence_with_both_numbers():
    with pytest.raises(InputError, match="take 1,010 bytes; the quantized weights take 1,000"):
        against.sparsity_for(1000, [8000], 16, 10)
    assert against.sparsity_for(3000, [8000], 16, 0) == 1 - 1000 / 8000
    assert against.sparsity_for(10**6, [8000], 16, 0) == 0


def test_the_errors_share_their_colours_and_the_words_count():
    maps, said, _ = next(effects.rival(*base(), "int4 absmax", ASKER))
    scales = {panel["key"]: panel["extent"] for panel in maps["panels"]}
    assert scales["quantized"] == scales["pruned"] == scales["both"] != scales["weight"]
    equal = against.EQUALS.find(maps["key"])
    errors = [(getattr(equal, name).weight - equal.weight).abs().max() for name in tables.NAMES]
    assert scales["both"][1] == float(max(errors))
    for name, form in (("quantization", equal.quantized), ("pruning", equal.pruned)):
        error = (form.weight - equal.weight).abs()
        gone = float((form.weight == 0).float().mean())
        same = float((error <= equal.weight.abs() / 100).float().mean())
        row = next(line for line in said.splitlines() if line.startswith(f"| {name} |"))
        assert f"| {form.nbytes:,} | {100 * gone:.3g} % | {100 * same:.3g} % | {error.mean():.4g} |" in row
    assert "are the same to the byte" in said
    assert effects.region({"key": maps["key"], "window": [0, 0, 8, 8]})["cells"] == [8, 8]
    assert "no longer kept" in effects.region({"key": "x", "window": [0, 0, 8, 8]})["error"]
    with pytest.raises(InputError, match="The scheme must be one of"):
        next(effects.rival(*base(), "int5", ASKER))


def test_a_whole_model_at_equal_bytes(loaded):
    found = last(against.contest(plan("magnitude", 30), "int3 absmax", never))
    rows = {row.kind: row for row in found.rows}
    assert list(rows) == ["quantized", "pruned", "both", "2:4"] and found.done and not found.refused
    matrices = [m for m in loaded.model.model.layers.modules() if isinstance(m, torch.nn.Linear)]
    packed = (pack_trace(quantize(m.weight.data, SCHEMES["int3 absmax"])) for m in matrices)
    budget = sum(t.nbytes for parts in packed for t in parts.values())
    assert rows["quantized"].nbytes == budget
    for kind in ("pruned", "both"):
        assert abs(rows[kind].nbytes - budget) <= len(matrices), kind
    n = sum(m.weight.numel() for m in matrices)
    assert rows["pruned"].bits == pytest.approx(8 * rows["pruned"].nbytes / n)
    cut = copy.deepcopy(loaded.model)
    for m in cut.model.layers.modules():
        if isinstance(m, torch.nn.Linear):
            share = algorithm.prune(m.weight.data, "magnitude", rows["pruned"].sparsity)
            m.weight.data.copy_(share.pruned.bfloat16())
    ids = sequences(loaded, "held_out", FEW)
    assert rows["pruned"].score.perplexity == pytest.approx(perplexity_of(cut, ids), rel=0.02)
    assert rows["2:4"].sparsity == 0.5
    said = tables.contest_table(found.rows, "", True)
    best = min((rows[k] for k in tables.NAMES), key=lambda row: row.score.perplexity)
    assert f"At these bytes the best is **{best.name}**." in said
    table = [line for line in said.splitlines() if line.startswith("|")]
    assert len(table) == 6 and f"| {budget:,} |" in table[2]
    chart = charts.equals({"int3 absmax": found.rows}, "", True)
    assert [len(s["points"]) for s in chart["series"]] == [1, 1, 1]


def test_two_of_four_says_that_equal_bytes_cannot_be_had():
    score = Score(1, 3.0, 2.0, 0.1, 0.5)
    rows = [against.Row(k, k, b, 80, 0.5, score) for k, b in (("quantized", 40), ("pruned", 40), ("2:4", 50))]
    said = tables.contest_table(rows, "", True)
    assert "5.000 bits of a weight beside 4.000" in said and "equal bytes cannot be had" in said


# Models of pictures


def test_a_classifier_is_refused_where_text_is_needed_and_seen_elsewhere():
    name = MODELS["cifar-vit"].title
    seen = work.see(settings("wanda", 50, matrix="", model=name, sequences=2))
    assert seen.trace.achieved == 0.5 and seen.lost < 0.5
    with load(MODELS["cifar-vit"]) as loaded:
        assert isinstance(loaded.model, ViTForImageClassification)
    for refused in (
        lambda: whole.sweep(*base(model=name), ASKER),
        lambda: effects.write(*base(model=name), "x", 0, 1, 8, ASKER),
        lambda: effects.weigh(*base(model=name, matrix=""), None, ASKER),
        lambda: effects.rival(*base(model=name, matrix=""), "int4 absmax", ASKER),
        lambda: effects.rivals(*base(model=name), ASKER),
    ):
        with pytest.raises(InputError, match="A language model is expected here; .* looks at pictures"):
            last(refused())
    with pytest.raises(InputError, match="heads are found in layers like Llama's"):
        last(whole.measure(*base(model=name, pattern="heads", matrix=""), None, ASKER))


def test_a_hub_model_that_is_not_here_says_so_and_the_pocket_model_goes_on():
    missing = MODELS["smollm2-360m"].title
    remark, view, *_ = handlers.run(*base(model=missing), None)
    assert "must be downloaded first" in remark and "The pocket model goes on." in remark
    assert view["sweep"].startswith(controls.POCKET)
    shown, _ = last(whole.measure(*base(model=missing), None, ASKER))
    assert len(shown["rows"]) == 6  # layers of the pocket model


def test_what_is_no_key_is_one_sentence():
    for request in ({"key": [1], "chosen": [0, 0]}, {"key": {}, "chosen": [0, 0]}):
        with pytest.raises(InputError, match="The key of a run is expected"):
            handlers.take(request)
        assert "The key of a run is expected" in handlers.region(request)["error"]
        assert "The key of a run is expected" in effects.region(request)["error"]


def test_two_visitors_who_weigh_leave_the_threads_as_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, second = (effects.weigh(*base(), None, request=ASKER) for _ in range(2))
        for each in (first, second, first, second):
            next(each)
        assert torch.get_num_threads() == 2
        first.close(), second.close()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_thing_to_try_keeps_the_visitors_model_and_matrix():
    names, given = list(start()), set_up({"sparsity": 50})
    kept = {name for name, value in zip(names, given, strict=True) if isinstance(value, dict)}
    assert {"model", "matrix"} <= kept and "sparsity" not in kept


def test_the_first_matrix_is_one_run_however_it_was_asked_for():
    unnamed = handlers.run(*base(matrix=""), None)[1]["key"]
    named = handlers.run(*base(matrix="model.layers.0.self_attn.q_proj"), None)[1]["key"]
    assert unnamed == named
