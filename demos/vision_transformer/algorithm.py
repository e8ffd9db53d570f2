"""A picture as a sequence, and a transformer that reads it, step by step (Dosovitskiy et al. 2021).

Letters, as in the lecture and the paper:
    x          the picture, H x W pixels of C channels, as the model gets it (normalised)
    P          the side of a patch in pixels (Hp = Wp = P)
    p_i        patch i of N, counted row by row; f(p_i) its P * P * C numbers, row by row, as one vector
    W, b       the projection from P * P * C numbers to D, and its bias
    v_i^pos    the position vector of patch i
    D          the width of the model
    R          the number of registers, learned vectors beside CLS (Darcet et al. 2024); 0 in the plain ViT
    S          the length of the sequence, 1 + R + N: CLS, the registers, the patches
    A          attention: A[l, h, i, j] is how much position i takes from j in head h of layer l

The lecture's slide writes v_i = f(p_i) + v_i^pos; as f(p_i) has P * P * C numbers and v_i^pos has D, the
sum that is meant, and computed here, is W f(p_i) + b + v_i^pos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from demos.vision_transformer.network import Block, network, positions_on


@dataclass(frozen=True)
class ViTTrace:
    """Everything between a picture and what the model says of it.

    grid: rows and columns of patches. kept: the patches in the sequence by their number, in its order.
    patches: f(p_i) for all N patches. projected: W f(p_i) + b. positions: the vectors that were added;
    registers get none, so theirs are 0. sequence: what the first layer reads. hidden_states: L + 1
    of them, the sequence and what each layer gives, before the last normalisation.
    logits: None where the model has no classifier.
    """

    grid: tuple[int, int]
    kept: Int[Tensor, " K"]
    patches: Float[Tensor, "N PPC"]
    projected: Float[Tensor, "N D"]
    positions: Float[Tensor, "S D"]
    sequence: Float[Tensor, "S D"]
    hidden_states: Float[Tensor, "L1 S D"]
    attentions: Float[Tensor, "L heads S S"]
    logits: Float[Tensor, " classes"] | None

    @property
    def registers(self) -> int:
        return len(self.sequence) - 1 - len(self.kept)

    @property
    def nbytes(self) -> int:
        held = (self.patches, self.projected, self.positions, self.sequence, self.hidden_states)
        return sum(t.nbytes for t in (*held, self.attentions))


def look(
    model: nn.Module,
    image: Float[Tensor, "C H W"],
    *,
    kept: Sequence[int] | None = None,
    with_positions: bool = True,
) -> ViTTrace:
    """What a Vision Transformer of transformers makes of one picture, with all that lies between.

    image: x, normalised as the model's processor does. kept: the patches that stay in the sequence; the
    others are taken out of it (default: all). with_positions: False leaves v^pos out.

    Raises ValueError where the picture is no whole number of patches, or where kept names patches that
    are not there.
    """
    with torch.inference_mode():
        net = network(model)
        image = image.to(net.W.device, net.W.dtype)
        rows, columns = grid_of(image, net.patch)
        n = rows * columns
        kept = torch.arange(n) if kept is None else _numbers("kept", kept, n)
        patches = cut(image, net.patch)
        projected = patches @ net.W.T + net.b
        positions = positions_on(net, rows, columns) * with_positions
        tokens = projected[kept] + positions[1:][kept]
        head = torch.cat([(net.cls + positions[0])[None], net.registers])
        sequence = torch.cat([head, tokens])
        states, attentions = encode(net.blocks, sequence)
        none = torch.zeros_like(net.registers)
        return ViTTrace(
            grid=(rows, columns),
            kept=kept,
            patches=patches,
            projected=projected,
            positions=torch.cat([positions[:1], none, positions[1:][kept]]),
            sequence=sequence,
            hidden_states=states,
            attentions=attentions,
            logits=net.classifier(net.norm(states[-1][0])) if net.classifier else None,
        )


def grid_of(image: Float[Tensor, "C H W"], patch: int) -> tuple[int, int]:
    """Rows and columns of patches. Raises ValueError where they do not fill the picture."""
    _, height, width = image.shape
    if height % patch or width % patch or not height * width:
        raise ValueError(f"height and width must be multiples of {patch} pixels; got {height} x {width}")
    return height // patch, width // patch


def cut(image: Float[Tensor, "C H W"], patch: int) -> Float[Tensor, "N PPC"]:
    """f(p_i): the patches row by row, each as one vector: its pixels row by row, each with its channels."""
    rows, columns = grid_of(image, patch)
    pixels = image.permute(1, 2, 0)  # the lecture's x in R^(H x W x C)
    tiles = pixels.reshape(rows, patch, columns, patch, -1).transpose(1, 2)
    return tiles.reshape(rows * columns, -1)


def shuffled(image: Float[Tensor, "C H W"], patch: int, order: Sequence[int]) -> Float[Tensor, "C H W"]:
    """The picture that has patch order[i] at place i. Raises ValueError unless order has each once."""
    rows, columns = grid_of(image, patch)
    order = _numbers("order", order, rows * columns)
    if len(order) < rows * columns:
        raise ValueError(f"order must name each of the {rows * columns} patches; got {len(order)} of them")
    tiles = cut(image, patch)[order].reshape(rows, columns, patch, patch, -1)
    return tiles.transpose(1, 2).reshape(rows * patch, columns * patch, -1).permute(2, 0, 1)


def encode(
    blocks: Sequence[Block],
    sequence: Float[Tensor, "S D"],
    nudges: Float[Tensor, "L heads S S"] | None = None,
) -> tuple[Float[Tensor, "L1 S D"], Float[Tensor, "L heads S S"]]:
    """The sequence through all layers: its states and the attentions.

    nudges: added to the attentions after their softmax, to ask how the output depends on each of them.
    """
    states, attentions = [sequence], []
    for number, block in enumerate(blocks):
        x = states[-1]
        A, values = attention(block, block.norm_1(x))
        if nudges is not None:
            A = A + nudges[number]
        x = x + block.scale_1(block.o((A @ values).transpose(0, 1).flatten(1)))
        x = x + block.scale_2(block.mlp(block.norm_2(x)))
        states.append(x)
        attentions.append(A)
    return torch.stack(states), torch.stack(attentions)


def attention(
    block: Block, x: Float[Tensor, "S D"]
) -> tuple[Float[Tensor, "heads S S"], Float[Tensor, "heads S d"]]:
    """softmax(Q K^T / sqrt(d)) for each head, and the values that it weighs. d = D / heads."""
    Q, K, V = (
        part(x).unflatten(-1, (block.heads, -1)).transpose(0, 1) for part in (block.q, block.k, block.v)
    )
    return (Q @ K.transpose(1, 2) * Q.shape[-1] ** -0.5).softmax(-1), V


def _numbers(name: str, wanted: Sequence[int], n: int) -> Int[Tensor, " K"]:
    numbers = torch.as_tensor(wanted, dtype=torch.long).reshape(-1)
    inside = not len(numbers) or (numbers.min() >= 0 and numbers.max() < n)
    if not inside or len(numbers.unique()) < len(numbers):
        raise ValueError(f"{name} must name patches from 0 to {n - 1}, each at most once; got {list(wanted)}")
    return numbers
