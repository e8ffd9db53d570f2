"""The recipes' loop: it learns, keeps the best weights, and goes on where it was stopped."""

import json
import math
import os
import signal

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from training import clip, loop


def fit(folder, minutes: float, stop_at: int | None = None) -> tuple[torch.nn.Linear, dict, list[int]]:
    """A line through points; the model, the state it left and the steps whose batches were asked for."""
    torch.manual_seed(0)
    model, asked = torch.nn.Linear(2, 1), []
    optimizer = torch.optim.AdamW(loop.groups(model, 0.05, 0.0))
    x = torch.randn(200, 2)
    y = x @ torch.tensor([[2.0], [-1.0]]) + 0.5

    def batch_loss(step: int, progress: float):
        assert 0 <= progress < 1
        asked.append(step)
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return ((model(x) - y) ** 2).mean(), len(x)

    def score() -> float:
        with torch.no_grad():
            return float(((model(x) - y) ** 2).mean())

    before = signal.getsignal(signal.SIGTERM)
    try:
        loop.train(
            model,
            [optimizer],
            folder,
            device="cpu",
            minutes=minutes,
            check_minutes=0.002,
            batch_loss=batch_loss,
            score=score,
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    return model, torch.load(folder / "last.pt", weights_only=False)["state"], asked


def test_it_learns_and_keeps_the_best(tmp_path, capsys):
    _, state, asked = fit(tmp_path, 0.01)
    assert asked == list(range(state["step"])) and state["items"] == 200 * state["step"]
    assert 0.6 <= state["seconds"] < 1.5
    best = torch.load(tmp_path / "best.pt")
    assert best["weight"].flatten().tolist() == pytest.approx([2.0, -1.0], abs=0.02)
    scores = [
        float(line.split("held-out ")[1].split()[0])
        for line in capsys.readouterr().out.splitlines()
        if "held-out" in line
    ]
    assert len(scores) > 2 and state["best"] == pytest.approx(min(scores), abs=1e-4)


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    with pytest.raises(SystemExit):
        fit(tmp_path, 0.01, stop_at=30)
    state = torch.load(tmp_path / "last.pt", weights_only=False)["state"]
    assert state["step"] == 31
    _, state, asked = fit(tmp_path, 0.01)
    assert asked[0] == 31 and state["step"] == asked[-1] + 1


def test_only_matrices_decay(tmp_path):
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    decayed, rest = loop.groups(model, 0.1, 0.3, without=(model[0].weight,))
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.3, 0.0)
    assert [p.shape for p in decayed["params"]] == [(3, 4)]
    assert len(rest["params"]) == 4


def test_muon_takes_the_matrices_inside_and_adamw_all_the_rest():
    torch.manual_seed(0)
    hidden = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), hidden, torch.nn.Linear(4, 3))
    inside, rest = loop.muon(model, hidden, 0.1, 0.3)
    assert [p.shape for group in inside.param_groups for p in group["params"]] == [(4, 4)]
    others = [p for group in rest.param_groups for p in group["params"]]
    assert len(others) == len(list(model.parameters())) - 1
    weight = hidden[0].weight.detach().clone()
    model(torch.arange(5)).square().sum().backward()
    inside.step()
    # Muon's step is an orthogonal matrix, up to its five rounds, as long as AdamW's would be
    step = (weight * (1 - 0.1 * 0.3) - hidden[0].weight.detach()) / (0.1 * 0.2 * 4**0.5)
    sizes = torch.linalg.svdvals(step)
    assert all(0.5 < size < 1.3 for size in sizes[:3].tolist())  # LayerNorm's gradient lacks one direction


def test_a_card_says_how_the_model_came_to_be(tmp_path):
    _, state, _ = fit(tmp_path, 0.01)
    (tmp_path / "data.tar").write_bytes(b"abc")
    card = loop.card("python -m training.it", 7, tmp_path, "points", tmp_path / "data.tar")
    assert (card["command"], card["seed"], card["steps"]) == ("python -m training.it", 7, state["step"])
    assert (card["points"], card["minutes"]) == (200 * state["step"], round(state["seconds"] / 60, 1))
    # FIPS 180-2, appendix B.1: the digest of "abc"
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert card["data"] == {"file": "data.tar", "sha256": digest}


def test_ranks_of_the_clip_recipe_are_those_of_scipy():
    torch.manual_seed(3)
    scores, right = torch.randn(40, 9), torch.randint(0, 9, (40,))
    ranks = rankdata(-scores.numpy(), axis=1)[range(40), right]
    assert clip.reciprocal_rank(scores, right) == pytest.approx(float((1 / ranks).mean()), rel=1e-6)
    for k in (1, 5):
        assert clip.top(scores, right, k) == pytest.approx(float((ranks <= k).mean()))


def test_the_clip_recipe_pools_at_the_end_and_never_sees_one_thing_twice():
    """A table of its own: eight emoji, two styles, a picture missing and one kept out."""
    names = ("Red Apple", "owl", "flag: Chad", "key", "bus", "ant", "cup", "fox")
    rows = [{"label": name, "tags": [f"{name.lower()} thing"]} for name in names]
    there = torch.ones(8, 2, dtype=torch.bool)
    there[2, 0] = False
    none = torch.zeros(8, dtype=torch.bool)
    test = none.clone()
    test[2] = True  # its only picture is kept out, so it must never come
    pictures = torch.full((8, 2, 4, 64, 64), 255, dtype=torch.uint8)
    emoji = clip.Emoji(rows, pictures, there, test, none)
    for seed in range(20):
        images, texts, pairs = clip.batch(emoji, 9, np.random.default_rng(seed))
        assert pairs == 4 and len(texts) == 9
        assert images.shape == (9, 3, 64, 64) and 0 <= float(images.min()) <= float(images.max()) <= 1
        assert all(text.strip() for text in texts) and not any("chad" in text for text in texts)
        one, other, rest = (
            {name.lower() for name in names for text in part if name.lower() in text}
            for part in (texts[:pairs], texts[pairs : 2 * pairs], texts[2 * pairs :])
        )
        assert one == other and len(one) == pairs  # each emoji twice, once in each half
        assert len(rest) == 2 and not one & rest  # a scene of two others
    assert clip.with_article("owl") == "an owl" and clip.with_article("flag: chad") == "flag: chad"


def test_pictures_are_moved_resized_and_bent_as_asked():
    torch.manual_seed(0)
    x = torch.rand(1, 4, 64, 64)
    still, one = torch.zeros(1), torch.ones(1, 2)
    torch.testing.assert_close(clip.place(x, still, one, torch.zeros(1, 2)), x, atol=1e-5, rtol=0)
    moved = clip.place(x, still, one, torch.tensor([[0.5, -0.25]]))  # 16 pixels right, 8 up
    torch.testing.assert_close(moved[..., :-8, 16:], x[..., 8:, :-16], atol=1e-5, rtol=0)
    assert moved[..., :15].abs().max() == 0
    small = clip.place(torch.ones(1, 4, 64, 64), still, torch.tensor([[0.5, 0.25]]), torch.zeros(1, 2))
    assert float(small[0, 3].sum()) == pytest.approx(32 * 16, rel=0.01)  # half as wide, a quarter as high
    turned = clip.place(x, torch.tensor([math.pi / 2]), one, torch.zeros(1, 2))
    quarter = min(float((turned - x.rot90(k, (2, 3))).abs().max()) for k in (1, 3))
    assert quarter < 1e-4
    bent = clip.place(x, still, one, torch.zeros(1, 2), torch.full((1, 4, 4, 2), 0.5))
    torch.testing.assert_close(bent[..., :-16, :-16], x[..., 16:, 16:], atol=1e-4, rtol=0)


def test_a_change_of_style_keeps_greys_and_named_colours():
    generator = torch.Generator().manual_seed(0)
    grey = torch.full((50, 4, 8, 8), 0.4)
    none = torch.zeros(50, dtype=torch.bool)
    torch.testing.assert_close(clip.restyled(grey, none, generator), grey, atol=1e-5, rtol=0)
    red = torch.tensor([0.7, 0.3, 0.3, 1.0]).view(1, 4, 1, 1).expand(200, 4, 8, 8)
    free = clip.restyled(red, torch.zeros(200, dtype=torch.bool), generator)
    kept = clip.restyled(red, torch.ones(200, dtype=torch.bool), generator)
    # turning around the axis of greys keeps the mean of the three colours
    for got in (free, kept):
        torch.testing.assert_close(got[:, :3].mean(1), red[:, :3].mean(1), atol=1e-5, rtol=0)
        torch.testing.assert_close(got[:, 3], red[:, 3])
    assert (kept[:, 0] > kept[:, 1:3].amax(1)).all()  # red it stays
    assert (free[:, 0] < free[:, 1:3].amax(1)).any() and (free[:, :3].std(1) < 1e-4).any()


def test_the_clip_recipes_tokenizer_ends_every_text_where_the_tower_pools(tmp_path):
    rows = [{"label": name, "tags": []} for name in ("red apple", "owl", "key")]
    empty = torch.zeros(3, 2, dtype=torch.bool)
    emoji = clip.Emoji(rows, torch.zeros(3, 2, 4, 1, 1), empty, empty[:, 0], empty[:, 0])
    clip.train_tokenizer(emoji, tmp_path)
    end = clip.PreTrainedTokenizerFast.from_pretrained(tmp_path).eos_token_id
    config = clip.configuration("cpu", end)
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    tokenizer = clip.open_clip.get_tokenizer(f"local-dir:{tmp_path}")
    ids = tokenizer(["a red apple", "Ünïcode 🦉", "word " * 60])
    assert ids.shape == (3, clip.CONTEXT) and int(ids[2, -1]) == end  # a cut text ends, too
    assert ((ids == end).sum(1) == 1).all()
    assert "red apple" in tokenizer.tokenizer.decode(ids[0]).lower()
    torch.manual_seed(0)
    text_tower = config["model_cfg"]["text_cfg"] | {"vocab_size": len(tokenizer.tokenizer)}
    model = clip.open_clip.CLIP(128, config["model_cfg"]["vision_cfg"], text_tower).eval()
    with torch.no_grad():
        before = model.encode_text(ids[:1])
        where = int((ids[0] == end).nonzero())
        after_end = ids[:1].clone()
        after_end[0, where + 1 :] = 5  # behind the end: nothing of it is read
        torch.testing.assert_close(model.encode_text(after_end), before)
        ahead = ids[:1].clone()
        ahead[0, where - 1] = 5
        assert (model.encode_text(ahead) - before).abs().max() > 1e-3
