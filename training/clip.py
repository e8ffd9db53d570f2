"""The pocket CLIP: assets/pocket/emoji-clip, 64x64 pictures of emoji and what they are called.

Command: python -m training.clip --size cpu      (or --size gpu)
A run that was stopped goes on where it was when the same command is given again.

Data: emoji.tar with emoji/emoji.jsonl (labels and tags of the npm package emojibase-data 17) and 64x64
RGBA pictures in two styles, emoji/noto/<id>.png (Noto Emoji) and emoji/twitter/<id>.png (the npm package
emoji-datasource-twitter 16). Of the emoji that have both, those whose line number is divisible by 5 keep
their twitter picture out of training: the test of a style that was not seen of a thing that was. Those
whose line number is 1 more than a multiple of 25 keep their noto picture out, to choose the best weights.

60 minutes on two CPU cores (1.4 million pictures) reached, on the 330 twitter pictures among 1915 labels,
26.7 % top-1 and 61.8 % top-5 from picture to text, 38.8 % and 67.6 % from text to picture; the card has the
ensemble too. What brought it there from 18.2 %: hues, sharpness and shapes changed at random, and the two
styles of one emoji pulled together.
"""

import argparse
import json
import math
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from demos.clip.algorithm import classifier, encode_images
from demos.kit.device import device
from demos.kit.torchvision_shim import register_missing_operators
from training import gallery, loop

register_missing_operators()  # before open_clip and transformers are imported

import open_clip  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

ROOT = Path(__file__).parents[1]
STYLES = ("noto", "twitter")
PAD, END = "<|pad|>", "<|endoftext|>"
VOCABULARY, CONTEXT = 2048, 24
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
MAX_LOG_SCALE = math.log(100)
DROPPED = 0.5  # the share of patches that training leaves out, until its last 15 %

# embedding, then layers and width of the picture's tower and of the text's, pairs a step, highest
# learning rate, minutes
SIZES = {
    "cpu": (128, (6, 192), (3, 128), 256, 2.0e-3, 60),
    "gpu": (192, (8, 256), (4, 192), 1024, 2.0e-3, 25),
}

# The seven that an ensemble averages; training draws from them too.
TEMPLATES = (
    "a picture of {}",
    "a drawing of {}",
    "an emoji of {}",
    "an icon of {}",
    "a small picture of {}",
    "a colourful drawing of {}",
    "this is {}",
)
COLOURS = {
    "white": (1.0, 1.0, 1.0), "black": (0.05, 0.05, 0.05), "grey": (0.55, 0.55, 0.55),
    "red": (0.85, 0.15, 0.15), "orange": (0.95, 0.6, 0.15), "yellow": (0.95, 0.9, 0.3),
    "green": (0.2, 0.65, 0.3), "blue": (0.2, 0.4, 0.85), "purple": (0.55, 0.3, 0.7),
    "pink": (0.95, 0.65, 0.75),
}  # fmt: skip
# Words whose thing is its colour.
COLOURED = {*COLOURS, "brown", "heart", "circle", "square", "diamond", "flag", "rainbow"}
PLACES = (
    ("to the left of", (-1, 0)), ("to the right of", (1, 0)), ("above", (0, -1)), ("below", (0, 1)),
)  # fmt: skip


@dataclass(frozen=True)
class Emoji:
    """rows: what emoji.jsonl says, a dict an emoji. pictures: [n, 2, 4, 64, 64] in uint8, noto and twitter.

    there: [n, 2], which pictures exist. test, check: [n], whose twitter and whose noto picture is kept out.
    """

    rows: list[dict]
    pictures: Tensor
    there: Tensor
    test: Tensor
    check: Tensor

    @property
    def train(self) -> Tensor:
        """[n, 2]: the pictures that training sees."""
        return self.there & ~torch.stack([self.check, self.test], 1)

    def label(self, i: int) -> str:
        return self.rows[i]["label"].lower()


def read(data: Path) -> Emoji:
    rows = gallery.table(data)
    folders = [gallery.pictures(data / "emoji.tar", f"emoji/{style}/") for style in STYLES]
    images = torch.zeros(len(rows), 2, 4, 64, 64, dtype=torch.uint8)
    for i, row in enumerate(rows):
        for s, folder in enumerate(folders):
            if row["id"] in folder:
                images[i, s] = torch.from_numpy(folder[row["id"]]).permute(2, 0, 1)
    there = torch.tensor([[row["id"] in folder for folder in folders] for row in rows])
    held = gallery.held_out(rows)
    number = torch.arange(1, len(rows) + 1)
    return Emoji(
        rows, images, there,
        test=torch.tensor([row["id"] in held for row in rows]), check=there.all(1) & (number % 25 == 1),
    )  # fmt: skip


def with_article(label: str) -> str:
    if ":" in label:  # "flag: Samoa"
        return label
    return f"{'an' if label[0] in 'aeiou' else 'a'} {label}"


def words_of(emoji: Emoji, i: int, random: np.random.Generator) -> str:
    """What is said of one emoji: its label in a template, with tags, or some of its tags alone."""
    label, tags = emoji.label(i), [t.lower() for t in emoji.rows[i].get("tags", [])]
    label = with_article(label) if random.random() < 0.4 else label
    draw = random.random()
    if tags and draw < 0.15:
        return ", ".join(random.permutation(tags)[: random.integers(1, 4)])
    if tags and draw < 0.3:
        return f"{label}, {', '.join(random.permutation(tags)[: random.integers(1, 3)])}"
    if draw < 0.5:
        return label
    return TEMPLATES[random.integers(len(TEMPLATES))].format(label)


def place(
    pictures: Tensor, angle: Tensor, scale: Tensor, shift: Tensor, bend: Tensor | None = None
) -> Tensor:
    """pictures: [n, 4, 64, 64], colours times alpha; angle in radians, [n]; scale of width and height,
    [n, 2]; shift in half pictures, [n, 2]; bend in half pictures, [n, h, w, 2], stretched smoothly over all.
    Returns the pictures turned, resized, moved and bent, of the same shape."""
    cos, sin = angle.cos(), angle.sin()
    x, y = shift.unbind(1)
    wide, high = scale.unbind(1)
    rows = [cos, sin, -cos * x - sin * y], [-sin, cos, sin * x - cos * y]
    theta = torch.stack([row / s for s, across in zip((wide, high), rows, strict=True) for row in across], 1)
    grid = F.affine_grid(theta.view(-1, 2, 3), list(pictures.shape), align_corners=False)
    if bend is not None:
        grid = grid + F.interpolate(bend.movedim(-1, 1), grid.shape[1:3], mode="bicubic").movedim(1, -1)
    return F.grid_sample(pictures, grid, mode="bilinear", align_corners=False)


def restyled(pictures: Tensor, coloured: Tensor, generator: torch.Generator) -> Tensor:
    """Other hues, less or more colour, blur or sharpness: what differs between two styles of one thing.

    pictures: [n, 4, h, w], colours times alpha. coloured: [n], where the words name a colour, which stays.
    Hues turn around the axis of greys (Rodrigues' formula), by little mostly, by anything for a fifth.
    """
    n = len(pictures)
    any_hue, no_colour = torch.rand(2, n, generator=generator) < torch.tensor([[0.2], [0.1]])
    angle = 0.15 * torch.randn(n, generator=generator)
    angle = torch.where(any_hue & ~coloured, 2 * math.pi * torch.rand(n, generator=generator), angle)
    strength = torch.where(no_colour & ~coloured, 0.0, 0.6 + 0.8 * torch.rand(n, generator=generator))
    grey = torch.full((3, 3), 1 / 3)
    across = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cos, sin, strength = (x.view(n, 1, 1) for x in (angle.cos(), angle.sin(), strength))
    turn = grey + strength * (cos * (torch.eye(3) - grey) + sin * across)
    colours = torch.einsum("nij,njhw->nihw", turn, pictures[:, :3])
    x = torch.cat([colours, pictures[:, 3:]], 1)
    soft = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    sharper = (
        2 * torch.rand(n, 1, 1, 1, generator=generator) - 1
    )  # from blurred by 3x3 to sharpened by as much
    return (x + sharper * (x - soft)).clamp(0, 1)


def on_ground(pictures: Tensor, ground: Tensor) -> Tensor:
    """pictures: [n, 4, h, w], colours times alpha; ground: [n, 3, h or 1, w or 1]. Returns [n, 3, h, w]."""
    return pictures[:, :3] + ground * (1 - pictures[:, 3:])


def premultiplied(pictures: Tensor) -> Tensor:
    """uint8 RGBA to float32 from 0 to 1, colours times alpha."""
    x = pictures.float() / 255
    return torch.cat([x[..., :3, :, :] * x[..., 3:, :, :], x[..., 3:, :, :]], -3)


def batch(emoji: Emoji, n: int, random: np.random.Generator) -> tuple[Tensor, list[str], int]:
    """n pictures [n, 3, 64, 64] from 0 to 1 with a text each, and how many pairs are in them.

    Picture p and picture pairs + p show one emoji, in both styles where training has both; the rest are
    scenes of two. No emoji is in two pairs or scenes.
    """
    scenes = n // 8 + (n - n // 8) % 2
    pairs = (n - scenes) // 2
    singles = 2 * pairs
    train = emoji.train.numpy()
    chosen = random.permutation(np.flatnonzero(train.any(1)))[: pairs + 2 * scenes]
    once, first, second = np.split(chosen, [pairs, pairs + scenes])
    style = [random.permutation(np.flatnonzero(train[i])) for i in chosen]
    shown = np.concatenate([once, once, first, second])
    styles = [*(s[0] for s in style[:pairs]), *(s[-1] for s in style[:pairs]), *(s[0] for s in style[pairs:])]
    generator = torch.Generator().manual_seed(int(random.integers(2**31)))

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    names = list(COLOURS)
    coloured = torch.tensor([not COLOURED.isdisjoint(re.findall(r"\w+", emoji.label(i))) for i in shown])
    all_of = restyled(premultiplied(emoji.pictures[shown, styles]), coloured, generator)
    colour = random.integers(len(names), size=n)
    colour[random.random(n) < 0.3] = 0  # white, as the pages have it
    texts = []
    for i, c in zip(shown[:singles], colour[:singles], strict=True):
        text = words_of(emoji, i, random)
        if random.random() < 0.15:
            text = f"{text} on a {names[c]} background"
        texts.append(text)
    one = place(
        all_of[:singles], uniform(-0.35, 0.35, singles),
        uniform(0.55, 1.15, singles, 1) * uniform(0.85, 1.15, singles, 2), uniform(-0.25, 0.25, singles, 2),
        0.08 * torch.randn(singles, 4, 4, 2, generator=generator),
    )  # fmt: skip
    where = random.integers(len(PLACES), size=scenes)
    away = 0.45 * torch.tensor([PLACES[w][1] for w in where]).float().view(scenes, 2)
    two = [
        place(
            part, uniform(-0.15, 0.15, scenes), uniform(0.4, 0.52, scenes, 1).expand(-1, 2),
            sign * away + uniform(-0.08, 0.08, scenes, 2),
        )
        for part, sign in zip(all_of[singles:].split(scenes), (1, -1), strict=True)
    ]  # fmt: skip
    for a, b, w in zip(first, second, where, strict=True):
        a_label, b_label = (with_article(emoji.label(i)) for i in (a, b))
        template = TEMPLATES[random.integers(len(TEMPLATES))] if random.random() < 0.3 else "{}"
        texts.append(template.format(f"{a_label} {PLACES[w][0]} {b_label}"))
    both = two[0] + two[1] * (1 - two[0][:, 3:])
    ground = torch.tensor([COLOURS[names[c]] for c in colour]) + uniform(-0.07, 0.07, n, 3)
    x = on_ground(torch.cat([one, both]), ground.clamp(0, 1)[:, :, None, None])
    bright, contrast = 1 + uniform(-0.2, 0.2, 2, n, 1, 1, 1)
    x = ((x - 0.5) * contrast + 0.5) * bright
    return (x + 0.03 * torch.randn(x.shape, generator=generator)).clamp(0, 1), texts, pairs


def train_tokenizer(emoji: Emoji, folder: Path) -> None:
    """Byte-level BPE over lower-cased text, END after each; any text has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    random = np.random.default_rng(0)
    texts = [words_of(emoji, i, random) for i in range(len(emoji.rows)) for _ in range(5)]
    places = [f"{template.format('')} {place} on a {c} background" for template in TEMPLATES
              for place, _ in PLACES for c in COLOURS]  # fmt: skip
    tokenizer.train_from_iterator([*texts, *places], trainer)
    end = tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, model_max_length=CONTEXT,
        padding_side="right", truncation_side="right",
    ).save_pretrained(folder)  # fmt: skip


def configuration(size: str, end: int) -> dict:
    embedding, (layers, width), (text_layers, text_width), *_ = SIZES[size]
    return {
        "model_cfg": {
            "embed_dim": embedding,
            "vision_cfg": {
                "image_size": 64, "patch_size": 8, "layers": layers, "width": width, "head_width": 64,
            },
            "text_cfg": {
                "context_length": CONTEXT, "vocab_size": VOCABULARY, "hf_tokenizer_name": "emoji-clip",
                "layers": text_layers, "width": text_width, "heads": text_width // 64,
                "pool_type": "eos", "pad_id": 0, "eos_id": end,
            },
        },
        "preprocess_cfg": {
            "mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash",
            "fill_color": 255,
        },
    }  # fmt: skip


def normal(x: Tensor) -> Tensor:
    """As the preprocessing that is shipped with the model: (x - 0.5) / 0.5."""
    return (x - 0.5) / 0.5


def shown(pictures: Tensor) -> Tensor:
    """uint8 RGBA on white, as the pages show them: [n, 3, 64, 64], ready for the model."""
    return normal(on_ground(premultiplied(pictures), torch.ones(1, 3, 1, 1)))


def image_features(model, pictures: Tensor) -> Tensor:
    """uint8 RGBA pictures [n, 4, 64, 64] -> [n, D], of length 1."""
    return torch.cat([encode_images(model, shown(part)).cpu() for part in pictures.split(256)])


def top(scores: Tensor, right: Tensor, k: int) -> float:
    """The share of rows whose right column is among the k highest."""
    return float((scores.topk(k, -1).indices == right[:, None]).any(-1).float().mean())


def reciprocal_rank(scores: Tensor, right: Tensor) -> float:
    """The mean over rows of 1 / (the place of the right column, counted from 1)."""
    better = scores > scores.gather(1, right[:, None])
    return float((1 / (1 + better.sum(-1))).mean())


def scores(model, tokenizer, emoji: Emoji) -> dict:
    """Top-1 and top-5 both ways, for the bare labels and for the ensemble.

    Picture to text: each twitter picture that was kept out, among the labels of all emoji. Text to
    picture: the label of each of these, among the twitter pictures of all emoji that have one.
    """
    model.eval()
    kept = torch.nonzero(emoji.test).flatten()
    candidates = torch.nonzero(emoji.there[:, 1]).flatten()
    pictures = image_features(model, emoji.pictures[candidates, 1])
    place_of = {int(i): j for j, i in enumerate(candidates)}
    rows = torch.tensor([place_of[int(i)] for i in kept])
    labels = [emoji.label(i) for i in range(len(emoji.rows))]
    out = {"pictures": len(kept), "labels": len(labels), "candidate_pictures": len(candidates)}
    for name, templates in (("bare_label", ("{}",)), ("ensemble_of_7", TEMPLATES)):
        texts = classifier(model, tokenizer, labels, templates).cpu()
        to_text, to_image = pictures[rows] @ texts.T, texts[kept] @ pictures.T
        out[name] = {
            f"{way}_top{k}": round(top(s, right, k), 4)
            for way, s, right in (("image_to_text", to_text, kept), ("text_to_image", to_image, rows))
            for k in (1, 5)
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="cpu")
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "clip")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "pocket" / "emoji-clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="(default: the size's own)")
    args = parser.parse_args()
    where = device()
    emoji = read(args.data)
    *_, per_step, rate, minutes = SIZES[args.size]
    minutes = args.minutes or minutes
    made = args.runs / args.size / "model"  # goes to args.out once it is whole
    made.mkdir(parents=True, exist_ok=True)
    train_tokenizer(emoji, made)
    end = PreTrainedTokenizerFast.from_pretrained(made).eos_token_id
    config = configuration(args.size, end)
    (made / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{made}")
    torch.manual_seed(args.seed)
    parts = config["model_cfg"]
    model = open_clip.CLIP(
        parts["embed_dim"], parts["vision_cfg"] | {"patch_dropout": DROPPED}, parts["text_cfg"]
    )
    model.to(where)
    blocks = torch.nn.ModuleList([model.visual.transformer, model.transformer])
    loss_of = open_clip.loss.ClipLoss()
    held = torch.nonzero(emoji.check).flatten()
    labels = [emoji.label(i) for i in range(len(emoji.rows))]

    def batch_loss(step: int, progress: float) -> tuple[Tensor, int]:
        pictures, texts, pairs = batch(emoji, per_step, np.random.default_rng([args.seed, step]))
        model.visual.patch_dropout.prob = DROPPED if progress < 0.85 else 0.0
        with torch.no_grad():
            model.logit_scale.clamp_(0, MAX_LOG_SCALE)
        with torch.autocast(where, torch.bfloat16):
            i = model.encode_image(normal(pictures).to(where))
            t = model.encode_text(tokenizer(texts).to(where))
        i, t = (F.normalize(x.float(), dim=-1) for x in (i, t))
        scale = model.logit_scale.exp()
        every = torch.arange(per_step)
        one, other = every[:pairs], every[pairs : 2 * pairs]
        scenes = every[2 * pairs :]
        # pictures with words, each half of the pairs by itself: one thing in two rows is no negative
        with_words = [
            loss_of(i[half], t[half], scale)
            for half in (torch.cat([one, scenes]), torch.cat([other, scenes]))
        ]
        return sum(with_words) / 2 + loss_of(i[one], i[other], scale) / 2, per_step

    def score() -> float:
        """1 - the mean of 1/rank. A loss would rise with every wrong answer the model is surer of."""
        model.eval()
        i = image_features(model, emoji.pictures[held, 0])
        t = classifier(model, tokenizer, labels).cpu()
        return 1 - reciprocal_rank(i @ t.T, held)

    loop.train(
        model, loop.muon(model, blocks, rate, 0.1), args.runs / args.size, device=where, minutes=minutes,
        check_minutes=3, batch_loss=batch_loss, score=score,
    )  # fmt: skip
    export(args, model, tokenizer, emoji, where, minutes)


def export(args, model, tokenizer, emoji: Emoji, where: str, minutes: float) -> None:
    """The best weights in float16 with their card; the scores are those of the weights on disk."""
    folder = args.runs / args.size
    model.load_state_dict(torch.load(folder / "best.pt", map_location=where))
    weights = {name: p.half().contiguous().cpu() for name, p in model.state_dict().items()}
    made = folder / "model"
    save_file(weights, made / "open_clip_model.safetensors")
    shipped, _, _ = open_clip.create_model_and_transforms(f"local-dir:{made}")
    command = f"python -m training.clip --size {args.size} --minutes {minutes:g} --seed {args.seed}"
    card = loop.card(command, args.seed, folder, "training_pairs", args.data / "emoji.tar") | {
        "parameters": sum(p.numel() for p in shipped.parameters()),
        "logit_scale": round(shipped.logit_scale.exp().item(), 3),
        "test": scores(shipped.to(where), tokenizer, emoji),
        "templates": TEMPLATES,
        "licence": "weights: Apache-2.0; training pictures: Noto Emoji (Apache-2.0) and Twemoji graphics "
        "(CC BY 4.0); labels and tags: emojibase-data (MIT)",
    }
    (made / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    shutil.copytree(made, args.out, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
