"""What a shearing went through: the search for the shape, the cut, and the training after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from demos.pruning.gates import Gates
from demos.pruning.masking import Kept
from demos.pruning.shape import Shape


@dataclass(frozen=True)
class Frame:
    """One step of the search. sizes, goal: s and t; linear, quadratic: lambda and phi; in the order of C.

    probabilities: P(z != 0) of each gate, in 16 bits.
    """

    number: int
    sizes: Float[Tensor, " C"]
    goal: Float[Tensor, " C"]
    linear: Float[Tensor, " C"]
    quadratic: Float[Tensor, " C"]
    probabilities: Gates


@dataclass(frozen=True)
class Weight:
    """What a model weighs. memory: bytes of its parameters as they run; file: bytes in bfloat16, as stored.

    milliseconds: median time of a token.
    """

    parameters: int
    memory: int
    file: int
    milliseconds: float


@dataclass(frozen=True)
class Cut:
    """What stays and with which gates. apart: the largest difference of a logit between the model whose
    gates are shut and the one whose rows are removed; reach: the largest logit; None where not computed."""

    kept: Kept
    gates: Gates
    apart: float | None = None
    reach: float | None = None


@dataclass(frozen=True)
class Shearing:
    """A run as far as it went.

    steps, training: of the search and of the training, in all. frames: of some steps of the search. searched:
    the loss of each of its steps. cut: None during the search. weights: of the source and of the sheared
    model. trained, scratch: the loss of each step of the sheared model, and of one of its shape from scratch.
    held_out: mean loss per token on text that no model saw, by the names of LOSSES, as far as known;
    windows: of how many sequences. seconds: that the search took. prepared: words on a run that ships.
    """

    source: Shape
    target: Shape
    steps: int
    training: int
    windows: int
    frames: tuple[Frame, ...] = ()
    searched: tuple[float, ...] = ()
    cut: Cut | None = None
    weights: tuple[Weight, ...] = ()
    trained: tuple[float, ...] = ()
    scratch: tuple[float, ...] = ()
    held_out: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    prepared: str = ""

    @property
    def done(self) -> bool:
        return "from_scratch" in self.held_out


# Names of the losses, as in the card of the run that ships, in the order in which they are measured.
LOSSES = (
    *("source", "masked_after_the_search", "sheared", "from_scratch_before"),
    *("sheared_and_trained", "from_scratch"),
)
