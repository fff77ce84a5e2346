"""Pictures that belong together, so that none of them tests what another has taught.

Frames of a clip, copies that Roboflow made of one picture, near copies by their looks, and what a
person says: all of a group are on one side of a split.
"""

import re
from collections.abc import Iterable, Sequence

from single_shot.labels.annotations import AnnotationError

import cv2
import numpy as np

LOOK_SIDE = 16
LOOK_BITS = LOOK_SIDE**2
# Of LOOK_BITS. Frames of a film at rest and copies that were brightened or compressed differ in
# fewer; other objects before the same photograph in 35 or more, and photographs in 100.
NEAR_BITS = 20
NOISE = 0.1  # of the spread of a small copy's grey values; even ground would be hashed by chance
MOST_IN_BAND = 200  # pictures compared pair by pair; more that agree in a band are chained
# Roboflow's NAME_jpg.rf.HASH.jpg, where NAME may be that of a frame.
COPY_OF = re.compile(r"(.+?)(?:_(?:jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9a-z]{16,}", re.IGNORECASE)
# `clip1_frame_0001`, Roboflow's `clip_mp4-0040`, `vid1_000`. A word of films with one number is as
# good as any other word: a tool numbers photographs in this way.
FRAME_OF = re.compile(
    r"(.+?)[ _.-]*frame[ _.-]*\d+"
    r"|(.+[_.](?:mp4|m4v|mov|avi|mkv|webm))[_-]\d+"
    r"|((?:.*[ _.-])?(?:vid|video|clip|film|movie)[ _.-]?\d+)[ _.-]\d+",
    re.IGNORECASE,
)
FRAME_OF_FOLDER = re.compile(r"frame[ _.-]*\d+", re.IGNORECASE)
NO_GROUPS = "none"


def look_of(image: np.ndarray) -> np.ndarray:
    """Return what a picture looks like as LOOK_BITS bits, packed: (32,) uint8.

    image: (H, W, 3) uint8 RGB. A bit says whether a small grey copy becomes brighter from one pixel
    to the next on its right (Krawetz, "Kind of like that": difference hash), by more than noise.
    """
    small = cv2.resize(image, (LOOK_SIDE + 1, LOOK_SIDE), interpolation=cv2.INTER_AREA)
    gray = small @ np.array([0.299, 0.587, 0.114])
    return np.packbits(np.diff(gray, axis=1) > NOISE * gray.std())


def group_images(
    names: Sequence[str], looks: Sequence[np.ndarray], pattern: str | None = None
) -> list[int]:
    """Return a number for every picture, the same for those that belong together.

    names: file names, or where the pictures are; looks: see `look_of`. pattern: a regular
    expression whose first group, or whole match, names a picture's group, instead of all else;
    NO_GROUPS puts each in one of its own.
    Raises AnnotationError for a pattern that is none.
    """
    if pattern == NO_GROUPS:
        return list(range(len(names)))
    if pattern is not None:
        keys = [_matched(pattern, name) for name in names]
        return _numbers(len(names), _pairs_of(keys))
    pairs = _pairs_of(map(_named_group, names))
    return _numbers(len(names), [*pairs, *near_pairs(looks)])


def _matched(pattern, name):
    try:
        found = re.search(pattern, name)
    except re.error as error:
        raise AnnotationError(
            f"--group-by {pattern!r}: no regular expression ({error}); write such as 'clip\\d+'"
        ) from None
    return found and (found[1] if found.re.groups else found[0])


def _named_group(name):
    """Return what the path of a file says of its group, None where it says nothing.

    A copy of a frame belongs to the frame's clip; a frame without the name of a clip to its folder.
    """
    folder, _, file = name.rpartition("/")
    stem = file.rpartition(".")[0]
    copy = COPY_OF.fullmatch(stem)
    inner = copy[1] if copy else stem
    if found := FRAME_OF.fullmatch(inner):
        return "clip", found[found.lastindex]
    if FRAME_OF_FOLDER.fullmatch(inner):
        return "folder", folder
    return copy and ("copy", inner)


def _pairs_of(keys):
    """Return pairs of positions that tie all of each key together."""
    first = {}
    return [(first.setdefault(key, at), at) for at, key in enumerate(keys) if key is not None]


def near_pairs(looks: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Return pairs of positions of pictures that differ in NEAR_BITS bits at most.

    Two such agree in one of NEAR_BITS + 1 bands of their bits, so that only those are compared.
    Beyond MOST_IN_BAND in a band each is compared with its neighbours in the order of their bits.
    """
    if len(looks) < 2:
        return []
    bits = np.unpackbits(np.stack(looks), axis=1)  # (N, LOOK_BITS)
    pairs: set[tuple[int, int]] = set()
    for band in np.array_split(np.arange(LOOK_BITS), NEAR_BITS + 1):
        _, which = np.unique(np.packbits(bits[:, band], axis=1), axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(which.ravel()[order])) + 1):
            pairs.update(_close(bits, members))
    return sorted(pairs)


def _close(bits, members):
    """Return the pairs among members whose bits are near."""
    if len(members) > MOST_IN_BAND:
        members = members[np.lexsort(bits[members].T)]
        first, second = members[:-1], members[1:]
    else:
        first, second = (members[side] for side in np.triu_indices(len(members), 1))
    near = (bits[first] != bits[second]).sum(axis=1) <= NEAR_BITS
    pairs = np.sort(np.column_stack([first, second])[near], axis=1)
    return [(first, second) for first, second in pairs.tolist()]


def _numbers(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return a number for each of count positions, the same for those that pairs tie together."""
    parents = list(range(count))

    def root(at):
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    for a, b in pairs:
        a, b = root(a), root(b)
        parents[max(a, b)] = min(a, b)
    return [root(at) for at in range(count)]
