"""Which of YOLO's text files belongs to which image, and which to none or to several."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from single_shot.labels.annotations import Finding
from single_shot.labels.pictures import pictures_in
from single_shot.labels.set_names import SET_NAMES
from single_shot.labels.yolo_files import NAME_FILES
from single_shot.labels.yolo_sets import child

Pairs = list[tuple[Path, Path]]
NO_LABELS = (*NAME_FILES, *(f"{name}.txt" for name in SET_NAMES))


def pair(pictures: Sequence[Path], places_of: Callable[[Path], list[Path]]) -> Pairs:
    """Return pairs of an image and its text file, which need not exist.

    places_of: gives the folders of the texts for a folder of images; where there is no text, it is
    missed in the last. The text of `a.jpg` is `a.txt`; where that is not there, `a.jpg.txt` or one
    in other letters' case that no other image has.
    """
    places = {parent: places_of(parent) for parent in {picture.parent for picture in pictures}}
    listed = {each: _listing(each) for known in places.values() for each in known}
    exact: dict = {}
    for picture in pictures:
        names = f"{picture.stem}.txt", f"{picture.stem}.TXT"
        found = (place / n for place in places[picture.parent] for n in names if n in listed[place])
        exact[picture] = next(found, None)
    claimed = {path for path in exact.values() if path}
    by_spelling = {place: _by_spelling(names) for place, names in listed.items()}
    pairs = []
    for picture, path in exact.items():
        if path is None:
            known = places[picture.parent]
            spelt = f"{picture.stem}.txt".casefold(), f"{picture.name}.txt".casefold()
            alike = [p / n for p in known for text in spelt for n in by_spelling[p].get(text, ())]
            free = {each for each in alike if each not in claimed}
            path = free.pop() if len(free) == 1 else known[-1] / f"{picture.stem}.txt"
        pairs.append((picture, path))
    return pairs


def _listing(folder):
    """Return the names of the text files in a folder, links that lead nowhere among them."""
    names = os.listdir(folder) if folder.is_dir() else []
    return {name for name in names if name.lower().endswith(".txt") and not name.startswith(".")}


def _by_spelling(names):
    found = {}
    for name in names:
        found.setdefault(name.casefold(), []).append(name)
    return found


def spelt_otherwise(pairs: Pairs) -> tuple[str, ...]:
    """Return what to say of texts that are not called like their images."""
    found = [(picture, path) for picture, path in pairs if picture.stem != path.stem]
    if not found:
        return ()
    names = f"{found[0][1].name} of {found[0][0].name}"
    return (f"{len(found)} text files are spelt otherwise than their images, such as {names}",)


def places_beside(folder: Path, parent: Path) -> list[Path]:
    """Return where the texts of a folder of images are: in `labels` for its `images`, or beside."""
    parts = parent.relative_to(folder).parts
    lower = [part.lower() for part in parts]
    if "images" in lower:
        last = len(lower) - 1 - lower[::-1].index("images")
        swapped = child(folder.joinpath(*parts[:last]), "labels").joinpath(*parts[last + 1 :])
        if swapped.is_dir():
            return [swapped]
    return [child(folder, "labels").joinpath(*parts), parent]


def find_shared(pairs: Pairs) -> list[Finding]:
    """Return a Finding for every image whose text file is that of another image too."""
    claims: dict = {}
    for picture, path in pairs:
        claims.setdefault(path, []).append(picture)
    return [
        Finding(
            "ambiguous image",
            f"{picture}: {path} may be its own or that of {pictures[picture == pictures[0]]}; give "
            "each a text file or remove one",
            path,
            None,
            picture,
        )
        for path, pictures in claims.items()
        if len(pictures) > 1 and os.path.lexists(path)
        for picture in pictures
    ]


def find_orphans(pairs: Pairs) -> list[Finding]:
    """Return a Finding for every text file beside those of images that belongs to none.

    Images beside those of the pairs, which may be of another set, count too.
    """
    known = {path for _, path in pairs}
    names: dict = {}
    for picture, path in pairs:
        names.setdefault(path.parent, {picture.parent: None})[picture.parent] = None
    paired = {picture for picture, _ in pairs}
    stems = {parent: _stems(parent, paired) for parents in names.values() for parent in parents}
    findings = []
    for texts, parents in sorted(names.items()):
        pictures = next(iter(parents))
        for path in (texts / name for name in sorted(_listing(texts))):
            lower = path.name.lower()
            if path in known or lower in NO_LABELS or lower.startswith("readme."):
                continue
            if any(path.stem in stems[parent] for parent in parents):
                continue
            message = f"{path}: no image {path.stem} in {pictures}; put it there or remove the file"
            findings.append(Finding("orphan annotation", message, path))
    return findings


def _stems(folder, paired):
    """Return what the texts of the images in a folder that have no pair may be called."""
    others = (path for path in pictures_in(folder) if path not in paired)
    return {name for path in others for name in (path.stem, path.name)}


def without_text(picture: Path, path: Path, orphans: Sequence[Finding]) -> Finding:
    """Return the note on an image that has no text file; orphans: texts that have no image."""
    taken = "taken for one without objects"
    if orphans:
        taken = f"left out, since {orphans[0].path.name} has no image and may be meant"
    message = f"{picture}: no {path.name} in {path.parent}; {taken}"
    return Finding("image without annotation", message, path, None, picture)
