"""The pocket Vision Transformer: assets/pocket/cifar-vit, 32x32 pictures as 64 patches of 4x4 and CLS.

Command: python -m training.vit --size cpu      (or --size gpu)
A run that was stopped goes on where it was when the same command is given again.

Data: CIFAR-10 (Krizhevsky 2009) as JPEG files, train/<class>/*.jpg and test/<class>/*.jpg, in
cifar10-jpeg.tar.gz. The test part is only for the score in the card; 2000 of the training pictures are held
out to choose the best weights.

The minutes, the machine and the scores of the model that is shipped stand in its card.json.
"""

import argparse
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor

from demos.kit.device import device
from demos.kit.torchvision_shim import register_missing_operators
from training import loop

register_missing_operators()  # before transformers is imported

from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor  # noqa: E402

ROOT = Path(__file__).parents[1]
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
HELD_OUT = 2000


@dataclass(frozen=True)
class Size:
    """minutes: of a run by default. rate: the highest learning rate. mixup: alpha of the Beta law.

    strength: of the changes in colour and of the erasing, from 0 to 1. dropped: the share of patches
    that training does not see (Liu et al. 2022, PatchDropout), but for its last fifth.
    """

    minutes: float
    per_step: int
    rate: float
    dropout: float
    strength: float
    mixup: float
    dropped: float


# A CPU sees each picture some twenty times, a GPU hundreds of times and needs more variety.
SIZES = {
    "cpu": Size(40, 128, 2.0e-3, dropout=0.0, strength=0.25, mixup=0.0, dropped=0.5),
    "gpu": Size(25, 512, 2.0e-3, dropout=0.1, strength=1.0, mixup=0.2, dropped=0.0),
}


def pictures(data: Path, runs: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """For "train" and "test": pictures [n, 3, 32, 32] in uint8, labels [n]. Decoded once, kept in runs."""
    kept = runs / "pictures.pt"
    if not kept.exists():
        found = {"train": [], "test": []}
        with tarfile.open(data / "cifar10-jpeg.tar.gz") as archive:
            for member in archive:
                if member.name.endswith(".jpg"):
                    part, name = Path(member.name).parts[-3:-1]
                    picture = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
                    raw = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
                    found[part].append((member.name, raw.reshape(32, 32, 3), CLASSES.index(name)))
        whole = {}
        for part, rows in found.items():
            rows.sort(key=lambda row: row[0])
            images = torch.stack([row[1] for row in rows]).permute(0, 3, 1, 2).contiguous()
            whole[part] = (images, torch.tensor([row[2] for row in rows]))
        torch.save(whole, kept)
    return torch.load(kept)


def augment(images: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Shifted by up to 4 pixels, mirrored, changed in brightness, contrast and colour, a square erased.

    images: [n, 3, 32, 32] in uint8. strength: of what follows the mirror, 0 to 1. Returns the same in
    float32, from 0 to 1.
    """
    n = len(images)
    x = F.pad(images.float() / 255, (4, 4, 4, 4), mode="reflect")
    top, left = torch.randint(0, 9, (2, n), generator=random)
    rows, columns = (start[:, None] + torch.arange(32) for start in (top, left))
    flipped = torch.rand(n, generator=random) < 0.5
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    every = torch.arange(n)[:, None, None]
    x = x.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    bright, contrast, colour = 1 + 0.4 * strength * (2 * torch.rand(3, n, 1, 1, 1, generator=random) - 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    grey = x.mean(1, keepdim=True)
    x = (grey + (x - grey) * colour - mean) * contrast + mean * bright
    at = torch.randint(0, 32, (2, n, 1), generator=random)
    inside = [(torch.arange(32)[None] - place).abs() < 5 for place in at]
    erased = (inside[0][:, :, None] & inside[1][:, None, :])[:, None] & (
        torch.rand(n, 1, 1, 1, generator=random) < 0.5 * strength
    )
    return torch.where(erased, torch.full_like(x, 0.5), x).clamp(0, 1)


def new_model(dropout: float = 0.0) -> ViTForImageClassification:
    config = ViTConfig(
        image_size=32, patch_size=4, hidden_size=192, num_hidden_layers=6, num_attention_heads=3,
        intermediate_size=768, hidden_dropout_prob=dropout, num_labels=len(CLASSES),
        id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)},
    )  # fmt: skip
    return ViTForImageClassification(config)


def logits_of(model: ViTForImageClassification, x: Tensor, dropped: float, random: torch.Generator) -> Tensor:
    """The model's logits from CLS and a random share of the patches."""
    h = model.vit.embeddings(x)
    if dropped:
        n, s, d = h.shape
        kept = torch.rand(n, s - 1, generator=random).argsort(1)[:, : round((s - 1) * (1 - dropped))] + 1
        h = torch.cat([h[:, :1], h.gather(1, kept[:, :, None].expand(-1, -1, d).to(h.device))], 1)
    for layer in model.vit.layers:
        h = layer(h)
    return model.classifier(model.vit.layernorm(h)[:, 0])


def normal(x: Tensor) -> Tensor:
    """As the processor that is shipped with the model: (x - 0.5) / 0.5."""
    return (x - 0.5) / 0.5


@torch.no_grad()
def measure(model, images: Tensor, labels: Tensor, where: str) -> tuple[float, float]:
    """Mean cross-entropy in nats, and the share of right answers."""
    model.eval()
    logits = torch.cat(
        [
            model(pixel_values=normal(part.float() / 255).to(where)).logits.float().cpu()
            for part in images.split(500)
        ]
    )
    return float(F.cross_entropy(logits, labels)), float((logits.argmax(-1) == labels).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="cpu")
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "vit")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "pocket" / "cifar-vit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="(default: the size's own)")
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    where = device()
    parts = pictures(args.data, args.runs)
    order = torch.randperm(len(parts["train"][0]), generator=torch.Generator().manual_seed(args.seed))
    images, labels = (column[order] for column in parts["train"])
    held, images = (images[:HELD_OUT], labels[:HELD_OUT]), images[HELD_OUT:]
    labels = labels[HELD_OUT:]
    size = SIZES[args.size]
    minutes = args.minutes or size.minutes
    torch.manual_seed(args.seed)
    model = new_model(size.dropout).to(where)

    def batch_loss(step: int, progress: float) -> tuple[Tensor, int]:
        random = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        some = torch.randint(0, len(images), (size.per_step,), generator=random)
        x = normal(augment(images[some], size.strength, random))
        y = F.one_hot(labels[some], len(CLASSES)).float()
        late = progress > 0.8  # the last part sees whole pictures as they are
        if size.mixup and not late:
            share = float(np.random.default_rng([args.seed, step]).beta(size.mixup, size.mixup))
            x, y = share * x + (1 - share) * x.flip(0), share * y + (1 - share) * y.flip(0)
        with torch.autocast(where, torch.bfloat16):
            logits = logits_of(model, x.to(where), 0 if late else size.dropped, random)
        return F.cross_entropy(logits.float(), y.to(where), label_smoothing=0.05), size.per_step

    optimizers = loop.muon(model, model.vit.layers, size.rate, 0.05)
    loop.train(
        model, optimizers, args.runs / args.size, device=where, minutes=minutes, check_minutes=3,
        batch_loss=batch_loss, score=lambda: measure(model, *held, where)[0],
    )  # fmt: skip
    export(args, model, parts["test"], where, minutes)


def export(args, model, test: tuple[Tensor, Tensor], where: str, minutes: float) -> None:
    """The best weights in float16 with processor and card; the scores are those of the weights on disk."""
    folder = args.runs / args.size
    model.load_state_dict(torch.load(folder / "best.pt", map_location=where))
    model.to(torch.float16).save_pretrained(args.out, max_shard_size="9MB")
    ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=MEAN, image_std=STD).save_pretrained(
        args.out
    )
    shipped = ViTForImageClassification.from_pretrained(args.out, dtype=torch.float32).to(where)
    loss, accuracy = measure(shipped, *test, where)
    command = f"python -m training.vit --size {args.size} --minutes {minutes:g} --seed {args.seed}"
    data = args.data / "cifar10-jpeg.tar.gz"
    card = loop.card(command, args.seed, folder, "training_pictures", data) | {
        "parameters": shipped.num_parameters(),
        "test": {"pictures": len(test[1]), "loss": round(loss, 4), "accuracy": round(accuracy, 4)},
        "licence": "weights: Apache-2.0; training pictures: CIFAR-10, Krizhevsky (2009)",
    }
    (args.out / "card.json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
