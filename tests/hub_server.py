"""A hub on this machine, as far as huggingface_hub asks it, that breaks as a test wants; and tiny models."""

import hashlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

REPO, REVISION = "glassbox/tiny", "0123456789abcdef0123456789abcdef01234567"
TEXT = ("the old king had a garden and in the garden stood a tree that bore golden apples " * 4).split()


@dataclass(frozen=True)
class Asked:
    """One request and what was sent for it."""

    method: str
    path: str
    range: str | None
    token: str | None
    body_bytes: int


class HubServer:
    """Serves the files of `folder` as REPO at REVISION.

    The safetensors count as large (LFS) files: as on the real hub, they lie on another host, to which
    the client is sent on (here, the same server under its other name).
    fault: one of "unknown repo", "gated", "revision gone", "status 503", "sign-in page", "no digests",
    or "" for none. bytes_left: what it sends of files before every connection ends; None for all.
    changed: files whose last byte is sent changed. asked: what was asked, in order.
    """

    def __init__(self, folder: Path):
        self.folder, self.fault, self.bytes_left = folder, "", None
        self.changed: set[str] = set()
        self.asked: list[Asked] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self, "GET")

            def do_HEAD(self):
                hub.answer(self, "HEAD")

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """From now on connections are refused."""
        self._http.shutdown()
        self._http.server_close()

    def sent(self, name: str) -> int:
        """Bytes of this file that were sent in all."""
        return sum(a.body_bytes for a in self.asked if a.path.endswith(f"/{name}"))

    def answer(self, request: BaseHTTPRequestHandler, method: str) -> None:
        path, range_ = request.path.partition("?")[0], request.headers.get("Range")
        resolve, large = (f"{start}/{REPO}/resolve/{REVISION}/" for start in ("", "/large"))
        if self.fault == "sign-in page":
            status, headers, body = 200, {"Content-Type": "text/html"}, b"<h1>Welcome to our network</h1>"
        elif self.fault == "status 503":
            status, headers, body = 503, {}, b""
        elif self.fault == "unknown repo" or REPO not in path:
            status, headers, body = 404, {"X-Error-Code": "RepoNotFound"}, b""
        elif self.fault == "revision gone" or REVISION not in path:
            status, headers, body = 404, {"X-Error-Code": "RevisionNotFound"}, b""
        elif path.startswith("/api/models/"):
            status, headers, body = 200, {"Content-Type": "application/json"}, self._listing()
        elif path.startswith(large):
            status, headers, body = self._file(path.removeprefix(large), range_)
        elif self.fault == "gated":
            status, headers, body = 401, {"X-Error-Code": "GatedRepo"}, b""
        elif path.startswith(resolve) and (self.folder / path.removeprefix(resolve)).is_file():
            status, headers, body = self._file(path.removeprefix(resolve), range_)
            if path.endswith(".safetensors"):
                status, body = 302, b""
                headers |= {"Location": self.url.replace("127.0.0.1", "localhost") + "/large" + path}
        else:
            status, headers, body = 404, {"X-Error-Code": "EntryNotFound"}, b""
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if method == "HEAD":
            body = b""
        elif status in (200, 206) and self.bytes_left is not None and path.startswith((resolve, large)):
            whole, body = len(body), body[: self.bytes_left]
            self.bytes_left -= len(body)
            request.close_connection = len(body) < whole
        self.asked.append(Asked(method, path, range_, request.headers.get("Authorization"), len(body)))
        request.wfile.write(body)

    def _listing(self) -> bytes:
        siblings = []
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            sibling = {"rfilename": path.relative_to(self.folder).as_posix(), "size": path.stat().st_size}
            if self.fault != "no digests":
                sibling |= {"blobId": git_sha1(path)}
                if path.suffix == ".safetensors":
                    sibling["lfs"] = {"sha256": sha256(path), "size": sibling["size"], "pointerSize": 134}
            siblings.append(sibling)
        return json.dumps({"id": REPO, "sha": REVISION, "siblings": siblings}).encode()

    def _file(self, name: str, range_: str | None) -> tuple[int, dict[str, str], bytes]:
        path = self.folder / name
        body = path.read_bytes()
        if name in self.changed:
            body = body[:-1] + bytes([body[-1] ^ 1])
        headers = {"X-Repo-Commit": REVISION, "ETag": f'"{git_sha1(path)}"', "Accept-Ranges": "bytes"}
        if path.suffix == ".safetensors":
            headers |= {"X-Linked-Etag": f'"{sha256(path)}"', "X-Linked-Size": str(len(body))}
        if range_ is None:
            return 200, headers, body
        start = int(range_.removeprefix("bytes=").removesuffix("-"))
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return 206, headers, body[start:]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def git_sha1(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def tiny_tokenizer(texts: list[str] = TEXT, size: int = 300) -> PreTrainedTokenizerFast:
    """A byte-level BPE of a few merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def write_tiny_model(folder: Path, rows: int = 300, width: int = 32) -> LlamaForCausalLM:
    """A random Llama with its tokenizer; rows: of its embedding, which may be more than there are tokens."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=rows,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return model
