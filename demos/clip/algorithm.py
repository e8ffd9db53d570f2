"""Pictures and texts in one space, learned by contrast (Radford et al. 2021), and zero-shot labels from it.

Letters, as in figure 3 of the paper:
    n           pairs of a picture and a text
    I_f, T_f    [n, d_i], [n, d_t]: what the towers give before the projection
    W_i, W_t    [d_i, d_e], [d_t, d_e]: the projections into the shared space
    I_e, T_e    [n, d_e]: the projected features, of length 1
    t           the learned temperature; exp(t) multiplies the cosines (open_clip's logit_scale is t)
    b           the bias of SigLIP (Zhai et al. 2023), which other models do not have
    logits      [n, n]: exp(t) I_e T_e^T (+ b), a row for each picture, a column for each text
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor, nn

from demos.clip.towers import Projected, check_different, check_pictures, image_side, text_side

MOST_T = math.log(100)  # the paper keeps exp(t) at 100 or below; SigLIP does not, and learned more
Tokenizer = Callable[[list[str]], Int[Tensor, "texts context"]]


@dataclass(frozen=True)
class ContrastTrace:
    """The contrast of n pairs.

    images, texts: the sides before projection; None where the tower keeps no projection of its own
    (SigLIP). image_features, text_features: I_e and T_e. t, bias: as used. logits: above.
    along_rows, along_columns: softmax over the texts of each picture, over the pictures of each text.
    losses_images, losses_texts: cross-entropy of each row and column with its own pair as the target;
    loss_images, loss_texts: their means. loss: what the model was trained with: the mean of both, and for
    a model with a bias the sigmoid loss, summed over all n^2 pairs and divided by n.
    """

    images: Projected | None
    texts: Projected | None
    image_features: Float[Tensor, "n De"]
    text_features: Float[Tensor, "n De"]
    t: float
    bias: float | None
    logits: Float[Tensor, "n n"]
    along_rows: Float[Tensor, "n n"]
    along_columns: Float[Tensor, "n n"]
    losses_images: Float[Tensor, " n"]
    losses_texts: Float[Tensor, " n"]
    loss_images: float
    loss_texts: float
    loss: float

    @property
    def cosine(self) -> Float[Tensor, "n n"]:
        return self.image_features @ self.text_features.T


@dataclass(frozen=True)
class ZeroShotTrace:
    """Pictures among labels. text_features: the classifier, a vector of length 1 for each label.

    logits: exp(t) times the cosines, plus b where the model has one. softmax: relative to the set of labels.
    sigmoid: each label by itself; None without b, as such a model was never taught what fits and what not.
    probabilities: the one of both that the model was trained for.
    """

    text_features: Float[Tensor, "labels De"]
    logits: Float[Tensor, "n labels"]
    softmax: Float[Tensor, "n labels"]
    sigmoid: Float[Tensor, "n labels"] | None

    @property
    def probabilities(self) -> Float[Tensor, "n labels"]:
        return self.softmax if self.sigmoid is None else self.sigmoid


@torch.inference_mode()
def contrast(
    model: nn.Module, images: Float[Tensor, "n 3 H W"], texts: Int[Tensor, "m context"]
) -> ContrastTrace:
    """n pictures against n texts, of which the i-th belong together.

    model: an open_clip model. images: as its preprocessing gives them; texts: ids of its tokenizer.
    Raises ValueError unless there are as many of both, at least two, the pictures of the model's size and
    the texts different in their tokens: one that came twice would count as wrong for its own picture.
    """
    if len(images) != len(texts) or len(images) < 2:
        raise ValueError(
            f"as many pictures as texts, at least 2, are expected; got {len(images)}, {len(texts)}"
        )
    check_different(texts)
    pictures, words = image_side(model, images), text_side(model, texts)
    I_e = F.normalize(pictures.projected.float(), dim=-1)
    T_e = F.normalize(words.projected.float(), dim=-1)
    bias = None if model.logit_bias is None else model.logit_bias.item()
    return contrast_of(
        I_e, T_e, model.logit_scale.item(), bias, pictures if pictures.weight is not None else None,
        words if words.weight is not None else None,
    )  # fmt: skip


def contrast_of(
    image_features: Float[Tensor, "n De"],
    text_features: Float[Tensor, "m Dt"],
    t: float,
    bias: float | None = None,
    images: Projected | None = None,
    texts: Projected | None = None,
) -> ContrastTrace:
    """The same from features of length 1, so that another t costs no pass of a tower.

    Without b, a t above ln 100 counts as ln 100. Raises ValueError unless both have the same shape.
    """
    if image_features.shape != text_features.shape:
        came = f"{tuple(image_features.shape)} and {tuple(text_features.shape)}"
        raise ValueError(f"features of pictures and texts of one shape, [n, De], are expected; got {came}")
    t = min(t, MOST_T) if bias is None else t
    logits = math.exp(t) * image_features @ text_features.T + (bias or 0.0)
    labels = torch.arange(len(logits), device=logits.device)
    losses_images = F.cross_entropy(logits, labels, reduction="none")
    losses_texts = F.cross_entropy(logits.T, labels, reduction="none")
    loss_images, loss_texts = float(losses_images.mean()), float(losses_texts.mean())
    return ContrastTrace(
        images=images,
        texts=texts,
        image_features=image_features,
        text_features=text_features,
        t=t,
        bias=bias,
        logits=logits,
        along_rows=logits.softmax(1),
        along_columns=logits.softmax(0),
        losses_images=losses_images,
        losses_texts=losses_texts,
        loss_images=loss_images,
        loss_texts=loss_texts,
        loss=(loss_images + loss_texts) / 2 if bias is None else sigmoid_loss(logits),
    )


def sigmoid_loss(logits: Float[Tensor, "n n"]) -> float:
    """Zhai et al. 2023: each of the n^2 pairs by itself, 1 on the diagonal and -1 beside it; over n."""
    signs = 2 * torch.eye(len(logits), device=logits.device) - 1
    return float(-F.logsigmoid(signs * logits).sum() / len(logits))


@torch.inference_mode()
def classifier(
    model: nn.Module, tokenizer: Tokenizer, labels: Sequence[str], templates: Sequence[str] = ("{}",)
) -> Float[Tensor, "labels De"]:
    """A vector of length 1 for each label: its features in all templates, each of length 1, averaged.

    Raises ValueError for no labels, no templates, or a template without {}.
    """
    if not labels or not templates or any("{}" not in template for template in templates):
        raise ValueError(
            f"labels, and templates with {{}} in them, are expected; got {labels!r}, {templates!r}"
        )
    texts = [template.format(label) for label in labels for template in templates]
    parts = [encode_texts(model, tokenizer, texts[i : i + 256]) for i in range(0, len(texts), 256)]
    averaged = torch.cat(parts).reshape(len(labels), len(templates), -1).mean(1)
    return F.normalize(averaged, dim=-1)


@torch.inference_mode()
def zero_shot(
    model: nn.Module,
    tokenizer: Tokenizer,
    images: Float[Tensor, "n 3 H W"],
    labels: Sequence[str],
    templates: Sequence[str] = ("{}",),
    *,
    text_features: Float[Tensor, "labels De"] | None = None,
) -> ZeroShotTrace:
    """Pictures among labels. text_features: what `classifier` gave for these labels before."""
    if text_features is None:
        text_features = classifier(model, tokenizer, labels, templates)
    return zero_shot_of(
        encode_images(model, images), text_features, model.logit_scale.item(), model.logit_bias
    )


def zero_shot_of(
    image_features: Float[Tensor, "n De"],
    text_features: Float[Tensor, "labels Dt"],
    t: float,
    bias: Tensor | float | None = None,
) -> ZeroShotTrace:
    """The same from features of length 1. Raises ValueError unless both have the same width."""
    if image_features.shape[1] != text_features.shape[1]:
        came = f"{image_features.shape[1]} and {text_features.shape[1]}"
        raise ValueError(f"features of pictures and labels of the same width are expected; got {came}")
    logits = math.exp(t) * image_features @ text_features.T + (0.0 if bias is None else float(bias))
    return ZeroShotTrace(
        text_features, logits, logits.softmax(-1), None if bias is None else logits.sigmoid()
    )


@torch.inference_mode()
def encode_images(model: nn.Module, images: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n De"]:
    """I_e: features of length 1, in float32. Raises ValueError for pictures of another size."""
    check_pictures(model, images)
    weight = next(model.visual.parameters())
    return F.normalize(model.encode_image(images.to(weight.device, weight.dtype)).float(), dim=-1)


@torch.inference_mode()
def encode_texts(model: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> Float[Tensor, "n De"]:
    """T_e: features of length 1, in float32."""
    where = next(model.visual.parameters()).device
    return F.normalize(model.encode_text(tokenizer(list(texts)).to(where)).float(), dim=-1)
