"""What the first layer learned: the filters in W, and where the positions lie."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from demos.vision_transformer.network import Network


@dataclass(frozen=True)
class Filters:
    """components: the directions in which the rows of W differ most, each as a patch, of length 1.

    share: of the variance of W's rows, what each component explains.
    """

    components: Float[Tensor, "n P P C"]
    share: Float[Tensor, " n"]


def filters(net: Network, n: int = 28) -> Filters:
    """The first n principal components of the rows of W, as Dosovitskiy et al. 2021 show them in figure 7."""
    W = net.W.float()
    centred = W - W.mean(0)
    _, size, directions = torch.linalg.svd(centred, full_matrices=False)
    n = min(n, len(size))
    return Filters(directions[:n].reshape(n, net.patch, net.patch, -1), (size**2 / (size**2).sum())[:n])


def similarity(positions: Float[Tensor, "N D"]) -> Float[Tensor, "N N"]:
    """The cosine between each two position vectors; 0 for vectors of length 0."""
    unit = torch.nn.functional.normalize(positions.float(), dim=-1)
    return unit @ unit.T
