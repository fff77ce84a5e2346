"""The folder that holds a data set, where archives have folders of their own around it."""

from itertools import islice
from pathlib import Path

from single_shot.labels.pictures import is_hidden
from single_shot.labels.set_names import SET_NAMES

NESTED = ("voc", "yolo")  # whose layouts begin at a certain folder
LAYOUT_FOLDERS = ("images", "labels", "annotations", "xmls", "jpegimages", "img", *SET_NAMES)
OF_ARCHIVES = "__MACOSX"


def inner_folder(folder: Path, format_name: str) -> Path:
    """Return the folder where a layout begins: the only one in a folder that holds nothing else."""
    if format_name not in NESTED or not folder.is_dir():
        return folder
    entries = (path for path in folder.iterdir() if not is_hidden(path, folder))
    first = [*islice((path for path in entries if path.name != OF_ARCHIVES), 2)]
    if len(first) != 1 or not first[0].is_dir() or first[0].is_symlink():
        return folder
    name = first[0].name.lower()
    is_layout = name in LAYOUT_FOLDERS or name.startswith("obj_")
    return folder if is_layout else inner_folder(first[0], format_name)
