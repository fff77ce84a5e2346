"""Which file an annotation means by a name, whoever wrote it on whatever system."""

import unicodedata
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.box_forms import BadObject
from single_shot.labels.pictures import SUFFIXES, pictures_by_stem
from single_shot.labels.safe_files import find_by_last_parts, find_inside

# What folders of images are called beside or above an annotation file.
IMAGE_FOLDERS = ("images", "Images", "JPEGImages", "img", "data")
NAMES_TRIED = 20  # of the images that a file names, to find their folder


class ImageFinder:
    """Finds the images that annotations name, each folder listed once.

    Windows' separators count as others. A name without a picture's ending, with one in other
    letters' case or in another Unicode form finds the file that it must mean, if there is one. A
    name that leads elsewhere, such as `/home/ann/set/a.jpg`, or into a folder that is not there, is
    looked for by its last parts.
    """

    def __init__(self) -> None:
        self.listed = {}
        self.led_elsewhere = 0

    def find(self, root: Path, name: str, where: str) -> Path:
        """Return the path of an image in the folder root; it need not exist.

        where: opens messages. Raises AnnotationError for a name that leads out of root and is not
        there by its last parts; BadObject where several files may be meant.
        """
        plain = name.replace("\\", "/")
        parts = [part for part in plain.split("/") if part]
        if plain.startswith("/") or plain[1:2] == ":" or ".." in parts:
            return self._by_last_parts(root, name, where) or find_inside(root, name, where)
        path = find_inside(root, plain, where)
        path = path if path.is_file() else self._meant(path, where)
        if path.is_file() or len(parts) == 1:
            return path
        return self._by_last_parts(root, name, where) or path

    def _by_last_parts(self, root, name, where):
        """Return the file in the folder root that the last parts of a name lead to, or None.

        The last part alone may be written in another way, as for `_meant`.
        """
        path = find_by_last_parts(root, name, where)
        if path is None:
            last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
            path = self._meant(find_inside(root, last, where), where) if last != ".." else None
        if path is None or not path.is_file():
            return None
        self.led_elsewhere += 1
        return path

    def _meant(self, path, where):
        """Return the one file in the folder of a path that its name may mean, or the path."""
        if path.parent not in self.listed:
            self.listed[path.parent] = pictures_by_stem(path.parent)
        named = path.suffix.lower() in SUFFIXES
        stem = unicodedata.normalize("NFC", path.stem if named else path.name)
        found = self.listed[path.parent].get(stem, [])
        if named:
            found = [each for each in found if each.suffix.lower() == path.suffix.lower()]
        if len(found) > 1:
            names = ", ".join(each.name for each in found)
            message = f"{where}: {path.name} may be any of {names}; write the whole name"
            raise BadObject("ambiguous image", message)
        return found[0] if found else path


def image_root(path: Path, images: Path | None, names: Iterable[str]) -> Path:
    """Return the folder of the images that an annotation file names.

    path: of the file; images: the folder, if it was given. names: of the images, of which the first
    NAMES_TRIED are looked for beside the file, one folder up, in folders there that are called as
    in IMAGE_FOLDERS, and in those called like the file's set (COCO's
    `annotations/instances_train2017.json` or `custom_train.json`, and `train2017`).
    """
    if images:
        return Path(images)
    folder = Path(path).parent
    set_name = Path(path).stem.rpartition("_")[2]
    up = folder.parent
    known = [folder, *(folder / name for name in IMAGE_FOLDERS)]
    known += [up / name for name in IMAGE_FOLDERS]
    known += [*sorted(up.glob(f"{set_name}*")), *sorted((up / "images").glob(f"{set_name}*")), up]
    first = [*islice((name for name in names if isinstance(name, str)), NAMES_TRIED)]
    counts = {root: _num_found(root, first) for root in known}
    best = max(counts, key=counts.__getitem__)  # the first of equal ones
    if any(counts[best]):
        return best
    return next((root for root in known[1:] if root.is_dir() and root.parent == folder), folder)


def _num_found(root, names):
    """Return how many names are files in a folder as they are written, and how many in any way."""
    finder = ImageFinder()
    found = sum(is_there(finder, root, name) for name in names)
    return found - finder.led_elsewhere, found


def is_there(finder: ImageFinder, root: Path, name: str) -> bool:
    """Whether a name is that of a file in the folder root."""
    try:
        return root.is_dir() and finder.find(root, name, "").is_file()
    except AnnotationError:  # told where the image is read
        return False
