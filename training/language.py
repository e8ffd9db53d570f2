"""The pocket language models: assets/pocket/fairy-target and fairy-draft.

Command: python -m training.language all --size cpu      (or --size gpu)
or one stage at a time: tokenizer, target, draft, draft --distill, export. A stage that was stopped goes
on where it was when the same command is given again.

Data: 29 books of fairy tales from Project Gutenberg, as plain text with one paragraph on a line and
without headers, in fairy-tales.tar.xz: ebooks 11, 12, 54, 55, 113, 419, 486, 503, 517, 540, 640, 641,
778, 955, 956, 957, 959, 1597, 1874, 2435, 2591, 2781, 3027, 3282, 3454, 5615, 6746, 7277, 7439. The
Railway Children is for validation and The Magic of Oz for the test; neither is trained on.

The minutes, the machine and the scores of the models that are shipped stand in their card.json.
"""

import argparse
import json
import math
import statistics
import tarfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from demos.kit.device import device
from demos.kit.torchvision_shim import register_missing_operators
from training import loop

register_missing_operators()  # before transformers is imported

from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

ROOT = Path(__file__).parents[1]
POCKET = ROOT / "assets" / "pocket"
VALIDATION, TEST = "The-Railway-Children", "The-Magic-of-Oz"
END = "<|endoftext|>"
VOCABULARY, CONTEXT = 4096, 1024

# layers, width, MLP width, heads, tokens a step, highest learning rate
SIZES = {
    ("cpu", "target"): (6, 256, 688, 4, 4096, 2.0e-3),
    ("cpu", "draft"): (2, 96, 256, 3, 4096, 4.0e-3),
    ("gpu", "target"): (8, 384, 1024, 8, 32768, 1.5e-3),
    ("gpu", "draft"): (2, 128, 352, 4, 32768, 3.0e-3),
}
PROMPTS = ("Once upon a time", "The old king", '"Where are you going?"', "In a dark wood", "The princess")


def books(data: Path) -> dict[str, str]:
    """Title -> text."""
    with tarfile.open(data / "fairy-tales.tar.xz") as archive:
        return {
            Path(m.name).stem: archive.extractfile(m).read().decode("utf-8")
            for m in sorted(archive.getmembers(), key=lambda m: m.name)
            if m.isfile()
        }


def train_tokenizer(texts: dict[str, str], runs: Path) -> None:
    """Byte-level BPE of 4096 tokens on the training books; any text survives the round trip."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([t for n, t in texts.items() if n not in (VALIDATION, TEST)], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, bos_token=END, model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(runs / "tokenizer")  # fmt: skip


def encode(texts: list[str], runs: Path) -> np.ndarray:
    """Token ids [n] of the texts, each closed by END."""
    tokenizer = Tokenizer.from_file(str(runs / "tokenizer" / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    return np.concatenate([[*tokenizer.encode(text).ids, end] for text in texts]).astype(np.int64)


def new_model(size: str, name: str) -> LlamaForCausalLM:
    layers, width, mlp, heads, _, _ = SIZES[size, name]
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=width, intermediate_size=mlp, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=CONTEXT,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, initializer_range=0.02,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def drop_out(model: LlamaForCausalLM, rate: float) -> None:
    """Dropout on the embedding and on what each layer adds, which the architecture itself does not have."""
    dropout = torch.nn.Dropout(rate)
    places = [part for layer in model.model.layers for part in (layer.self_attn.o_proj, layer.mlp.down_proj)]
    for place in (model.model.embed_tokens, *places):
        place.register_forward_hook(lambda module, _, out: dropout(out) if module.training else out)


@torch.no_grad()
def loss_of(model, tokens: np.ndarray, device: str, windows: int | None = None) -> float:
    """Mean cross-entropy per token in nats, over consecutive windows of the context."""
    model.eval()
    starts = list(range(0, len(tokens) - 1, CONTEXT))
    if windows:
        starts = starts[:: max(1, len(starts) // windows)][:windows]
    total, count = 0.0, 0
    for start in starts:
        ids = torch.from_numpy(tokens[start : start + CONTEXT + 1])[None].to(device)
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            logits = model(input_ids=ids[:, :-1]).logits.float()
        total += F.cross_entropy(logits[0], ids[0, 1:], reduction="sum").item()
        count += ids.shape[1] - 1
    return total / count


@torch.no_grad()
def acceptance(target, draft, tokens: np.ndarray, device: str, windows: int = 24) -> float:
    """Mean of sum over x of min(p(x), q(x)): the share of drafted tokens that are accepted."""
    means = []
    for start in range(0, len(tokens) - CONTEXT, max(CONTEXT, len(tokens) // windows)):
        ids = torch.from_numpy(tokens[start : start + CONTEXT])[None].to(device)
        p, q = (m(input_ids=ids).logits.float().softmax(-1) for m in (target, draft))
        means.append(torch.minimum(p, q).sum(-1).mean().item())
    return statistics.mean(means)


def train(name: str, args, tokens: np.ndarray, validation: np.ndarray, teacher=None) -> None:
    """Trains one model; a draft with a teacher learns the teacher's whole law too."""
    device, folder = args.device, args.runs / (name + ("-distilled" if teacher else ""))
    torch.manual_seed(args.seed)
    model = new_model(args.size, name).to(device)
    *_, per_step, rate = SIZES[args.size, name]
    groups = loop.groups(model, rate, 0.1, without=(model.model.embed_tokens.weight,))
    drop_out(model, args.dropout)

    def batch_loss(step: int, progress: float) -> tuple[torch.Tensor, int]:
        length = CONTEXT if progress > 0.85 else CONTEXT // 2
        random = np.random.default_rng([args.seed, step])
        starts = random.integers(0, len(tokens) - length - 1, per_step // length)
        batch = torch.from_numpy(np.stack([tokens[s : s + length + 1] for s in starts])).to(device)
        with torch.autocast(device, torch.bfloat16):
            logits = model(input_ids=batch[:, :-1]).logits.float().flatten(0, 1)
            loss = F.cross_entropy(logits, batch[:, 1:].flatten())
            if teacher is not None:
                with torch.no_grad():
                    law = teacher(input_ids=batch[:, :-1]).logits.float().flatten(0, 1).log_softmax(-1)
                kl = F.kl_div(logits.log_softmax(-1), law, reduction="batchmean", log_target=True)
                loss = 0.3 * loss + 0.7 * kl
        return loss, per_step

    loop.train(
        model, [torch.optim.AdamW(groups, betas=(0.9, 0.95))], folder, device=device,
        minutes=args.target_minutes if name == "target" else args.draft_minutes,
        check_minutes=args.check_minutes, batch_loss=batch_loss,
        score=lambda: loss_of(model, validation, device, windows=32),
    )  # fmt: skip


def best_model(name: str, args) -> LlamaForCausalLM:
    model = new_model(args.size, name.split("-")[0]).to(args.device)
    model.load_state_dict(torch.load(args.runs / name / "best.pt", map_location=args.device))
    return model.eval()


def export(args, texts: dict[str, str]) -> None:
    """The models with their cards in assets/pocket. The draft is the one of higher acceptance."""
    target = best_model("target", args)
    validation, test = (encode([texts[name]], args.runs) for name in (VALIDATION, TEST))
    drafts = [p.parent.name for p in sorted(args.runs.glob("draft*/best.pt"))]
    accepted = {n: acceptance(target, best_model(n, args), validation, args.device) for n in drafts}
    print("acceptance", accepted, flush=True)
    chosen = [("target", "fairy-target")]
    if drafts:
        chosen.append((max(accepted, key=accepted.get), "fairy-draft"))
    for name, slug in chosen:
        model, out = best_model(name, args), args.out / slug
        command = (
            f"python -m training.language all --size {args.size} --seed {args.seed} "
            f"--target-minutes {args.target_minutes:g} --draft-minutes {args.draft_minutes:g} "
            f"--dropout {args.dropout:g}"
        )
        data = args.data / "fairy-tales.tar.xz"
        card = loop.card(command, args.seed, args.runs / name, "training_tokens", data) | {
            "parameters": model.num_parameters(),
            "context": CONTEXT,
            "measured_on": "consecutive windows of 1024 tokens over the whole book",
        }
        for split, book, ids in (("validation", VALIDATION, validation), ("test", TEST, test)):
            loss = loss_of(model, ids, args.device)
            n_bytes = len(texts[book].encode("utf-8"))
            card[split] = {
                "book": book,
                "loss_per_token": round(loss, 4),
                "bits_per_byte": round(loss * (len(ids) - 1) / n_bytes / math.log(2), 4),
            }
        if name == "target":
            card["samples_at_temperature_0.7"] = samples(model, args)
        else:
            card["distilled"] = name.endswith("distilled")
            card["acceptance_on_validation_text"] = {n: round(a, 4) for n, a in accepted.items()}
        card["licence"] = "weights: Apache-2.0; training texts: public domain in the USA"
        model.generation_config.update(do_sample=True, temperature=0.7, eos_token_id=0, pad_token_id=0)
        model.to(torch.bfloat16).save_pretrained(out, max_shard_size="9MB")
        for file in (args.runs / "tokenizer").iterdir():
            (out / file.name).write_bytes(file.read_bytes())
        (out / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
        AutoModelForCausalLM.from_pretrained(out)  # what was written can be read


@torch.no_grad()
def samples(model, args) -> list[dict]:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.runs / "tokenizer")
    out = []
    for seed, prompt in enumerate(PROMPTS):
        torch.manual_seed(seed)
        ids = torch.tensor([tokenizer(prompt)["input_ids"]], device=args.device)
        got = model.generate(
            ids, do_sample=True, temperature=0.7, top_k=0, max_new_tokens=120, pad_token_id=0
        )
        out.append({"seed": seed, "text": tokenizer.decode(got[0], skip_special_tokens=True)})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=("all", "tokenizer", "target", "draft", "export"))
    parser.add_argument("--size", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "language")
    parser.add_argument("--out", type=Path, default=POCKET)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--distill", action="store_true", help="draft: learn the target's whole law")
    parser.add_argument("--target-minutes", type=float, default=44)
    parser.add_argument("--draft-minutes", type=float, default=8)
    parser.add_argument("--check-minutes", type=float, default=4)
    args = parser.parse_args()
    args.device = device()
    args.runs.mkdir(parents=True, exist_ok=True)
    texts = books(args.data)
    if args.stage in ("all", "tokenizer") and not (args.runs / "tokenizer").exists():
        train_tokenizer(texts, args.runs)
    if args.stage == "tokenizer":
        return
    tokens = encode([t for n, t in texts.items() if n not in (VALIDATION, TEST)], args.runs)
    validation = encode([texts[VALIDATION]], args.runs)
    if args.stage in ("all", "target"):
        train("target", args, tokens, validation)
    if args.stage in ("all", "draft"):
        if not args.distill:
            train("draft", args, tokens, validation)
        if args.distill or args.stage == "all":
            train("draft", args, tokens, validation, best_model("target", args))
    if args.stage in ("all", "export"):
        export(args, texts)


if __name__ == "__main__":
    main()
