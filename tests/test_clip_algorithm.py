"""Contrast, labels, search, training and maps of CLIP against open_clip, torch and closed forms."""

import math
import threading
from itertools import pairwise

import open_clip
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from open_clip.loss import ClipLoss, SigLipLoss

from demos.clip.algorithm import (
    MOST_T,
    classifier,
    contrast,
    contrast_of,
    encode_images,
    encode_texts,
    zero_shot,
    zero_shot_of,
)
from demos.clip.grounding import mix, nearest
from demos.clip.towers import image_side, text_side
from demos.clip.training import START_T, train
from demos.clip.where import through, value_path, where
from demos.kit.clips import read
from tests.tiny_clip import BPE, VISION, write_tiny_clip

TEXTS = ["a dog", "two old foxes", "the red king of the wood", "snow"]
TEMPLATES = ("{}", "a picture of {}", "the {} there")


@pytest.fixture(scope="module", params=["emoji", "openai", "siglip"])
def clip(request, tmp_path_factory):
    """A tiny model, its reader; no parameter is left where a forgotten one would not be missed."""
    return made(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=["emoji", "openai"])
def plain(request, tmp_path_factory):
    """Of those whose picture tower is a plain ViT with CLS."""
    return made(request.param, tmp_path_factory)


def made(kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp(kind)
    write_tiny_clip(folder, kind)
    model, reader = read(folder, kind, torch.float32)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "logit" not in name:
                p.add_(0.1 * torch.randn_like(p))
        model.logit_scale.fill_(math.log(20))
    return model.eval().requires_grad_(False), reader


def clip_of(vision=None, text=None):
    """A random model that no config of the zoo has."""
    torch.manual_seed(2)
    model = open_clip.CLIP(16, VISION | (vision or {}), BPE | {"vocab_size": 300} | (text or {}))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model.eval().requires_grad_(False)


def pictures(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def features(n: int, width: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(n, width, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize("kind, end", [("emoji", 1), ("openai", 49407), ("siglip", 1)])
def test_tokens_are_counted_before_a_text_is_cut(kind, end, tmp_path_factory):
    _, reader = made(kind, tmp_path_factory)
    for text in ("a dog", "SNOW"):
        ids = reader.tokenizer([text])[0]
        assert reader.tokens(text) == int((ids == end).int().argmax()) + 1 <= reader.context
    words = "the red king " * 30
    assert reader.tokens(words) > 2 * reader.context
    assert reader.tokens(words + words) > 1.9 * reader.tokens(words)


def test_features_and_logits_equal_open_clips_own_forward(clip):
    model, reader = clip
    images, ids = pictures(4), reader.tokenizer(TEXTS)
    trace = contrast(model, images, ids)
    want = model(images, ids)
    torch.testing.assert_close(trace.image_features, want[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(trace.text_features, want[1], rtol=0, atol=1e-6)
    logits, transposed = model.get_logits(images, ids)
    torch.testing.assert_close(trace.logits, logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(trace.along_columns, transposed.softmax(1).T, rtol=0, atol=1e-5)
    torch.testing.assert_close(trace.along_rows.sum(1), torch.ones(4))
    torch.testing.assert_close(trace.cosine, want[0] @ want[1].T, rtol=0, atol=1e-6)
    assert trace.bias == (None if model.logit_bias is None else float(model.logit_bias))


def test_losses_equal_open_clips_own(clip):
    model, reader = clip
    images, ids = pictures(4), reader.tokenizer(TEXTS)
    trace = contrast(model, images, ids)
    out = model(images, ids)
    own = (SigLipLoss() if model.logit_bias is not None else ClipLoss())(*out)
    assert trace.loss == pytest.approx(float(own), rel=1e-5, abs=1e-6)
    symmetric = float(ClipLoss()(out[0], out[1], out[2]))
    assert (trace.loss_images + trace.loss_texts) / 2 == pytest.approx(symmetric, abs=1e-5)


def test_the_softmax_loss_equals_clip_loss_on_many_batches():
    for seed in range(20):
        n = 2 + seed
        I_e, T_e, t = features(n, 16, seed), features(n, 16, seed + 100), 0.2 * seed
        trace = contrast_of(I_e, T_e, t)
        assert trace.loss == pytest.approx(float(ClipLoss()(I_e, T_e, math.exp(t))), rel=1e-6, abs=1e-6)
        assert trace.loss_images == pytest.approx(float(trace.losses_images.mean()), rel=1e-6)
        own = -trace.along_rows.diagonal().log()
        torch.testing.assert_close(trace.losses_images, own, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            trace.losses_texts, -trace.along_columns.diagonal().log(), rtol=0, atol=1e-5
        )


def test_the_sigmoid_loss_is_the_formula():
    I_e, T_e, b = features(5, 8, 0), features(5, 8, 1), -3.0
    trace = contrast_of(I_e, T_e, 1.0, b)
    want = 0.0
    for i in range(5):
        for j in range(5):
            z = math.e * float(I_e[i] @ T_e[j]) + b
            want += math.log(1 + math.exp(-z if i == j else z)) / 5
    assert trace.loss == pytest.approx(want, abs=1e-5)


def test_t_is_kept_at_ln_100():
    I_e = features(3, 8, 0)
    assert contrast_of(I_e, I_e, 9.0).t == MOST_T == math.log(100)
    torch.testing.assert_close(contrast_of(I_e, I_e, 9.0).logits, 100 * I_e @ I_e.T)


def test_siglips_t_is_not_kept_there(tmp_path_factory):
    """Its models learned exp(t) above 100; open_clip's own forward takes it as it is."""
    model, reader = made("siglip", tmp_path_factory)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(117.3))
    images, ids = pictures(4), reader.tokenizer(TEXTS)
    logits, _ = model.get_logits(images, ids)
    torch.testing.assert_close(contrast(model, images, ids).logits, logits, rtol=0, atol=1e-4)
    cached = zero_shot(model, reader.tokenizer, images, TEXTS)
    torch.testing.assert_close(cached.logits, logits, rtol=0, atol=1e-4)


def test_a_feature_is_nearest_to_itself_and_order_does_not_matter():
    I_e, T_e = features(6, 16, 2), features(6, 16, 3)
    same = contrast_of(I_e, I_e, 2.0)
    assert (same.logits.argmax(1) == torch.arange(6)).all() and (
        same.logits.argmax(0) == torch.arange(6)
    ).all()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    a, b = contrast_of(I_e, T_e, 2.0), contrast_of(I_e[order], T_e[order], 2.0)
    torch.testing.assert_close(b.logits, a.logits[order][:, order])
    assert b.loss == pytest.approx(a.loss, abs=1e-6)
    swapped = contrast_of(T_e, I_e, 2.0)
    assert swapped.loss_images == pytest.approx(a.loss_texts, abs=1e-6)


def test_more_of_nothing_to_tell_apart_is_a_loss_of_ln_n():
    for n in (2, 7, 16):
        one = features(1, 8, 0).expand(n, 8)
        assert contrast_of(one, one, 3.0).loss == pytest.approx(math.log(n), abs=1e-5)


def test_sides_are_projected_by_their_matrices(clip):
    model, reader = clip
    images, ids = pictures(3), reader.tokenizer(TEXTS[:3])
    for side, whole in (
        (image_side(model, images), model.encode_image(images)),
        (text_side(model, ids), model.encode_text(ids)),
    ):
        torch.testing.assert_close(side.projected, whole)
        if model.logit_bias is None:
            torch.testing.assert_close(side.features @ side.weight, whole, rtol=0, atol=1e-5)
        else:
            assert side.features is None and side.weight is None


@torch.inference_mode()
def test_what_others_ask_of_the_model_meanwhile_is_not_in_the_trace(plain):
    """The model is shared: passes of other threads must not come into this one's features."""
    model, reader = plain
    images, ids = pictures(4, 1), reader.tokenizer(TEXTS)
    wanted = image_side(model, images).features, text_side(model, ids).features
    others_images, others_ids, done = pictures(4, 7), ids.flip(0), threading.Event()

    def others():
        with torch.inference_mode():
            while not done.is_set():
                model(others_images, others_ids)

    threads = [threading.Thread(target=others) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            got = image_side(model, images).features, text_side(model, ids).features
            torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("pool", ["first", "last"])
def test_a_text_that_is_read_elsewhere_has_no_features_that_are_not_its_own(pool):
    model = clip_of(text={"pool_type": pool})
    ids = torch.randint(2, 299, (3, BPE["context_length"]), generator=torch.Generator().manual_seed(0))
    side = text_side(model, ids)
    torch.testing.assert_close(side.projected, model.encode_text(ids))
    assert side.features is None and side.weight is None


@pytest.mark.parametrize("templates", [TEMPLATES[:1], TEMPLATES[1:2], TEMPLATES])
def test_the_classifier_equals_open_clips_own(clip, templates):
    model, reader = clip
    want = open_clip.build_zero_shot_classifier(model, reader.tokenizer, TEXTS, templates)
    got = classifier(model, reader.tokenizer, TEXTS, templates)
    torch.testing.assert_close(got.T, want, rtol=0, atol=1e-6)
    torch.testing.assert_close(got.norm(dim=-1), torch.ones(4))


def test_many_texts_go_in_parts(clip):
    model, reader = clip
    labels = [f"{word} {n}" for n in range(50) for word in ("fox", "king")]
    want = open_clip.build_zero_shot_classifier(model, reader.tokenizer, labels, TEMPLATES)
    torch.testing.assert_close(
        classifier(model, reader.tokenizer, labels, TEMPLATES).T, want, atol=1e-6, rtol=0
    )


def test_zero_shot_is_the_models_own_logits_and_head(clip):
    model, reader = clip
    images, ids = pictures(2), reader.tokenizer(TEXTS)
    trace = zero_shot(model, reader.tokenizer, images, TEXTS)
    logits, _ = model.get_logits(images, ids)
    torch.testing.assert_close(trace.logits, logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(trace.softmax, logits.softmax(-1), rtol=0, atol=1e-5)
    if model.logit_bias is None:
        assert trace.sigmoid is None and trace.probabilities is trace.softmax
    else:
        cosine = encode_images(model, images) @ encode_texts(model, reader.tokenizer, TEXTS).T
        z = cosine * float(model.logit_scale.exp()) + float(model.logit_bias)
        torch.testing.assert_close(trace.probabilities, 1 / (1 + (-z).exp()), rtol=0, atol=1e-6)
    cached = zero_shot(model, reader.tokenizer, images, [], text_features=trace.text_features)
    torch.testing.assert_close(cached.logits, trace.logits)


def test_softmax_is_relative_to_the_set_and_sigmoid_is_not():
    image, labels = features(1, 16, 0), features(5, 16, 1)
    four, five = (zero_shot_of(image, labels[:n], 2.0, -1.0) for n in (4, 5))
    assert (five.softmax[0, :4] < four.softmax[0]).all()
    torch.testing.assert_close(five.sigmoid[0, :4], four.sigmoid[0])


def test_siglip_reads_its_padding(tmp_path_factory):
    """Its texts are filled up to the context, and its tower reads and pools there; CLIP's does not."""
    model, reader = made("siglip", tmp_path_factory)
    ids = reader.tokenizer(["a dog"])
    assert ids.shape == (1, reader.context) and int(ids[0, -1]) == 1  # T5's end fills up
    other = ids.clone()
    other[0, -1] = 5
    assert (model.encode_text(ids) - model.encode_text(other)).abs().max() > 1e-3
    model, reader = made("emoji", tmp_path_factory)
    ids = reader.tokenizer(["a dog"])
    other = ids.clone()
    other[0, -1] = 5
    torch.testing.assert_close(model.encode_text(ids), model.encode_text(other))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, r: contrast(m, pictures(3), r.tokenizer(TEXTS)), "as many pictures as texts"),
        (lambda m, r: contrast(m, pictures(1), r.tokenizer(TEXTS[:1])), "at least 2, are expected; got 1, 1"),
        (
            lambda m, r: contrast(m, pictures(3)[:, :, :24], r.tokenizer(TEXTS[:3])),
            "3 x 32 x 32 are expected; got 3 x 24 x 32",
        ),
        (lambda m, r: encode_images(m, pictures(3)[..., :8]), "3 x 32 x 32 are expected; got 3 x 32 x 8"),
        (
            lambda m, r: contrast(m, pictures(3), r.tokenizer(["snow", "a dog", "a dog"])),
            "differ for the model are expected; 2 and 3 are the same",
        ),
        (
            lambda m, r: contrast(
                m, pictures(3), r.tokenizer(["fox " * 90 + "red", "snow", "fox " * 90 + "old"])
            ),
            "1 and 3 are the same",
        ),
        (lambda m, r: contrast_of(features(3, 8, 0), features(4, 8, 1), 1.0), "[(]3, 8[)] and [(]4, 8[)]"),
        (lambda m, r: zero_shot_of(features(3, 8, 0), features(4, 9, 1), 1.0), "got 8 and 9"),
        (lambda m, r: classifier(m, r.tokenizer, []), "labels, and templates with {} in them"),
        (lambda m, r: classifier(m, r.tokenizer, TEXTS, ()), "labels, and templates with {} in them"),
        (lambda m, r: classifier(m, r.tokenizer, TEXTS, ("a",)), "labels, and templates with {} in them"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(plain, call, words):
    with pytest.raises(ValueError, match=words):
        call(*plain)


def test_the_nearest_are_those_of_torchs_cosine():
    all_of, query = features(30, 16, 0), 3 * features(1, 16, 1)[0]
    got = nearest(query, all_of, 5)
    want = torch.cosine_similarity(query[None], all_of, dim=-1)
    assert got.index.tolist() == sorted(range(30), key=lambda i: -float(want[i]))[:5]
    torch.testing.assert_close(got.score, want[got.index], rtol=0, atol=1e-6)
    assert len(nearest(query, all_of, 99).index) == 30
    rest = nearest(query, all_of, 30, without=got.index[:2].tolist())
    assert rest.index.tolist() == sorted(range(30), key=lambda i: -float(want[i]))[2:]
    assert bool(torch.isfinite(rest.score).all())


def test_a_mixture_has_length_1_and_goes_where_its_parts_say():
    a, b, c = features(3, 16, 0)
    got = mix([a, b, c], [1.0, -1.0, 1.0])
    torch.testing.assert_close(got, (a - b + c) / torch.linalg.vector_norm(a - b + c))
    with pytest.raises(ValueError, match="cancel out"):
        mix([a, a], [1.0, -1.0])
    with pytest.raises(ValueError, match="cancel out"):
        mix([], [])
    with pytest.raises(ValueError, match="shorter"):
        mix([a, b], [1.0])


def test_training_lowers_the_loss_for_ten_seeds(plain):
    model, reader = plain
    texts = [f"{n} {word}" for n in range(4) for word in TEXTS]  # some are cut at their ends
    I_f, T_f = image_side(model, pictures(16)), text_side(model, reader.tokenizer(texts))
    for seed in range(10):
        steps = list(train(I_f.features, T_f.features, 16, seed=seed))
        first, last = steps[0], steps[-1]
        assert (first.step, last.step, len(steps)) == (0, 300, 301)
        assert first.scale == pytest.approx(1 / 0.07, rel=1e-5)
        assert last.loss < 0.5 * first.loss
        assert last.along_rows.diagonal().mean() > first.along_rows.diagonal().mean()
        assert all(step.scale <= 100.001 for step in steps)
    again = list(train(I_f.features, T_f.features, 16, seed=9))
    assert [step.loss for step in again] == [step.loss for step in steps]
    assert torch.equal(image_side(model, pictures(16)).projected, I_f.projected)  # the model is as it was


def test_a_training_step_is_the_gradient_of_clip_loss():
    """The first update against torch's own AdamW on open_clip's loss, from the same start."""
    I_f, T_f = torch.randn(5, 6), torch.randn(5, 7)
    steps = train(I_f, T_f, 4, steps=1, rate=0.01, seed=3)
    first, second = next(steps), next(steps)
    generator = torch.Generator().manual_seed(3)
    W_i = (6**-0.5 * torch.randn(6, 4, generator=generator)).requires_grad_()
    W_t = (7**-0.5 * torch.randn(7, 4, generator=generator)).requires_grad_()
    t = torch.tensor(START_T, requires_grad=True)
    adam = torch.optim.AdamW([W_i, W_t, t], lr=0.01, weight_decay=0.0)
    for step in (first, second):
        loss = ClipLoss()(F.normalize(I_f @ W_i, dim=-1), F.normalize(T_f @ W_t, dim=-1), t.exp())
        assert step.loss == pytest.approx(loss.item(), abs=1e-5)
        cosines = F.normalize(I_f @ W_i, dim=-1) @ F.normalize(T_f @ W_t, dim=-1).T
        want = (t.exp() * cosines).detach().softmax(1)
        torch.testing.assert_close(step.along_rows, want, rtol=0, atol=1e-5)
        adam.zero_grad()
        loss.backward()
        adam.step()


def test_t_stops_at_ln_100_in_training_and_a_stop_stops():
    pair = torch.eye(2)  # with this seed told apart from the start, so that t wants to rise
    scales = [step.scale for step in train(pair, pair, 16, steps=30, rate=0.1, seed=2, start_t=4.6)]
    assert scales[0] == pytest.approx(math.exp(4.6), rel=1e-4) and max(scales) == pytest.approx(100, rel=1e-5)
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(train(pair, pair, 8, before_step=stop))
    assert len(calls) == 3
    with pytest.raises(ValueError, match="got 2 and 1"):
        next(train(pair, pair[:1], 8))
    with pytest.raises(ValueError, match="1 and 3 are the same"):
        next(train(torch.eye(3), pair[[0, 1, 0]], 8))


def test_the_tower_by_hand_equals_open_clips(plain):
    model, _ = plain
    image = pictures(1)[0]
    tower = through(model.visual, image)
    want = model.visual.forward_intermediates(image[None], output_fmt="NLC", output_extra_tokens=True)
    last = model.visual.ln_post(tower.states[-1])
    torch.testing.assert_close(
        last[0] @ model.visual.proj, model.encode_image(image[None])[0], rtol=0, atol=1e-5
    )
    for ours, theirs in zip(tower.states[1:], want["image_intermediates"], strict=True):
        torch.testing.assert_close(ours[1:], theirs[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(tower.attentions[0].sum(-1), torch.ones(2, 17))


def test_attentions_are_those_of_torchs_own_module(plain):
    model, _ = plain
    tower = through(model.visual, pictures(1)[0])
    for block, state, A in zip(
        model.visual.transformer.resblocks, tower.states, tower.attentions, strict=False
    ):
        x = block.ln_1(state)[None]
        _, want = block.attn(x, x, x, need_weights=True, average_attn_weights=False)
        torch.testing.assert_close(A, want[0], rtol=0, atol=1e-6)


def test_maps_of_a_picture(plain):
    model, reader = plain
    image, text = pictures(1)[0], encode_texts(model, reader.tokenizer, ["a dog"])[0]
    got = where(model, image, text)
    assert got.grid == (4, 4) and len(got.plain) == len(got.surgery) == len(got.gradient) == 16
    assert got.score == pytest.approx(float(encode_images(model, image[None])[0] @ text), abs=1e-5)
    tokens = model.visual.ln_post(through(model.visual, image).states[-1])[1:] @ model.visual.proj
    torch.testing.assert_close(
        got.plain, torch.cosine_similarity(tokens, text[None], dim=-1), rtol=0, atol=1e-5
    )
    assert (got.gradient >= 0).all() and got.gradient.max() > 0


def test_the_gradient_map_is_what_differences_say(plain):
    model, reader = plain
    image, text = pictures(1, 4)[0], encode_texts(model, reader.tokenizer, ["snow"])[0]
    got = where(model, image, text).gradient
    model = model.double()
    A = through(model.visual, image.double()).attentions[-1]

    def score(nudge):
        last = through(model.visual, image.double(), nudge).states[-1][0]
        return F.normalize(model.visual.ln_post(last) @ model.visual.proj, dim=-1) @ text.double()

    for patch in (0, 7, 15):
        total = 0.0
        for h in range(len(A)):
            nudge = torch.zeros_like(A)
            nudge[h, 0, 1 + patch] = 1e-5
            slope = float(score(nudge) - score(-nudge)) / 2e-5
            total += max(0.0, slope * float(A[h, 0, 1 + patch])) / len(A)
        assert float(got[patch]) == pytest.approx(total, rel=1e-3, abs=1e-7)
    model.float()


def test_the_gradient_is_that_of_torchs_last_layer(plain):
    """Torch's attentions, and a last layer that is written out here, under autograd."""
    model, reader = plain
    image, text = pictures(1, 3)[0], encode_texts(model, reader.tokenizer, ["snow"])[0].clone()
    visual, block = model.visual, model.visual.transformer.resblocks[-1]
    before = through(visual, image).states[-2][None]  # equal to open_clip's: see above
    x = block.ln_1(before)
    _, A = block.attn(x, x, x, need_weights=True, average_attn_weights=False)
    A = A[0].clone().requires_grad_()
    v = (x[0] @ block.attn.in_proj_weight.T + block.attn.in_proj_bias)[:, -32:].reshape(17, 2, 16)
    out = before[0] + block.attn.out_proj(torch.einsum("hij,jhd->ihd", A, v).reshape(17, 32))
    out = out + block.mlp(block.ln_2(out))
    score = F.normalize(visual.ln_post(out[0]) @ visual.proj, dim=-1) @ text
    (gradient,) = torch.autograd.grad(score, A)
    want = (gradient * A.detach()).clamp(min=0).mean(0)[0, 1:]
    torch.testing.assert_close(where(model, image, text).gradient, want, rtol=1e-3, atol=1e-6)


def test_the_value_path_takes_the_last_half_unless_told():
    model = clip_of({"layers": 4})
    image, text = pictures(1)[0], features(1, 16, 0)[0]
    maps = [where(model, image, text, path=n).surgery for n in (1, 2, 3, 4)]
    assert all((a - b).abs().max() > 1e-3 for a, b in pairwise(maps))
    torch.testing.assert_close(where(model, image, text).surgery, maps[1])
    for path in (0, 5):
        with pytest.raises(ValueError, match=rf"1\.\.4 layers; got {path}"):
            where(model, image, text, path=path)
    with pytest.raises(ValueError, match="3 x 32 x 32 are expected; got 3 x 40 x 40"):
        where(model, torch.zeros(3, 40, 40), text)


def test_the_tower_by_hand_has_the_scales_that_some_layers_have():
    model = clip_of({"ls_init_value": 0.3})
    last = through(model.visual, pictures(1)[0]).states[-1][0]
    got = model.visual.ln_post(last) @ model.visual.proj
    torch.testing.assert_close(got, model.encode_image(pictures(1))[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("other", [{"pool_type": "avg"}, {"scale_attn": True}, {"qk_norm": True}])
def test_a_tower_that_would_be_read_wrongly_gets_no_map(other):
    with pytest.raises(ValueError, match="a plain ViT with CLS"):
        where(clip_of(other), pictures(1)[0], features(1, 16, 0)[0])


def test_the_value_path_is_a_loop_over_values(plain):
    """Li et al. 2023, for the last layer alone: by torch's attention with values as queries and keys."""
    model, reader = plain
    image, text = pictures(1, 2)[0], encode_texts(model, reader.tokenizer, ["snow"])[0]
    tower, block = through(model.visual, image), model.visual.transformer.resblocks[-1]
    x = block.ln_1(tower.states[-2])
    v = (x @ block.attn.in_proj_weight.T + block.attn.in_proj_bias)[:, -32:]
    heads = v.reshape(17, 2, 16).transpose(0, 1)
    mixed = F.scaled_dot_product_attention(heads, heads, heads).transpose(0, 1).reshape(17, 32)
    want = tower.states[-2] + block.attn.out_proj(mixed)
    torch.testing.assert_close(value_path(model.visual, tower, 1), want, rtol=0, atol=1e-5)
    both = value_path(model.visual, tower, 2)  # the first layer's addition, read from the tower's own state
    alone = value_path(model.visual, tower, 1) - tower.states[-2]
    first = model.visual.transformer.resblocks[0]
    x = first.ln_1(tower.states[0])
    v = (
        (x @ first.attn.in_proj_weight.T + first.attn.in_proj_bias)[:, -32:]
        .reshape(17, 2, 16)
        .transpose(0, 1)
    )
    mixed = F.scaled_dot_product_attention(v, v, v).transpose(0, 1).reshape(17, 32)
    torch.testing.assert_close(both, tower.states[0] + first.attn.out_proj(mixed) + alone, rtol=0, atol=1e-5)
    tokens = F.normalize(model.visual.ln_post(both[1:]) @ model.visual.proj, dim=-1)
    torch.testing.assert_close(where(model, image, text, path=2).surgery, tokens @ text, rtol=0, atol=1e-5)
    others = features(5, 16, 0)
    got = where(model, image, text, others, path=2).surgery
    torch.testing.assert_close(got, tokens @ (text - others.mean(0)), rtol=0, atol=1e-5)


def test_another_tower_gets_no_map(tmp_path_factory):
    model, reader = made("siglip", tmp_path_factory)
    text = encode_texts(model, reader.tokenizer, ["snow"])[0]
    with pytest.raises(ValueError, match="a plain ViT with CLS"):
        where(model, pictures(1)[0], text)
