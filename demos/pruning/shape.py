"""The shape of a Llama: what structured pruning makes smaller."""

from dataclasses import astuple, dataclass, fields

from torch import nn


@dataclass(frozen=True)
class Shape:
    """layers; width: hidden dimensions; heads and units (of the MLP): of each layer.

    Raises ValueError where one is below 1.
    """

    layers: int
    width: int
    heads: int
    units: int

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} must be at least 1; got {getattr(self, field.name)}")

    def check_within(self, source: "Shape") -> None:
        """Raises ValueError where a number is above the source's."""
        for field in fields(self):
            value, most = getattr(self, field.name), getattr(source, field.name)
            if value > most:
                raise ValueError(f"{field.name} must be in 1..{most}; got {value}")

    def parameters(self, vocabulary: int, head_size: int, tied: bool = True) -> int:
        """Of a Llama of this shape without biases; tied: the output matrix is the embedding.

        head_size: dimensions of a head, which pruning leaves as they are.
        """
        attention = 4 * self.width * self.heads * head_size  # q, k, v, o
        mlp = 3 * self.width * self.units  # gate, up, down
        norms = 2 * self.width
        embeddings = (1 if tied else 2) * vocabulary * self.width
        return embeddings + self.layers * (attention + mlp + norms) + self.width

    def __str__(self) -> str:
        return "{} layers, width {}, {} heads, {} units".format(*astuple(self))


def shape_of(model: nn.Module) -> Shape:
    """The model's own shape, by its config.

    Raises ValueError for a model that is not built as a Llama with as many key-value heads as heads.
    """
    config = getattr(model, "config", None)
    kind = getattr(config, "model_type", type(model).__name__)
    if kind != "llama":
        raise ValueError(f"a Llama was expected; got a model of the type {kind!r}")
    heads, shared = config.num_attention_heads, config.num_key_value_heads
    if heads != shared:
        raise ValueError(f"as many key-value heads as heads are expected; got {shared} for {heads} heads")
    return Shape(config.num_hidden_layers, config.hidden_size, heads, config.intermediate_size)
