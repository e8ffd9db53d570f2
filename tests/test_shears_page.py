"""The stage of structured pruning: handlers against transformers' loss, counts and files."""

import itertools
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM

from demos.kit.events import message
from demos.kit.inputs import InputError
from demos.kit.models import POCKET, load
from demos.kit.passes import to_the_last
from demos.kit.stops import Stops
from demos.kit.zoo import MODELS
from demos.pruning import shear_controls as controls
from demos.pruning import shear_figures as figures
from demos.pruning import shear_handlers as handlers
from demos.pruning import shear_words as words
from demos.pruning import shear_work as work
from demos.pruning import shears
from demos.pruning.gates import Gates
from demos.pruning.masking import Kept, masked, shear
from demos.pruning.shape import Shape
from demos.pruning.shear_trace import Cut, Frame, Shearing, Weight
from demos.pruning.shearing import decide, final_gates, shear_search
from demos.pruning.training import continue_training, from_scratch

DRAFT = "Fairy tales, draft"
PLAN = {
    "source": DRAFT, "layers": 1, "width": 64, "heads": 2, "units": 100, "steps": 12, "training": 10,
    "seed": 3, "gate_rate": 0.3, "rate": 0.001,
}  # fmt: skip
TARGET = Shape(1, 64, 2, 100)
WIRE = {"f4": "<f4", "u1": "u1"}
HELD_OUT = load_file(POCKET.parent / "text" / "fairy.safetensors")["held_out"].long()


def visitor(name="one"):
    return gr.Request(session_hash=name)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def every_state(monkeypatch):
    monkeypatch.setattr(work, "PAUSE", 0.0)


@pytest.fixture(scope="module")
def streamed():
    """All that a live run showed: pictures and captions."""
    before, work.PAUSE = work.PAUSE, 0.0
    shown = list(handlers.shear(**PLAN, request=visitor("live")))
    work.PAUSE = before
    return shown


@pytest.fixture(scope="module")
def again():
    """The same run made here, step by step: masked, sheared, both as trained, and what the search decided."""
    with load(controls.SOURCES[DRAFT]) as loaded:
        windows = work.training_windows()
        *_, step = shear_search(loaded.model, TARGET, windows, steps=12, seed=3, gate_rate=0.3)
        kept = decide(step.log_alpha, TARGET)
        gates = final_gates(step.log_alpha, kept)
        shut, small = masked(step.model, kept, gates), shear(step.model, kept, gates)
        made = {"source": loaded.model, "masked_after_the_search": shut, "sheared": small}
        chance = made["from_scratch_before"] = from_scratch(small, 3)
        losses = {name: loss_of(model, HELD_OUT[:16]) for name, model in made.items()}
        with torch.no_grad():
            a, b = (model(input_ids=HELD_OUT[:4]).logits for model in (shut, small))
        apart, reach = float((a - b).abs().max()), float(a.abs().max())
        parameters = [sum(p.numel() for p in m.parameters()) for m in (loaded.model, small)]
        lines = []
        for name, model in (("sheared_and_trained", small), ("from_scratch", chance)):
            training = continue_training(model, windows, steps=10, seed=3, rate=0.001)
            lines.append([loss for _, loss in training])
            losses[name] = loss_of(model, HELD_OUT[:16])
    return SimpleNamespace(
        losses=losses, apart=apart, reach=reach, parameters=parameters, lines=lines, kept=kept, gates=gates,
        small=small,
    )  # fmt: skip


@torch.no_grad()
def loss_of(model, ids):
    """transformers' own loss, sequence by sequence."""
    return sum(model(input_ids=row[None], labels=row[None]).loss.item() for row in ids) / len(ids)


def read(picture):
    """The arrays of a picture by name."""
    blob = Path(picture["file"]["path"]).read_bytes()
    return {
        name: np.frombuffer(blob, WIRE[p["dtype"]], math.prod(p["shape"]), p["at"]).reshape(p["shape"])
        for name, p in picture["parts"].items()
    }


def the_run(picture) -> Shearing:
    return work.RUNS.find(picture["key"])


def row(caption, name):
    """The cells of a line of the caption's table."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", caption, flags=re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


# --- a live run


def test_the_gates_are_seen_at_each_step(streamed):
    searching = [picture for picture, _ in streamed if not picture["decided"]]
    assert [p["numbers"][-1] for p in searching] == list(range(1, 13))
    assert all(not p["walk"] and not p["done"] for p in searching)
    walk = read(streamed[-1][0])
    for picture in searching:
        n, parts = len(picture["numbers"]), read(picture)
        assert parts["layers"].shape == (1, 2) and parts["width"].shape == (1, 96)  # the last frame's alone
        assert parts["heads"].shape == (1, 2, 3) and parts["units"].shape == (1, 2, 256)
        assert parts["sizes"].shape == parts["goal"].shape == (n, 6)
        for name in ("layers", "width", "heads", "units"):
            assert (parts[name][0] == walk[name][n - 1]).all()
    told = [re.match(r"Search: step (\d+) of 12, about \d+ s to go\.", p["told"])[1] for p in searching]
    assert told == [str(n) for n in range(1, 13)]


def test_the_lines_are_those_of_the_search(streamed):
    last = read(streamed[-1][0])
    assert streamed[-1][0]["numbers"] == list(range(1, 13))
    full, target = np.array([2, 96, 3, 3, 256, 256]), np.array([1, 64, 2, 2, 100, 100])
    for f in range(12):
        goal = full + min(1.0, (f + 1) / 6) * (target - full)
        np.testing.assert_allclose(last["goal"][f], goal, rtol=1e-6)
    # s of a step is the sum of the probabilities that the step before left, here in 255ths.
    for f in range(11):
        kinds = [last["layers"][f], last["width"][f], *last["heads"][f], *last["units"][f]]
        sums = np.array([kind.sum() / 255 for kind in kinds])
        assert (abs(last["sizes"][f + 1] - sums) <= np.array([len(k) for k in kinds]) / 500 + 1e-3).all()
    np.testing.assert_allclose(last["sizes"][0], full * 0.99, rtol=5e-3)
    # The multipliers go up the gradient of lambda e + phi e^2, where e = (s - t) / all.
    excess = (last["sizes"] - last["goal"]) / full
    np.testing.assert_allclose(last["linear"], 0.3 * excess.cumsum(0), atol=1e-5)
    np.testing.assert_allclose(last["quadratic"], 30 + 0.3 * (excess**2).cumsum(0), atol=1e-4)


def test_the_cut_is_the_decided_one(streamed, again):
    picture, parts = streamed[-1][0], read(streamed[-1][0])
    assert picture["decided"] and picture["done"] and picture["walk"]
    assert parts["kept.layers"].sum() == 1 and parts["kept.width"].sum() == 64
    stays = parts["kept.layers"].astype(bool)
    assert (parts["kept.heads"].sum(1) == np.where(stays, 2, 0)).all()
    assert (parts["kept.units"].sum(1) == np.where(stays, 100, 0)).all()
    assert np.flatnonzero(parts["kept.layers"]).tolist() == again.kept.layers.tolist()
    assert np.flatnonzero(parts["kept.width"]).tolist() == again.kept.width.tolist()
    for name in ("layers", "width", "heads", "units"):
        assert not parts[f"z.{name}"][parts[f"kept.{name}"] == 0].any()
    np.testing.assert_allclose(parts["z.width"] / 255, again.gates.width, atol=0.5 / 255 + 1e-4)


def test_the_captions_numbers_are_those_of_the_models(streamed, again):
    picture, caption = streamed[-1]
    run = the_run(picture)
    assert run.held_out.keys() == again.losses.keys() == set(words.ROWS)
    for name, loss in again.losses.items():
        assert run.held_out[name] == pytest.approx(loss, abs=2e-4), name
        shown = row(caption, words.ROWS[name])
        assert float(shown[0]) == pytest.approx(loss, abs=8e-4)
        assert float(shown[1]) == pytest.approx(math.exp(loss), rel=1e-3)
    # Both are rounding: equal in size, not in each digit.
    apart = float(re.search(r"differs by more than \*\*([\d.e-]+)\*\*", caption)[1])
    assert 0 < apart < 1e-4 and 0.2 < apart / again.apart < 5
    assert f"the largest logit is {again.reach:.1f}" in caption
    config = AutoConfig.from_pretrained(POCKET / "fairy-draft")
    assert again.parameters[0] == LlamaForCausalLM(config).num_parameters()
    config.num_hidden_layers, config.hidden_size, config.intermediate_size = 1, 64, 100
    config.num_attention_heads = config.num_key_value_heads = 2
    counted = LlamaForCausalLM(config).num_parameters()
    assert again.parameters[1] == counted
    assert f"**{again.parameters[0]:,} parameters become {counted:,}**" in caption
    assert f"{4 * again.parameters[0]:,} bytes in memory become {4 * counted:,}" in caption
    assert row(caption, "masked")[2] == f"{again.parameters[0]:,}"
    assert row(caption, "from scratch, trained")[2] == f"{counted:,}"
    said = float(re.search(r"the sheared model's loss is ([\d.]+), ", caption)[1])
    assert said == pytest.approx(again.losses["sheared_and_trained"], abs=8e-4)
    assert "on 16 sequences" in caption


def test_bytes_of_a_file_are_those_of_a_file(streamed, again, tmp_path):
    tensors = {name: p.detach().bfloat16() for name, p in again.small.named_parameters()}
    save_file(tensors, tmp_path / "small.safetensors")
    run = the_run(streamed[-1][0])
    assert run.weights[1].file == (tmp_path / "small.safetensors").stat().st_size
    assert f"bfloat16 {run.weights[1].file:,}. A token takes" in streamed[-1][1]
    assert all(weight.milliseconds > 0 for weight in run.weights)


def test_the_two_lines_of_the_training(streamed, again):
    parts = read(streamed[-1][0])
    np.testing.assert_allclose(parts["trained"], again.lines[0], rtol=1e-3)
    np.testing.assert_allclose(parts["scratch"], again.lines[1], rtol=1e-3)
    counts = [len(read(picture)["trained"]) for picture, _ in streamed]
    assert sorted(counts) == counts and set(counts) == set(range(11))
    assert all(len(read(p)["trained"]) == len(read(p)["scratch"]) for p, _ in streamed)
    dots = {(dot["line"], dot["x"]): dot["y"] for dot in streamed[-1][0]["dots"]}
    names = {(0, 0): "sheared", (1, 0): "from_scratch_before", (0, 10): "sheared_and_trained"}
    for place, name in (names | {(1, 10): "from_scratch"}).items():
        assert dots[place] == pytest.approx(again.losses[name], abs=2e-4)
    told = [picture["told"] for picture, _ in streamed]
    assert "The rows are removed. Training: step 7 of 10." in told and told[-1] == ""
    assert "Measured on held-out text now: masked." in told
    assert "The rows are removed. Timing a token of both models." in told


def test_the_shared_model_stays_as_it_was(streamed):
    stored = {}
    for path in (POCKET / "fairy-draft").glob("*.safetensors"):
        stored |= load_file(path)
    with load(controls.SOURCES[DRAFT]) as loaded:
        for name, parameter in loaded.model.named_parameters():
            assert torch.equal(parameter.bfloat16(), stored[name]) and not parameter.requires_grad


def test_equal_settings_run_once(streamed, monkeypatch):
    monkeypatch.setattr(work, "shearing", None)
    ((picture, caption),) = handlers.shear(**PLAN, request=visitor("two"))
    assert (picture["key"], caption) == (streamed[-1][0]["key"], streamed[-1][1])


# --- stop, and a second start


def test_a_stop_in_the_search_keeps_what_was_shown():
    one = visitor("stops")
    stream = handlers.shear(**PLAN | {"steps": 600}, request=one)
    shown = list(itertools.islice(stream, 4))
    handlers.stop(one)
    picture, caption = list(stream)[-1]
    n = picture["numbers"][-1]
    assert n >= 4 and picture["told"] == f"Stopped after {n} of 600 steps of the search."
    assert picture["walk"] and not picture["decided"] and not picture["done"]
    assert len(read(picture)["layers"]) == len(picture["numbers"]) and caption.startswith("From **2 layers")
    assert picture["key"] == shown[0][0]["key"]
    with pytest.raises(InputError, match="no longer kept"):
        the_run(picture)
    assert not handlers.STOPS.running("stops")


def test_a_stop_in_the_training_keeps_the_cut():
    one = visitor("stops")
    stream = handlers.shear(**PLAN | {"training": 600}, request=one)
    for picture, _ in stream:
        if len(read(picture)["trained"]) == 3:
            handlers.stop(one)
    assert picture["told"] == "Stopped after 3 of 600 steps of training."
    assert picture["decided"] and picture["walk"] and not picture["done"] and len(picture["numbers"]) == 12


def test_a_stop_before_the_first_step(monkeypatch):
    def ended(plan, check):
        handlers.stop(visitor("stops"))
        check()
        yield

    monkeypatch.setattr(work, "shearing", ended)
    ((_, caption),) = handlers.shear(**PLAN | {"seed": 77}, request=visitor("stops"))
    assert caption == "Stopped before the first step."


def test_one_run_for_a_visitor_at_a_time():
    stream = handlers.shear(**PLAN | {"steps": 500}, request=visitor("busy"))
    next(stream)
    for again in (handlers.shear(**PLAN, request=visitor("busy")), handlers.prepared(visitor("busy"))):
        with pytest.raises(InputError, match="one is on: stop it"):
            next(again)
    assert next(handlers.shear(**PLAN, request=visitor("another")))
    stream.close()
    assert not handlers.STOPS.running("busy")


def test_a_refusal_is_not_wiped_away():
    def run(seed):
        yield 1, 2
        yield 3, 4
        if seed:
            raise InputError("No.")

    first, second, *refused = handlers.once(run, 2)(1)
    assert first == ("", 1, 2)
    assert second[0]["__type__"] == "update" and second[1:] == (3, 4)
    assert refused[0][0] == "No."


# --- the run that ships


@pytest.fixture(scope="module")
def prepared():
    return list(handlers.first(None, visitor("first")))


def test_the_prepared_run_is_its_files(prepared):
    card = json.loads((work.PREPARED / "card.json").read_text())
    told = load_file(work.PREPARED / "history.safetensors")
    picture, parts = prepared[0][0], read(prepared[0][0])
    assert picture["done"] and picture["walk"] and picture["decided"] and len(prepared) == 2
    assert picture["steps"] == card["search"]["steps"] == picture["numbers"][-1]
    assert picture["training"] == card["training"]["steps"]
    for name in ("layers", "width", "heads", "units"):
        np.testing.assert_allclose(parts[name] / 255, told[f"probability.{name}"], atol=0.5 / 255 + 1e-3)
    for name in ("sizes", "goal", "linear", "quadratic"):
        np.testing.assert_array_equal(parts[name], told[f"search.{name}"])
    every = picture["every"]["searched"]
    assert parts["searched"][0] == pytest.approx(told["search.loss"][:every].mean().item(), rel=1e-5)
    for part, name in (("trained", "sheared_and_trained.loss"), ("scratch", "from_scratch.loss")):
        every, losses = picture["every"][part], told[name]
        assert len(parts[part]) == -(-len(losses) // every) <= figures.POINTS
        assert parts[part][1] == pytest.approx(losses[every : 2 * every].mean().item(), rel=1e-5)
    layers = np.flatnonzero(parts["kept.layers"]).tolist()
    assert layers == told["kept.layers"].tolist() and len(layers) == card["target"]["layers"]
    heads = parts["kept.heads"].sum(1)
    assert set(heads[layers]) == {card["target"]["heads"]} and heads.sum() == len(layers) * heads[layers][0]


def test_the_prepared_captions_numbers(prepared):
    card = json.loads((work.PREPARED / "card.json").read_text())
    caption = prepared[-1][1]
    for name, loss in card["held_out_loss_per_token"].items():
        assert float(row(caption, words.ROWS[name])[0]) == pytest.approx(loss, abs=6e-4)
    assert card["command"] in caption and card["machine"] in caption
    assert "A token takes" in caption and "A token takes" not in prepared[0][1]
    with load(MODELS["fairy-sheared"]) as small, load(controls.SOURCES[controls.SOURCE]) as source:
        counts = [sum(p.numel() for p in m.model.parameters()) for m in (source, small)]
    assert f"**{counts[0]:,} parameters become {counts[1]:,}**" in caption
    assert counts[1] == card["target"]["parameters"]
    assert gr.skip() == prepared[1][0]


def test_the_card_is_true_of_the_model_that_ships():
    card = json.loads((work.PREPARED / "card.json").read_text())["held_out_loss_per_token"]
    model = AutoModelForCausalLM.from_pretrained(work.PREPARED, dtype=torch.float32).eval()
    assert loss_of(model, HELD_OUT) == pytest.approx(card["sheared_and_trained"], abs=1e-3)


def test_the_first_look_does_not_disturb_a_run(streamed):
    ((picture, caption),) = handlers.first(streamed[0][0], visitor("first"))
    assert picture == caption == gr.skip()


def test_missing_files_are_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(work, "PREPARED", tmp_path)
    with pytest.raises(work.LoadError, match=r"was expected in .*card.json; it is not there"):
        list(work.prepared_run(lambda: None))
    monkeypatch.setattr(work, "shearing", lambda plan, check: work.prepared_run(check))
    with pytest.raises(InputError, match="it is not there"):
        list(handlers.shear(**PLAN | {"seed": 99}, request=visitor("missing")))


# --- settings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 3}, "Layers must be a number from 1 to 2 (2 is what Fairy tales, draft has); got 3."),
        ({"width": 0}, "Width must be a number from 1 to 96 (96 is what Fairy tales, draft has); got 0."),
        ({"heads": 1.5}, "Heads must be a whole number; got 1.5."),
        ({"units": None}, "MLP units must be a number from 1 to 256"),
        ({"units": float("nan")}, "got nan."),
        ({"source": "GPT"}, "The source must be one of Fairy tales, target, Fairy tales, draft; got 'GPT'."),
        ({"steps": 601}, "Steps of the search must be a number from 10 to 600; got 601."),
        ({"training": 9}, "Steps of training after the cut must be a number from 10 to 600; got 9."),
        ({"gate_rate": 0}, "Learning rate of the gates must be a number from 0.01 to 0.5; got 0."),
        ({"rate": "x"}, "Learning rate after the cut must be a number from 0.0001 to 0.01; got 'x'."),
        ({"seed": -1}, "Seed must be a number from 0 to 9999; got -1."),
    ],
)
def test_bad_settings_are_a_sentence(changes, sentence):
    for refusing in (
        lambda: next(handlers.shear(**PLAN | changes, request=visitor())),
        lambda: handlers.asked(*(PLAN | changes).values()),
    ):
        with pytest.raises(InputError) as caught:
            refusing()
        assert sentence in str(caught.value)


def test_settings_are_taken_as_they_are():
    assert controls.plan_of(*PLAN.values()) == controls.Plan(DRAFT, (1, 64, 2, 100), 12, 10, 3, 0.3, 0.001)
    (waiting,) = handlers.asked(*PLAN.values())
    assert f"{handlers.AT_ONCE} of these runs" in waiting


def test_shapes_that_buttons_set():
    for title, spec in controls.SOURCES.items():
        config = AutoConfig.from_pretrained(POCKET / spec.repo)
        assert controls.sizes_of(title) == (
            *(config.num_hidden_layers, config.hidden_size),
            *(config.num_attention_heads, config.intermediate_size),
        )
    assert handlers.shape("paper", DRAFT) == (2, 3, 2, 4)
    assert handlers.shape("thirds", "Fairy tales, target") == (4, 171, 3, 459)
    assert handlers.shape("thirds", DRAFT) == (1, 64, 2, 171)
    updates = handlers.limits(DRAFT)
    assert [(u["maximum"], u["value"]) for u in updates] == [(2, 1), (96, 64), (3, 2), (256, 171)]
    with pytest.raises(InputError):
        handlers.limits("GPT")


# --- parts


def tiny(**changes):
    """A run of a model with 2 layers, 3 dimensions, 2 heads and 2 units, one frame long."""
    p = Gates(
        torch.tensor([1, 0.5]), torch.tensor([1, 0.2, 0.8]), torch.tensor([[1, 0], [0.4, 0.6]]),
        torch.tensor([[0.1, 0.9], [1, 1.0]]),
    )  # fmt: skip
    line = torch.tensor([1.5, 2, 1, 1.5, 1.25, 2])
    frame = Frame(1, line, line + 1, line / 10, line * 10, p)
    return replace(
        Shearing(Shape(2, 3, 2, 2), Shape(1, 2, 1, 1), 20, 10, windows=16), frames=(frame,), searched=(4.0,),
        seconds=1.0, **changes,
    )  # fmt: skip


CUT = Cut(
    Kept(torch.tensor([1]), torch.tensor([0, 2]), torch.tensor([[0], [1]]), torch.tensor([[1], [0]])),
    Gates(torch.tensor([0, 0.5]), torch.tensor([1, 0, 1.0]), torch.ones(2, 2), torch.full((2, 2), 0.25)),
    1e-6, 12.0,
)  # fmt: skip


def test_the_picture_of_a_cut_drops_what_its_layer_held():
    packed = figures.view(tiny(cut=CUT), "key", "said", all_frames=True)
    parts = {
        name: np.frombuffer(packed.blob, WIRE[p["dtype"]], math.prod(p["shape"]), p["at"]).reshape(p["shape"])
        for name, p in packed.parts.items()
    }
    assert parts["kept.layers"].tolist() == [0, 1] and parts["kept.width"].tolist() == [1, 0, 1]
    assert parts["kept.heads"].tolist() == [[0, 0], [0, 1]]
    assert parts["kept.units"].tolist() == [[0, 0], [1, 0]]
    assert parts["z.layers"].tolist() == [0, 128] and parts["z.units"].tolist() == [[0, 0], [64, 0]]
    assert parts["heads"].tolist() == [[[255, 0], [102, 153]]]
    assert packed.facts["source"] == [2, 3, 2, 2] and packed.facts["target"] == [1, 2, 1, 1]
    assert packed.facts["told"] == "said" and packed.facts["key"] == "key"


def test_means_of_neighbours(monkeypatch):
    monkeypatch.setattr(figures, "POINTS", 3)
    for count, every, means in (
        (0, 1, []), (3, 1, [0, 1, 2]), (4, 2, [0.5, 2.5]), (7, 3, [1, 4, 6]), (9, 3, [1, 4, 7]),
    ):  # fmt: skip
        got, values = figures.means_of(tuple(map(float, range(count))))
        assert (got, values.tolist()) == (every, means)


def test_sentences_of_each_phase():
    run = tiny()
    assert words.told(run) == "Search: step 1 of 20, about 19 s to go."  # a second each
    assert words.caption(run) == (
        "From **2 layers, width 3, 2 heads, 2 units** to **1 layers, width 2, 1 heads, 1 units**. At step 1 "
        "the gates expected to be open (and their targets) are 1.50 layers (2.50), 2.0 hidden dimensions "
        "(3.0), and in a layer on average 1.25 heads (2.00) and 1.6 units (3.0). Search and training "
        "read what the pocket target wrote itself.\n\n"
    )
    weights = Weight(200, 800, 500, 4.0), Weight(50, 200, 150, 1.5)
    measured = {"source": 3.0, "masked_after_the_search": 4.0, "sheared": 4.0, "from_scratch_before": 8.0}
    trained = measured | {"sheared_and_trained": 3.5, "from_scratch": 3.25}
    run = tiny(cut=CUT, weights=weights, held_out=measured, trained=(1.0,) * 10, scratch=(1.0,) * 10)
    assert words.told(run) == "Measured on held-out text now: sheared, trained."
    said = words.caption(replace(run, held_out=trained))
    assert "**200 parameters become 50** (25.0 %), 800 bytes in memory become 200" in said
    assert "and 500 of a file in bfloat16 150. A token takes 1.5 ms instead of 4.0 ms" in said
    assert "no logit differs by more than **1.0e-06**; the largest logit is 12.0." in said
    assert "the sheared model's loss is 3.500, 0.250 higher than" in said  # said also where it does not pay
    assert "0.500 lower than" in words.caption(replace(run, held_out=trained | {"from_scratch": 4.0}))
    assert words.stopped(tiny()) == "Stopped after 1 of 20 steps of the search."


def test_kit_states_and_stops():
    assert list(to_the_last(iter(range(5)), 0.0)) == list(range(5))
    assert list(to_the_last(iter(range(5)), 60.0)) == [0, 4]
    stops = Stops()
    with stops.run("a"):
        assert stops.running("a") and not stops.running("b")
    assert not stops.running("a")


# --- the paper's table, as the lecture shows it

LECTURE = """
LLaMA2-7B † 30.7 82.1 28.8 73.9 46.6 64.6
OPT-1.3B † 26.9 57.5 58.0 6.9 24.7 48.2
Pythia-1.4B † 27.3 57.4 61.6 6.2 25.7 48.9
Sheared-LLaMA-1.3B 26.9 64.0 61.0 9.6 25.7 51.0
OPT-2.7B † 26.0 63.4 63.6 10.1 25.9 51.4
Pythia-2.8B † 28.0 66.0 64.7 9.0 26.9 52.5
INCITE-Base-3B 27.7 65.9 65.3 14.9 27.0 54.7
Open-LLaMA-3B-v1 28.4 70.0 65.4 18.6 27.0 55.1
Open-LLaMA-3B-v2 † 28.1 69.6 66.5 17.1 26.9 55.7
Sheared-LLaMA-2.7B 28.9 73.7 68.4 16.5 26.4 56.7
"""
TOKENS = ["2T", "300B", "300B", "50B", "300B", "300B", "800B", "1T", "1T", "50B"]


def lecture():
    """Name -> figures."""
    lines = [line.rsplit(" ", 6) for line in LECTURE.strip().splitlines()]
    return {name: [float(value) for value in values] for name, *values in lines}


class Cells(HTMLParser):
    """Rows of a table: the class of each, its cells' texts and their values to sort by."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "tr":
            self.rows.append((attributes.get("class"), [], []))
        self.inside = tag in ("td", "th", "button")
        if tag == "td":
            self.rows[-1][2].append(float(attributes["data-value"]))

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][1].append(data)


def test_the_table_has_the_lectures_figures():
    assert {name: values for name, _, *values in shears.PUBLISHED["rows"]} == lecture()
    assert [tokens for _, tokens, *_ in shears.PUBLISHED["rows"]] == TOKENS
    assert "2310.06694" in shears.PUBLISHED["url"]
    # The average is over more than the five tasks shown, as a note says.
    assert all(abs(np.mean(values[:5]) - values[5]) > 5 for values in lecture().values())


def test_the_table_on_the_page():
    with gr.Blocks():
        view = shears.published_view()
    (head, *rows), table = Cells(view.html_template).rows, lecture()
    assert head[1] == shears.PUBLISHED["columns"] and len(rows) == len(table)
    for (mark, texts, sorts_by), (name, values), tokens in zip(rows, table.items(), TOKENS, strict=True):
        ours = name.startswith("Sheared")
        assert (mark == "sheared") == ours and texts[0] == ("✂ " if ours else "") + name
        assert texts[1] == tokens and texts[2:] == [f"{value:.1f}" for value in values]
        assert sorts_by[1:] == values
        assert sorts_by[0] == float(tokens[:-1]) * {"B": 1e9, "T": 1e12}[tokens[-1]]


def test_the_stage_is_drawn_and_wired():
    with gr.Blocks() as app:
        made = shears.shear_settings() | shears.shear_pictures()
        shears.connect_shears(made, message("alarm"))
    assert {"view", "caption", "published", "start", "stop", *controls.PARTS} <= made.keys()
    events = {(event, made_by) for fn in app.fns.values() for made_by, event in fn.targets}
    assert ("seen", made["view"]._id) in events
    names = {fn.api_name for fn in app.fns.values()}
    assert "pruning_shear" in names
