"""What files leave open and the whole set decides: where pixels begin, and which way is up."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from single_shot.labels.box_forms import BoxForm
from single_shot.labels.numbers_in_text import to_number
from single_shot.labels.pictures import ON_ITS_SIDE, UPRIGHT

import numpy as np

DISPLAYED, STORED = "displayed", "stored"
ENDS_SEEN = 3  # corners at a border; fewer may be chance


def corners_of(located: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Return the values (M, 4) of all objects that are numbers, and the sizes (M, 2) in pixels."""
    values, sizes_px = [], []
    for each in located:
        for raw in each.raw.objects:
            try:
                numbers = [to_number(value) for value in raw.values]
            except ValueError:  # a finding of its own
                continue
            if len(numbers) == 4:
                values.append(numbers)
                sizes_px.append(each.size_px)
    return np.array(values).reshape(-1, 4), np.array(sizes_px).reshape(-1, 2)


def decide_origin(
    located: Sequence, form: BoxForm, origin: int | None
) -> tuple[BoxForm, list[str]]:
    """Return the form with the number of the first pixel, and what to say of it.

    located: `locating.LocatedImage`s. origin: where a person says it, 0 with corners that are edges
    or 1 with corners inside the box. Else a format that counts from 1 is read from 0 where first
    corners lie from 0 to 1 at least as often as at 1, as those of objects at the border do; fewer
    are slips. The last corner then is the edge behind the box, unless some boxes end at the last
    pixel and none at the width or height. One that counts from 0 is read from 1 where `_from_one`.
    """
    if not form.has_origin:
        return form, [] if origin is None else [
            "--origin: boxes here have edges, so it is not used"
        ]
    values, sizes_px = corners_of(located)
    if origin is None:
        corners = values[:, :2]
        num_before, num_at = ((corners >= 0) & (corners < 1)).sum(), (corners == 1).sum()
        beyond = values[:, 2:] - sizes_px
        if form.first == 1 and num_before and num_before >= num_at:
            why, first = f"{num_before} corners are below 1, and {num_at} at it", 0
            ends_inside = (beyond == -1).sum() >= ENDS_SEEN and not (beyond > -1).any()
        elif form.first == 0 and _from_one(values, beyond):
            why, first, ends_inside = f"{num_at} corners are 1, and none is below", 1, True
        else:
            return form, [f"{form.rule} (--origin)"]
    else:
        why, first, ends_inside = "as --origin says", origin, origin == 1
    ends = "end inside the box" if ends_inside else "are its edges"
    rule = f"pixels count from {first} ({why}), and corners {ends}"
    said = rule if origin is not None else f"{rule} (--origin)"
    return replace(form, first=first, ends_inside=bool(ends_inside), rule=rule), [said]


def _from_one(values, beyond):
    """Whether corners count pixels from 1: as edges, boxes would reach the far borders alone.

    values (M, 4): of corners; beyond (M, 2): how far the last ones lie beyond the width and height.
    """
    at_both = (values[:, :2] == 1).sum() >= ENDS_SEEN and (beyond == 0).sum() >= ENDS_SEEN
    is_whole = not (values % 1).any()
    return at_both and is_whole and values.min() >= 1 and beyond.max() <= 0


def first_class_id(
    located: Sequence, num_classes: int, from_one: bool = False
) -> tuple[int, list[str]]:
    """Return the number of the first class, and what to say of it.

    It is 1 where ids run from 1 to the number of classes: from 0, the last would be none. from_one:
    the format counts from 1, so that it is 0 only where an id is.
    """
    ids = {raw.label for each in located for raw in each.raw.objects if type(raw.label) is int}
    if ids and from_one:
        first = 0 if 0 in ids else 1
        return first, [f"class ids are taken to count from {first}, since there is no label map"]
    if not ids or min(ids) != 1 or max(ids) != num_classes:
        return 0, []
    return 1, [f"class ids run from 1 to {num_classes}: the first class is 1"]


def decide_exif(located: Sequence, form: BoxForm, exif: str | None) -> tuple[Callable, list[str]]:
    """Return a function that tells how a located image's boxes were drawn, and what to say of it.

    exif: DISPLAYED or STORED where a person says it. Else a picture on its side tells it by the
    size that its annotation states or, in pixels, by whether its boxes fit one way only; pictures
    that do not tell are taken as most others, or as displayed.
    """
    turned_ones = [each for each in located if each.orientation != UPRIGHT]
    votes = {id(each): _vote(each, form) for each in turned_ones}
    counts = {way: list(votes.values()).count(way) for way in (DISPLAYED, STORED)}
    usual = exif or (STORED if counts[STORED] > counts[DISPLAYED] else DISPLAYED)

    def drawn_on(each):
        if each.orientation == UPRIGHT:
            return DISPLAYED
        return exif or votes[id(each)] or usual

    if not turned_ones:
        return drawn_on, []
    told = [f"{count} as {way}" for way, count in counts.items() if count]
    untold = len(turned_ones) - sum(counts.values())
    told += [f"{untold} taken as {usual}, since nothing tells (--exif)"] if untold else []
    how = f"{len(turned_ones)} as {exif} (--exif)" if exif else ", ".join(told)
    return drawn_on, [f"boxes of images that EXIF turns were drawn on them: {how}"]


def _vote(each, form):
    """Return how the boxes of an image on its side were drawn, None where nothing tells."""
    if each.orientation not in ON_ITS_SIDE or each.size_px[0] == each.size_px[1]:
        return None
    if each.raw.size_px:
        return DISPLAYED if each.raw.size_px == each.size_px else STORED
    if not form.pixels:
        return None
    values, _ = corners_of([each])
    fits = [
        all(max(form.to_edges(row, size_px)) <= 1 for row in values)
        for size_px in (each.size_px, each.size_px[::-1])
    ]
    return {(True, False): DISPLAYED, (False, True): STORED}.get(tuple(fits))


def turned(labels: np.ndarray, orientation: int) -> np.ndarray:
    """Return labels of a picture as stored, for the picture as displayed.

    labels: (M, 5) rows in fractions; orientation: 1 to 8 (CIPA DC-008, Exif 2.3, tag 274).
    """
    class_ids, (left, top, right, bottom) = labels[:, :1], labels[:, 1:].T
    along, across = (left, right), (top, bottom)
    mirrored_along, mirrored_across = (1 - right, 1 - left), (1 - bottom, 1 - top)
    x, y = {
        1: (along, across),
        2: (mirrored_along, across),
        3: (mirrored_along, mirrored_across),
        4: (along, mirrored_across),
        5: (across, along),
        6: (mirrored_across, along),
        7: (mirrored_across, mirrored_along),
        8: (across, mirrored_along),
    }[orientation]
    return np.column_stack([class_ids, x[0], y[0], x[1], y[1]]).astype(np.float32)
