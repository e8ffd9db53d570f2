"""A Llama with gates in it, and the smaller Llama that is left when what is shut is taken out.

Letters, as in Xia et al. (2024), "Sheared LLaMA", with z for a gate:
    z_layer [L]       multiplies what attention and MLP of a layer add to the residual stream
    z_hidden [d]      multiplies every vector that is added to the residual stream, the token's embedding
                      included, and what the last norm gives, so that a tied output matrix sees it too
    z_head [L, H]     multiplies a head's output, before the output projection
    z_int [L, m]      multiplies an MLP unit, before the down projection
    K                 how many hidden dimensions are kept; RMSNorm averages over these only
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from demos.pruning.gates import Gates
from demos.pruning.shape import Shape, shape_of


@dataclass(frozen=True)
class Kept:
    """What stays, by number, ascending. heads, units: for each of the source's L layers, kept or not."""

    layers: Int[Tensor, " l"]
    width: Int[Tensor, " K"]
    heads: Int[Tensor, "L h"]
    units: Int[Tensor, "L n"]

    @property
    def shape(self) -> Shape:
        return Shape(len(self.layers), len(self.width), self.heads.shape[1], self.units.shape[1])

    def mask(self, gates: Gates) -> Gates:
        """True where a part is kept; of the sizes of the gates and beside them."""
        indices = (self.layers, self.width, self.heads, self.units)
        return Gates(
            *(
                torch.zeros_like(z, dtype=torch.bool).scatter(-1, index.to(z.device), True)
                for z, index in zip(gates.all(), indices, strict=True)
            )
        )


@contextmanager
def gated(model: nn.Module, gates: Gates, count: int) -> Iterator[None]:
    """While the block runs, the model itself has the gates. count: K. Gradients reach the gates."""
    handles = _hang(model, gates, count)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def masked(model: nn.Module, kept: Kept, gates: Gates) -> nn.Module:
    """A copy of the model in its full shape, where what is not kept is multiplied by 0 and the rest by z."""
    with torch.inference_mode(False):
        net = copy.deepcopy(model)
        _hang(net, gates.map(lambda z, keep: (z * keep).detach(), kept.mask(gates)), len(kept.width))
        return net


def shear(model: nn.Module, kept: Kept, gates: Gates) -> nn.Module:
    """A new, smaller model of the same class, with the kept rows and columns, their gates folded in.

    Its logits are those of `masked`, but for rounding. Heads keep their size. Where the width is no
    multiple of the heads the model works, but transformers does not read it back from a file.
    """
    shape, size, device = kept.shape, model.config.head_dim, model.device
    config = copy.deepcopy(model.config)
    config.num_hidden_layers, config.hidden_size = shape.layers, shape.width
    config.num_attention_heads = config.num_key_value_heads = shape.heads
    config.intermediate_size = shape.units
    with torch.inference_mode(False), torch.no_grad(), torch.random.fork_rng(devices=[]):
        small = type(model)(config).to(device, model.dtype).eval().requires_grad_(False)
        small.generation_config = copy.deepcopy(model.generation_config)
        z = gates.map(lambda t: t.to(device, model.dtype))
        dims = kept.width.to(device)
        z_hidden = z.width[dims]
        for name in ("model.embed_tokens", "lm_head"):
            _take(small, model, name, name, columns=dims, columns_times=z_hidden)
        small.model.norm.weight.copy_(model.model.norm.weight[dims])
        for here, n in enumerate(kept.layers.tolist()):
            heads, units = kept.heads[n].to(device), kept.units[n].to(device)
            of_heads = (heads[:, None] * size + torch.arange(size, device=device)).flatten()
            z_head, z_int = z.heads[n][heads].repeat_interleave(size), z.units[n][units]
            to, of = f"model.layers.{here}", f"model.layers.{n}"
            for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
                _take(small, model, f"{to}.{name}", f"{of}.{name}", of_heads, dims)
            for name in ("mlp.gate_proj", "mlp.up_proj"):
                _take(small, model, f"{to}.{name}", f"{of}.{name}", units, dims)
            adds = z.layers[n] * z_hidden
            for name, columns, times in (
                ("self_attn.o_proj", of_heads, z_head),
                ("mlp.down_proj", units, z_int),
            ):
                _take(small, model, f"{to}.{name}", f"{of}.{name}", dims, columns, adds, times)
            for name in ("input_layernorm", "post_attention_layernorm"):
                norm = model.get_submodule(f"{of}.{name}")
                small.get_submodule(f"{to}.{name}").weight.copy_(norm.weight[dims])
        return small


def _take(
    small: nn.Module,
    model: nn.Module,
    to: str,
    of: str,
    rows: Int[Tensor, " r"] | slice = slice(None),
    columns: Int[Tensor, " c"] | slice = slice(None),
    rows_times: Float[Tensor, " r"] | None = None,
    columns_times: Float[Tensor, " c"] | None = None,
) -> None:
    """Rows and columns of a weight, each times its number, and the rows of a bias, into the small model."""
    target, source = small.get_submodule(to), model.get_submodule(of)
    weight, bias = source.weight[rows][:, columns], getattr(source, "bias", None)
    if columns_times is not None:
        weight = weight * columns_times
    if rows_times is not None:
        weight = weight * rows_times[:, None]
    target.weight.copy_(weight)
    if bias is not None:
        target.bias.copy_(bias[rows] if rows_times is None else bias[rows] * rows_times)


def _hang(model: nn.Module, gates: Gates, count: int) -> list:
    """The gates as hooks on the model's modules; returns their handles."""
    shape_of(model)
    size = model.config.head_dim
    # RMSNorm averages over all d, shut dimensions being 0. With its input times c = sqrt(d / K) it
    # averages over K, its epsilon in place; its output is then c times too large.
    c = (len(gates.width) / count) ** 0.5
    handles = []

    def before(module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        handles.append(module.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]), *inputs[1:])))

    def after(module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        handles.append(module.register_forward_hook(lambda _, inputs, output: change(output)))

    def multiply(z: Float[Tensor, " n"]) -> Callable[[Tensor], Tensor]:
        return lambda x: x * z.to(x)

    def norm(module: nn.Module) -> None:
        before(module, lambda x: x * c)
        after(module, lambda x: x / c)

    after(model.model.embed_tokens, multiply(gates.width))
    for n, layer in enumerate(model.model.layers):
        norm(layer.input_layernorm)
        before(layer.self_attn.o_proj, multiply(gates.heads[n].repeat_interleave(size)))
        norm(layer.post_attention_layernorm)
        before(layer.mlp.down_proj, multiply(gates.units[n]))
        for adds in (layer.self_attn.o_proj, layer.mlp.down_proj):
            after(adds, multiply(gates.layers[n] * gates.width))
    norm(model.model.norm)
    after(model.model.norm, multiply(gates.width))
    return handles
