"""The Vision Transformer's trace against transformers' own classes, loops in float64 and differences."""

import math
from pathlib import Path

import pytest
import torch

from demos.kit.torchvision_shim import register_missing_operators
from demos.vision_transformer.algorithm import cut, encode, look, shuffled
from demos.vision_transformer.embedding import filters, similarity
from demos.vision_transformer.network import network, positions_on
from demos.vision_transformer.relevance import occlusion, on_patches, relevance, rollout

register_missing_operators()

from transformers import (  # noqa: E402
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    ViTConfig,
    ViTForImageClassification,
)

POCKET = Path(__file__).parents[1] / "assets" / "pocket" / "cifar-vit"


def vit(**options) -> ViTForImageClassification:
    torch.manual_seed(1)
    config = ViTConfig(
        image_size=24, patch_size=4, hidden_size=48, num_hidden_layers=3, num_attention_heads=3,
        intermediate_size=96, num_labels=7, initializer_range=0.3, attn_implementation="eager", **options,
    )  # fmt: skip
    return shaken(ViTForImageClassification(config))


def dino() -> Dinov2WithRegistersModel:
    torch.manual_seed(2)
    config = Dinov2WithRegistersConfig(
        image_size=42, patch_size=7, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_register_tokens=4, layerscale_value=0.4, initializer_range=0.1, attn_implementation="eager",
    )  # fmt: skip
    return shaken(Dinov2WithRegistersModel(config), by=0.05)


def pocket() -> ViTForImageClassification:
    model = ViTForImageClassification.from_pretrained(
        POCKET, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval().requires_grad_(False)


def shaken(model, by: float = 0.1):
    """No parameter is left at 0 or 1, where a forgotten one would not be missed."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(by * torch.randn_like(p))
    return model.eval().requires_grad_(False)


MODELS = {"vit": vit, "dino": dino, "pocket": pocket}


@pytest.fixture(params=MODELS, scope="module")
def model(request):
    return MODELS[request.param]()


def picture(model, seed: int = 0, size: int | None = None) -> torch.Tensor:
    size = size or model.config.image_size
    return torch.randn(3, size, size, generator=torch.Generator().manual_seed(seed))


def theirs(model, image):
    return model(pixel_values=image[None], output_attentions=True, output_hidden_states=True)


@torch.no_grad()
def test_projection_equals_the_models_own_convolution(model):
    image, embeddings = picture(model), getattr(model, "vit", model).embeddings
    trace = look(model, image)
    torch.testing.assert_close(
        trace.projected, embeddings.patch_embeddings(image[None])[0], rtol=0, atol=1e-5
    )
    torch.testing.assert_close(trace.sequence, embeddings(image[None])[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_states_attentions_and_logits_equal_transformers(model):
    image = picture(model)
    trace, want = look(model, image), theirs(model, image)
    torch.testing.assert_close(trace.attentions, torch.cat(want.attentions), rtol=0, atol=1e-6)
    scale = max(float(state.abs().max()) for state in want.hidden_states)
    for ours, state in zip(trace.hidden_states[:-1], want.hidden_states[:-1], strict=True):
        torch.testing.assert_close(ours, state[0], rtol=0, atol=1e-5 * scale)
    if hasattr(model, "classifier"):
        torch.testing.assert_close(trace.logits, want.logits[0], rtol=0, atol=1e-4)
    else:
        assert trace.logits is None
        last = network(model).norm(trace.hidden_states[-1])
        torch.testing.assert_close(last, want.last_hidden_state[0], rtol=0, atol=1e-4)


def test_shapes(model):
    config, trace = model.config, look(model, picture(model))
    n = (config.image_size // config.patch_size) ** 2
    r = getattr(config, "num_register_tokens", 0)
    s, d, layers = 1 + r + n, config.hidden_size, config.num_hidden_layers
    assert trace.registers == r and trace.grid == (math.isqrt(n),) * 2
    assert trace.patches.shape == (n, config.patch_size**2 * 3) and trace.projected.shape == (n, d)
    assert trace.positions.shape == trace.sequence.shape == (s, d)
    assert trace.hidden_states.shape == (layers + 1, s, d)
    assert trace.attentions.shape == (layers, config.num_attention_heads, s, s)
    assert trace.nbytes > trace.attentions.nbytes


def test_a_patchs_vector_runs_row_by_row_and_pixel_by_pixel():
    x = torch.arange(2 * 3 * 8 * 12, dtype=torch.float32).reshape(6, 8, 12)[:3]
    patches = cut(x, 4)
    assert patches.shape == (6, 48)
    for number, (row, column) in enumerate((r, c) for r in range(2) for c in range(3)):
        want = [x[c, 4 * row + i, 4 * column + j] for i in range(4) for j in range(4) for c in range(3)]
        assert patches[number].tolist() == [float(v) for v in want]


@pytest.mark.parametrize(("height", "width"), [(24, 40), (12, 12), (48, 28), (20, 24)])
@torch.no_grad()
def test_positions_of_other_grids_equal_transformers_own(height, width):
    model = vit()  # on few patches attentions are larger, and so is float32's rounding
    image = torch.randn(3, height, width)
    want = model(pixel_values=image[None], interpolate_pos_encoding=True, output_attentions=True)
    trace = look(model, image)
    torch.testing.assert_close(trace.logits, want.logits[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(trace.attentions, torch.cat(want.attentions), rtol=0, atol=5e-6)
    model = dino()
    height, width = 7 * height // 4, 7 * width // 4
    image = torch.randn(3, height, width)
    blank = torch.zeros(1, 1 + height * width // 49, 48)
    want = model.embeddings.interpolate_pos_encoding(blank, height, width)[0]
    got = positions_on(network(model), height // 7, width // 7)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)
    want = model(pixel_values=image[None], output_attentions=True)
    torch.testing.assert_close(look(model, image).attentions, torch.cat(want.attentions), rtol=0, atol=5e-6)


def test_without_positions_the_order_of_patches_does_not_matter():
    for make in (vit, pocket):
        model = make()
        image = picture(model)
        n = len(look(model, image).patches)
        for seed in range(3):
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
            plain = look(model, image, with_positions=False)
            other = shuffled(image, model.config.patch_size, order)
            bag = look(model, other, with_positions=False)
            torch.testing.assert_close(plain.logits, bag.logits, rtol=0, atol=1e-4)
            there = look(model, other)
            assert (there.logits - look(model, image).logits).abs().max() > 1e-2


@torch.no_grad()
def test_a_shuffled_picture_has_each_patch_at_its_new_place(model):
    image, P = picture(model), model.config.patch_size
    n = len(look(model, image).patches)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(5)).tolist()
    other = shuffled(image, P, order)
    side = image.shape[1] // P

    def patch(x, number):
        row, column = divmod(number, side)
        return x[:, row * P : row * P + P, column * P : column * P + P]

    assert all(torch.equal(patch(other, i), patch(image, order[i])) for i in range(n))
    torch.testing.assert_close(look(model, other).patches, look(model, image).patches[order])


@torch.no_grad()
def test_patches_taken_out_leave_the_same_as_transformers_layers_on_the_rest(model):
    image, body = picture(model), getattr(model, "vit", model)
    kept = [3, 4, 10, 17, 30]
    trace = look(model, image, kept=kept)
    states = body.embeddings(image[None])
    first = 1 + trace.registers
    states = torch.cat([states[:, :first], states[:, [first + k for k in kept]]], 1)
    assert trace.sequence.shape == (first + 5, states.shape[-1])
    for layer in body.layers if hasattr(body, "layers") else body.encoder.layer:
        states = layer(states)
    torch.testing.assert_close(trace.hidden_states[-1], states[0], rtol=0, atol=2e-4)
    row = on_patches(trace.attentions[0, 0, 0], trace)
    assert torch.nonzero(row).flatten().tolist() == kept
    assert torch.equal(row[kept], trace.attentions[0, 0, 0, first:])


def test_nothing_left_but_cls(model):
    trace = look(model, picture(model), kept=[])
    assert trace.sequence.shape[0] == 1 + trace.registers
    assert bool(torch.isfinite(trace.hidden_states).all())


def test_rollout_equals_a_loop_in_float64_and_its_rows_sum_to_one(model):
    attentions = look(model, picture(model)).attentions
    got = rollout(attentions)
    layers, heads, s, _ = attentions.shape
    A = attentions.tolist()
    total = [[float(i == j) for j in range(s)] for i in range(s)]
    for layer in range(layers):
        mixed = [
            [sum(A[layer][h][i][j] for h in range(heads)) / heads / 2 + (i == j) / 2 for j in range(s)]
            for i in range(s)
        ]
        mixed = [[v / sum(row) for v in row] for row in mixed]
        total = (torch.tensor(mixed, dtype=torch.float64) @ torch.tensor(total, dtype=torch.float64)).tolist()
    torch.testing.assert_close(got.double(), torch.tensor(total, dtype=torch.float64), rtol=0, atol=1e-6)
    torch.testing.assert_close(got.sum(-1), torch.ones(s), rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", [vit, pocket])
def test_gradients_of_relevance_equal_finite_differences(make):
    model = make().double()
    image = picture(model).double()
    trace, net = look(model, image), network(model)
    target = int(trace.logits.argmax())
    got = relevance(model, trace, target)
    logits = trace.logits
    for layer, head, i, j in ((0, 0, 0, 5), (1, 2, 3, 0), (2, 1, 7, 7), (len(net.blocks) - 1, 0, 0, 4)):
        found = []
        for step in (1e-4, -1e-4):
            nudges = torch.zeros_like(trace.attentions)
            nudges[layer, head, i, j] = step
            states, _ = encode(net.blocks, trace.sequence, nudges)
            found.append(net.classifier(net.norm(states[-1][0]))[target])
        want = float(found[0] - found[1]) / 2e-4
        assert float(got.gradients[layer, head, i, j]) == pytest.approx(want, rel=1e-5, abs=1e-8)
    assert torch.equal(logits, trace.logits)


def test_relevance_equals_transformers_attentions_under_autograd():
    """Chefer's rule on transformers' own graph, whose attentions keep their gradients."""
    model = vit()
    image = picture(model)
    trace = look(model, image)
    with torch.enable_grad():
        pixels = image[None].clone().requires_grad_()
        out = model(pixel_values=pixels, output_attentions=True)
        for A in out.attentions:
            A.retain_grad()
        out.logits[0, 4].backward()
    R = torch.eye(37)
    for A in out.attentions:
        R = R + (A.grad * A)[0].clamp(min=0).mean(0) @ R
    got = relevance(model, trace, 4)
    torch.testing.assert_close(got.relevance, R.detach(), rtol=1e-4, atol=1e-5)


def test_relevance_of_what_has_no_classes_is_refused():
    model = dino()
    with pytest.raises(ValueError, match="classifier is expected"):
        relevance(model, look(model, picture(model)), 0)
    with pytest.raises(ValueError, match="classifier is expected"):
        next(occlusion(model, picture(model), 0, [0], [0]))
    model = vit()
    with pytest.raises(ValueError, match="from 0 to 6; got 7"):
        relevance(model, look(model, picture(model)), 7)
    with pytest.raises(ValueError, match="from 0 to 6; got -1"):
        next(occlusion(model, picture(model), -1, [0], [0]))


@torch.no_grad()
def test_occlusion_is_what_transformers_layers_say_without_each_patch():
    model = vit()
    image = picture(model)
    got = dict(occlusion(model, image, 2, [0, 9, 20], [0, 20]))
    states = model.vit.embeddings(image[None])
    for patch in (0, 20):
        rest = [other for other in (0, 9, 20) if other != patch]
        some = torch.cat([states[:, :1], states[:, [1 + k for k in rest]]], 1)
        for layer in model.vit.layers:
            some = layer(some)
        want = model.classifier(model.vit.layernorm(some)[:, 0]).softmax(-1)[0, 2]
        assert got[patch] == pytest.approx(float(want), abs=1e-5)


def test_filters_are_the_principal_components_of_the_projection(model):
    net = network(model)
    got = filters(net, 5)
    p = model.config.patch_size
    assert got.components.shape == (5, p, p, 3)
    W = net.W.double()
    values, vectors = torch.linalg.eigh(torch.cov(W.T))
    for k in range(5):
        ours = got.components[k].double().flatten()
        assert abs(float(ours @ vectors[:, -1 - k])) == pytest.approx(1, abs=1e-4)
        assert float(got.share[k]) == pytest.approx(float(values[-1 - k] / values.sum()), abs=1e-5)


@torch.no_grad()
def test_a_filter_answers_as_the_convolution_does():
    """The order of a component's pixels is that of the model's own weights."""
    model = vit()
    got = filters(network(model), 200)
    weight = model.vit.embeddings.patch_embeddings.projection.weight
    centred = weight - weight.mean(0)
    back = torch.einsum("npqc,dcpq->dn", got.components, centred)
    rebuilt = torch.einsum("dn,npqc->dcpq", back, got.components)
    torch.testing.assert_close(rebuilt, centred, rtol=0, atol=1e-4)


def test_similarity_equals_torchs_cosine(model):
    positions = network(model).table[1:10]
    got = similarity(positions)
    for i in range(9):
        want = torch.cosine_similarity(positions[i][None], positions, dim=-1)
        torch.testing.assert_close(got[i], want, rtol=0, atol=1e-5)
    assert similarity(torch.zeros(3, 4)).abs().max() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kept": [0, 36]}, "kept must name patches from 0 to 35"),
        ({"kept": [-1]}, "kept must name patches"),
        ({"kept": [2, 2]}, "each at most once"),
    ],
)
def test_patches_that_are_not_there_are_refused(options, words):
    model = vit()
    with pytest.raises(ValueError, match=words):
        look(model, picture(model), **options)


@pytest.mark.parametrize(
    ("order", "words"),
    [([0, 1], "each of the 36 patches; got 2"), ([0] * 36, "each at most once"), ([36], "from 0 to 35")],
)
def test_an_order_that_is_none_is_refused(order, words):
    with pytest.raises(ValueError, match=words):
        shuffled(torch.zeros(3, 24, 24), 4, order)


@pytest.mark.parametrize("size", [(23, 24), (24, 3), (0, 24)])
def test_a_picture_that_is_no_whole_number_of_patches_is_refused(size):
    with pytest.raises(ValueError, match=f"multiples of 4 pixels; got {size[0]} x {size[1]}"):
        look(vit(), torch.zeros(3, *size))
