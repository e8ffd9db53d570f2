"""A run -> what the linked view draws. Pure functions; the page's script does the softmax again when exp(t)
is dragged, and the tests hold it to `contrast_of`.
"""

import numpy as np
from torch import Tensor

from demos.clip.algorithm import ContrastTrace
from demos.clip.training import TrainStep
from demos.kit.pack import Packed, pack


def run_view(trace: ContrastTrace, key: str, model: str, pairs: list[dict]) -> Packed:
    """The contrast. pairs: as the page holds them, with a thumb where it is none of the app's pictures."""
    return pack(
        {"cosine": (trace.cosine.numpy(), "f4")},
        {
            "kind": "run",
            "key": key,
            "model": model,
            "pairs": pairs,
            "t": trace.t,
            "bias": trace.bias,
            "loss": trace.loss,
            "code": pseudocode(trace),
        },
    )


def pseudocode(trace: ContrastTrace) -> list[dict]:
    """The steps of the paper's figure 3, each with the shape and the first values of this run."""
    I, T = trace.images, trace.texts  # noqa: E741, the paper's letters
    n = len(trace.image_features)

    def row(line: str, value: Tensor | float | None, hidden: str = "inside the tower") -> dict:
        if value is None:
            return {"line": line, "shape": "", "values": hidden}
        if isinstance(value, float):
            return {"line": line, "shape": "", "values": f"{value:.4f}"}
        first = ", ".join(f"{v:.3f}" for v in value.flatten()[:4].tolist())
        more = ", …" if value.numel() > 4 else ""
        return {"line": line, "shape": " × ".join(map(str, value.shape)), "values": first + more}

    rows = [
        row("I_f = image_encoder(I)", I and I.features),
        row("T_f = text_encoder(T)", T and T.features),
        row("W_i", I and I.weight),
        row("W_t", T and T.weight),
        row("I_e = l2_normalize(I_f · W_i)", trace.image_features),
        row("T_e = l2_normalize(T_f · W_t)", trace.text_features),
        row("t", trace.t),
        row("logits = I_e · T_eᵀ · exp(t)" + ("" if trace.bias is None else " + b"), trace.logits),
        {"line": "labels = 0 … n − 1", "shape": str(n), "values": f"0 … {n - 1}"},
        row("loss_i = mean cross-entropy along rows", trace.loss_images),
        row("loss_t = mean cross-entropy along columns", trace.loss_texts),
    ]
    if trace.bias is None:
        return [*rows, row("loss = (loss_i + loss_t) / 2", trace.loss)]
    return [*rows, row("SigLIP: loss = −sum of ln σ(± logits) / n", trace.loss)]


def train_view(steps: list[TrainStep], end: str) -> Packed:
    """The training so far: the last matrix, and two curves. end: "" while it goes on, else how it ended."""
    last = steps[-1]
    return pack(
        {
            "along_rows": (last.along_rows.numpy(), "f4"),
            "losses": (np.array([step.loss for step in steps]), "f4"),
            "scales": (np.array([step.scale for step in steps]), "f4"),
        },
        {"kind": "train", "step": last.step, "loss": last.loss, "scale": last.scale, "end": end},
    )
