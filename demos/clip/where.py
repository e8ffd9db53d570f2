"""Where in a picture a text is found: three ways through the image tower of an open_clip model.

The tower's own patch vectors do not do: only CLS was held to the text, and their plain cosines are often high
on the ground and low on the thing. Li et al. 2023 explain it by queries and keys, which link patches that
differ, so that ground and thing exchange what they carry.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from demos.clip.towers import check_pictures


@dataclass(frozen=True)
class WhereTrace:
    """Each map has a number for each patch, row by row.

    grid: rows and columns. score: cosine of picture and text. plain: cosines of patches and text. surgery:
    the same on the value path, less the mean of those with the other texts. gradient: a relative weight, 0 or
    more, without a unit.
    """

    grid: tuple[int, int]
    score: float
    surgery: Float[Tensor, " N"]
    gradient: Float[Tensor, " N"]
    plain: Float[Tensor, " N"]


@dataclass(frozen=True)
class Tower:
    """The picture in the tower: the state before each layer and after the last, and all attentions."""

    states: tuple[Float[Tensor, "S D"], ...]
    attentions: tuple[Float[Tensor, "heads S S"], ...]


def where(
    model: nn.Module,
    image: Float[Tensor, "3 H W"],
    text: Float[Tensor, " De"],
    others: Float[Tensor, "m De"] | None = None,
    *,
    path: int | None = None,
) -> WhereTrace:
    """The three maps of one picture for one text.

    text, others: text features of length 1; the mean of `others`, what texts share, is taken away from the
    text for the value-value map (feature surgery). path: how many of the last layers the value-value path
    runs through (default: the last half). Raises ValueError for a tower that is no plain ViT with CLS, a
    picture of another size, and a path that is longer than the tower.
    """
    visual = _plain(model)
    check_pictures(model, image[None])
    weight = visual.conv1.weight
    image = image.to(weight.device, weight.dtype)
    text = text.to(weight.device).float()
    blocks = visual.transformer.resblocks
    path = max(1, len(blocks) // 2) if path is None else path
    if not 1 <= path <= len(blocks):
        raise ValueError(f"path must be in 1..{len(blocks)} layers; got {path}")
    with torch.inference_mode(False), torch.enable_grad():
        side = visual.positional_embedding.shape[0]
        nudge = weight.new_zeros(blocks[-1].attn.num_heads, side, side).requires_grad_()
        tower = through(visual, image.clone(), nudge)
        cls = F.normalize(shared(visual, tower.states[-1][0]), dim=-1)
        score = cls @ text.clone()
        (gradient,) = torch.autograd.grad(score, nudge)
    with torch.no_grad():
        last = tower.attentions[-1].detach().float()
        weighed = (gradient.float() * last).clamp(min=0).mean(0)[0, 1:]
        query = text if others is None else text - others.to(text).mean(0)
        patches = F.normalize(shared(visual, value_path(visual, tower, path)[1:]), dim=-1)
        plain = F.normalize(shared(visual, tower.states[-1][1:]), dim=-1)
        return WhereTrace(
            grid=tuple(visual.grid_size),
            score=float(score),
            surgery=(patches @ query).cpu(),
            gradient=weighed.cpu(),
            plain=(plain @ text).cpu(),
        )


def through(
    visual: nn.Module, image: Float[Tensor, "3 H W"], nudge: Float[Tensor, "heads S S"] | float = 0.0
) -> Tower:
    """The tower by hand. nudge: added to the attentions of the last layer, to ask for their gradient."""
    x = visual.conv1(image[None])[0].flatten(1).T
    x = torch.cat([visual.class_embedding[None].to(x.dtype), x]) + visual.positional_embedding.to(x.dtype)
    states, attentions = [visual.ln_pre(x)], []
    blocks = visual.transformer.resblocks
    for block in blocks:
        x = states[-1]
        q, k, v = _heads(block, block.ln_1(x))
        A = (q @ k.transpose(1, 2) * q.shape[-1] ** -0.5).softmax(-1)
        if block is blocks[-1]:
            A = A + nudge
        x = x + block.ls_1(_joined(block, A @ v))
        x = x + block.ls_2(block.mlp(block.ln_2(x)))
        states.append(x)
        attentions.append(A)
    return Tower(tuple(states), tuple(attentions))


def value_path(visual: nn.Module, tower: Tower, path: int) -> Float[Tensor, "S D"]:
    """What the last layers' attentions would add if values asked and answered: softmax(V V^T / sqrt(d)) V.

    Beside the tower, on its own states; without the MLPs, which pull the patches away from the text.
    """
    blocks = list(visual.transformer.resblocks)
    x = tower.states[len(blocks) - path].detach()
    for block, state in zip(blocks[-path:], tower.states[len(blocks) - path :], strict=False):
        _, _, v = _heads(block, block.ln_1(state.detach()))
        A = (v @ v.transpose(1, 2) * v.shape[-1] ** -0.5).softmax(-1)
        x = x + block.ls_1(_joined(block, A @ v))
    return x


def shared(visual: nn.Module, states: Float[Tensor, "*S D"]) -> Float[Tensor, "*S De"]:
    """States of the last layer in the space that is shared with texts, in float32."""
    return (visual.ln_post(states) @ visual.proj).float()


def _heads(block: nn.Module, x: Float[Tensor, "S D"]) -> tuple[Tensor, Tensor, Tensor]:
    attn = block.attn
    joined = F.linear(x, attn.in_proj_weight, attn.in_proj_bias)
    q, k, v = (part.unflatten(-1, (attn.num_heads, -1)).transpose(0, 1) for part in joined.chunk(3, -1))
    return q, k, v


def _joined(block: nn.Module, mixed: Float[Tensor, "heads S d"]) -> Float[Tensor, "S D"]:
    return block.attn.out_proj(mixed.transpose(0, 1).flatten(1))


def _plain(model: nn.Module) -> nn.Module:
    visual = model.visual
    fits = all(hasattr(visual, name) for name in ("conv1", "class_embedding", "ln_post", "proj"))
    # Blocks with norms of their own inside the attention are open_clip's, and not torch's module.
    fits = fits and all(isinstance(b.attn, nn.MultiheadAttention) for b in visual.transformer.resblocks)
    if not fits or visual.pool_type != "tok" or getattr(visual, "attn_pool", None) is not None:
        raise ValueError(
            "maps are made for image towers that are a plain ViT with CLS; this model's tower is another"
        )
    return visual
