"""The gallery of pictures: assets/samples/emoji/gallery.png, 300 emoji of 64x64 pixels, and gallery.json.

Command: python -m training.gallery      (npm is needed; 10 s, after a download of 62 MB)

Pictures: Twemoji, from the npm package emoji-datasource-twitter. The archive is kept in data/ and asked for
once. Labels, tags and the split: emoji.tar, as for the recipes; half of the gallery are emoji whose Twemoji
picture is kept out of training.
"""

import argparse
import base64
import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
PACKAGE = "emoji-datasource-twitter"
VERSION = "16.0.0"
SHA512 = "7F+uCuHH+7Qnrc15P5tnbvKkg9E6tlzi4MnT2uW1RlN4pLYTza6cP/dstIfSDMtpjFLWuZewWg8jBbuL2eyELQ=="
COLUMNS = 20  # cells in a row of the sheet, of 64x64 pixels each

# How many held-out emoji of a group are taken, and as many that were seen.
HALVES = {
    "animals & nature": 30,
    "food & drink": 25,
    "travel & places": 28,
    "activities": 16,
    "objects": 33,
    "smileys & emotion": 13,
    "symbols": 5,
}
# These are taken first; of the symbols nothing else.
NAMES = """
dog face, cat face, horse, elephant, frog, bird, penguin, fish, honeybee, rose, deciduous tree, evergreen
tree, red apple, banana, strawberry, bread, cheese wedge, pizza, hamburger, birthday cake, fork and knife,
spoon, house, automobile, bus, bicycle, airplane, rocket, ship, alarm clock, mantelpiece clock, sun, cloud,
cloud with rain, crescent moon, star, snowman, umbrella, fire, soccer ball, basketball, tennis, baseball,
teddy bear, guitar, musical keyboard, bell, crown, key, hammer, scissors, closed book, open book, light
bulb, telephone, television, chair, bed, door, pencil, red heart, broken heart, grinning face, crying face,
recycling symbol, radioactive, cross mark, plus, yin yang, warning, check mark button, wheelchair symbol,
right arrow, atom symbol
"""
WANTED = set(" ".join(NAMES.split()).split(", "))
# Clock faces and the like, what needs Japanese or reading, and what a class does not need.
UNFIT = re.compile(
    r"o’clock|-thirty|oncoming|mailbox|Japan|\b(moon viewing|ATM|love hotel|map|cigarette|headstone|coffin"
    r"|funeral urn|bikini|briefs|swimsuit|toilet|water pistol)\b"
)
ALIKE = 0.16  # root mean square difference of two pictures, of 1; below it only one of them is taken
GOLDEN = (5**0.5 - 1) / 2


def archive(data: Path) -> Path:
    """The package as npm packs it, in the folder `data`; downloaded if it is not there, and checked."""
    path = data / f"{PACKAGE}-{VERSION}.tgz"
    if not path.exists():
        data.mkdir(exist_ok=True)
        npm = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(data)]
        subprocess.run(npm, check=True)
    found = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if found != SHA512:
        raise ValueError(f"{path.name}: sha512-{SHA512} expected; got sha512-{found}")
    return path


def table(data: Path) -> list[dict]:
    """The lines of emoji.jsonl."""
    with tarfile.open(data / "emoji.tar") as tar:
        return [json.loads(line) for line in tar.extractfile("emoji/emoji.jsonl")]


def pictures(path: Path, folder: str) -> dict[str, np.ndarray]:
    """The PNG files of one folder in a tar file: id -> RGBA [64, 64, 4]. Ids are without FE0F."""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name.startswith(folder) and member.name.endswith(".png"):
                picture = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGBA")
                found[Path(member.name).stem.replace("-fe0f", "")] = np.array(picture)
    return found


def held_out(rows: list[dict]) -> set[str]:
    """The ids whose Twemoji picture is kept out of training: both styles, line number divisible by 5."""
    return {row["id"] for n, row in enumerate(rows, 1) if n % 5 == 0 and row["noto"] and row["twitter"]}


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square over pixels and channels, of colours multiplied with their alpha, in 0..1."""
    a, b = (np.dstack([p[..., :3] * (p[..., 3:] / 255), p[..., 3]]) / 255 for p in (a, b))
    return float(np.sqrt(((a - b) ** 2).mean()))


def choose(rows: list[dict], images: dict[str, np.ndarray]) -> list[dict]:
    """The gallery's emoji in the table's order.

    Wanted ones come first, then the held-out, then the seen; before longer labels those of one word, which
    name common things. Steps of the golden ratio spread each of these evenly over the table.
    """
    held = held_out(rows)
    room = {(group, kept_out): n for group, n in HALVES.items() for kept_out in (True, False)}

    def rank(n: int) -> tuple:
        label = rows[n]["label"]
        return label not in WANTED, rows[n]["id"] not in held, " " in label, n * GOLDEN % 1

    taken = []
    for n in sorted(range(len(rows)), key=rank):
        row, part = rows[n], (rows[n]["group"], rows[n]["id"] in held)
        fits = room.get(part) and row["noto"] and row["twitter"] and not UNFIT.search(row["label"])
        if fits and (row["label"] in WANTED or row["group"] != "symbols"):
            image = images[row["id"]]
            if all(difference(image, images[rows[m]["id"]]) >= ALIKE for m in taken):
                taken.append(n)
                room[part] -= 1
    missing = WANTED - {rows[n]["label"] for n in taken}
    if missing or any(room.values()):
        raise ValueError(f"every place filled and every wanted emoji expected; got {room}, without {missing}")
    names = ("id", "emoji", "label", "tags", "group", "subgroup")
    chosen = [rows[n] for n in sorted(taken)]
    return [{name: row[name] for name in names} | {"held_out": row["id"] in held} for row in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "samples" / "emoji")
    args = parser.parse_args()
    images = pictures(archive(args.data), "package/img/twitter/64/")
    trained_on = pictures(args.data / "emoji.tar", "emoji/twitter/")
    different = [name for name, image in trained_on.items() if not np.array_equal(image, images[name])]
    if different:
        raise ValueError(f"the pictures of emoji.tar expected; got others for {different}")
    gallery = choose(table(args.data), images)
    cells = [images[row["id"]] for row in gallery]
    sheet = np.vstack([np.hstack(cells[n : n + COLUMNS]) for n in range(0, len(cells), COLUMNS)])
    args.out.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.out / "gallery.png", optimize=True)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in gallery)
    (args.out / "gallery.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
