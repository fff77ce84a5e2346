"""Which image a task of Label Studio's is about, and under which name its file lies."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from single_shot.labels.image_files import ImageFinder, image_root, is_there

UPLOAD = re.compile(r"(^|.*/)[0-9a-f]{8}-([^/]+)")  # the name of an uploaded file on the server


def addresses_of(data: object) -> dict[str, str]:
    """Return the texts among a task's data, of which one is the address of its image.

    An address `data:...` is the image itself, as text.
    """
    pairs = data.items() if isinstance(data, dict) else ()
    texts = {key: value for key, value in pairs if isinstance(value, str) and value}
    return {key: text for key, text in texts.items() if not text.startswith("data:")}


def image_key(addresses: dict[str, str], drawn_on: Iterable[str]) -> str | None:
    """Return which of the addresses is that of the image: the one called so, or the first.

    drawn_on: what the regions name as theirs (`to_name`), which comes before, where it is a key.
    """
    usual = next((key for key in ("image", "img", *addresses) if key in addresses), None)
    named = sorted(name for name in drawn_on if name in addresses)
    return usual if usual in named or not named else named[0]


def file_name(address: str) -> str:
    """Return the file that an address means, with its folders; raise ValueError for no address."""
    if "://" in address or address.startswith("/data/"):
        parts = urlsplit(address)
        local = parse_qs(parts.query).get("d")  # /data/local-files/?d=folder/a.jpg
        address = local[0] if local else unquote(parts.path)
    if address.startswith("/data/upload/"):  # a folder of the server's own
        return address.rpartition("/")[2]
    return address.lstrip("/")


def root_and_names(
    path: Path, images: Path | None, names: Sequence[str]
) -> tuple[Path, dict[str, str]]:
    """Return the folder of the images, and the names of those that lie there under a shorter one.

    path: of the annotation file; images: the folder, if it was given. Label Studio puts eight signs
    before the name of an uploaded file: `ab12cd34-0.jpg` is `0.jpg` where only that is there.
    """
    root, finder = image_root(path, images, names), ImageFinder()
    shorter = {name: found[1] + found[2] for name in names if (found := UPLOAD.fullmatch(name))}
    if not shorter:
        return root, {}
    if not any(is_there(finder, root, name) for name in names):
        root = image_root(path, images, shorter.values())
    moved = {
        name: short
        for name, short in shorter.items()
        if not is_there(finder, root, name) and is_there(finder, root, short)
    }
    return root, moved
