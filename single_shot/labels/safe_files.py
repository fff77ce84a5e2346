"""Files that anyone may have written: text of bounded size, names that stay in their folder."""

import codecs
import os
from collections.abc import Iterable
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.numbers_in_text import shown

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file; raise AnnotationError where it is absent or over max_bytes."""
    path = Path(path)
    try:
        if not path.is_file():
            raise AnnotationError(f"{path}: no such file; is the path right?")
        size = path.stat().st_size
        if size > max_bytes:
            raise AnnotationError(
                f"{path}: {size:,} bytes, more than the {max_bytes:,} that such a file may have; "
                "split it, or is it another file?"
            )
        return path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror})") from None


def read_text(path: Path, max_bytes: int) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with its mark; raise AnnotationError.

    Line ends become a newline.
    """
    content = read_bytes(path, max_bytes)
    encoding = next(
        (name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8"
    )
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path}: not text in {encoding} (byte {error.start}: {error.reason}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise AnnotationError(f"{path}: holds zero bytes, so it is no text; save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def find_inside(root: Path, name: str, where: str) -> Path:
    """Return the path of a file that an annotation names, in the folder root.

    where: opens the message. Raises AnnotationError for a name that leads out of root, absolutely,
    by `..` or by a link, or that no file can have. The file need not exist.
    """
    fix = "write it relative to the image folder (--images)"
    parts = name.split("/")
    drive = name[1:2] == ":"
    if not name.strip() or name.startswith("/") or ".." in parts or "\\" in name or drive:
        raise AnnotationError(f"{where}: file name {shown(name)} may lead elsewhere; {fix}")
    path = Path(root) / name
    try:
        real, folder = os.path.realpath(path), os.path.realpath(root)
        path.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        raise AnnotationError(f"{where}: {shown(name)} cannot be a file name; {fix}") from None
    if os.path.commonpath([real, folder]) != folder or real == folder:
        raise AnnotationError(
            f"{where}: {shown(name)} leads out of {root}; {fix}, not through a link"
        )
    return path


def image_root(path: Path, images: Path | None, names: Iterable[str]) -> Path:
    """Return the folder of the images that an annotation file names.

    path: of the file; images: the folder, if it was given. names: of the images, of which the first
    is looked for beside the file, in `images` there and one folder up, and in folders called like
    the file's set (COCO's `annotations/instances_train2017.json` and `train2017`).
    """
    if images:
        return Path(images)
    folder = Path(path).parent
    set_name = Path(path).stem.rpartition("_")[2]
    up = folder.parent
    known = (folder, folder / "images", up / "images", up / set_name, up / "images" / set_name, up)
    first = next((name for name in names if isinstance(name, str)), "")
    for root in known:
        try:
            if find_inside(root, first, "").is_file():
                return root
        except AnnotationError:  # told where the image is read
            break
    return folder / "images" if (folder / "images").is_dir() else folder
