"""A Vision Transformer's weights under the paper's letters, whichever class of transformers holds them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Block:
    """One layer: attention with `heads` heads, then an MLP, each on a normalised copy and added to it.

    scale_1, scale_2: what DINOv2 multiplies both additions with; identities elsewhere.
    """

    norm_1: nn.Module
    q: nn.Module
    k: nn.Module
    v: nn.Module
    o: nn.Module
    scale_1: nn.Module
    norm_2: nn.Module
    mlp: nn.Module
    scale_2: nn.Module
    heads: int


@dataclass(frozen=True)
class Network:
    """W: the projection, its columns in the order row, column, channel of a patch. b: its bias.

    cls, registers: the learned vectors that stand before the patches. table: the learned positions of
    CLS and of the training grid, M x M patches. patch: P, the side of a patch in pixels.
    antialias: whether the positions of a smaller grid are smoothed as they are interpolated.
    classifier: from the normalised CLS to logits; None where the model has none.
    """

    W: Float[Tensor, "D PPC"]
    b: Float[Tensor, " D"]
    cls: Float[Tensor, " D"]
    registers: Float[Tensor, "R D"]
    table: Float[Tensor, "M1 D"]
    patch: int
    antialias: bool
    blocks: tuple[Block, ...]
    norm: nn.Module
    classifier: nn.Module | None


def network(model: nn.Module) -> Network:
    """The parts of a ViTModel, ViTForImageClassification or Dinov2WithRegistersModel, not copied."""
    body = getattr(model, "vit", model)
    embeddings = body.embeddings
    projection = embeddings.patch_embeddings.projection
    width = projection.weight.shape[0]
    registers = getattr(embeddings, "register_tokens", None)
    return Network(
        W=projection.weight.permute(0, 2, 3, 1).reshape(width, -1),
        b=projection.bias,
        cls=embeddings.cls_token[0, 0],
        registers=embeddings.cls_token.new_empty(0, width) if registers is None else registers[0],
        table=embeddings.position_embeddings[0],
        patch=projection.kernel_size[0],
        antialias=model.config.model_type.startswith("dinov2"),  # as the two classes of transformers differ
        blocks=tuple(
            _block(layer) for layer in (body.layers if hasattr(body, "layers") else body.encoder.layer)
        ),
        norm=body.layernorm,
        classifier=getattr(model, "classifier", None),
    )


def _block(layer: nn.Module) -> Block:
    attention, same = layer.attention, nn.Identity()
    first, second = ("norm1", "norm2") if hasattr(layer, "norm1") else ("layernorm_before", "layernorm_after")
    return Block(
        norm_1=getattr(layer, first),
        q=attention.q_proj,
        k=attention.k_proj,
        v=attention.v_proj,
        o=attention.o_proj,
        scale_1=getattr(layer, "layer_scale1", same),
        norm_2=getattr(layer, second),
        mlp=layer.mlp,
        scale_2=getattr(layer, "layer_scale2", same),
        heads=attention.num_attention_heads,
    )


def positions_on(net: Network, rows: int, columns: int) -> Float[Tensor, "N1 D"]:
    """The position vectors of CLS and of a grid of patches, row by row.

    On the grid of the training they are the learned ones; on another grid they are interpolated, bicubic
    in both directions, in float32.
    """
    side = round((len(net.table) - 1) ** 0.5)
    if (rows, columns) == (side, side):
        return net.table
    learned = net.table[1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    between = nn.functional.interpolate(
        learned, size=(rows, columns), mode="bicubic", align_corners=False, antialias=net.antialias
    )
    return torch.cat([net.table[:1], between[0].flatten(1).T.to(net.table.dtype)])
