"""Data sets that `single-shot prepare` has made, opened for training and evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from single_shot.files import sha256
from utils.checkpoint import is_names
from utils.records import (
    OBJECT_WIDTH,
    RecordError,
    check_labels,
    decode_jpeg,
    read_payloads,
    unpack_rows,
)

import numpy as np
from mxnet import gluon

SPLITS = ("train", "val")
PLACES = "images.json"  # where the images of each split came from
GROUPS = "groups"  # in that file: the number of each image's group of copies, frames or near copies


class PreparedError(RecordError):
    """A folder that is no prepared data set; the message names the file and the fix."""


class PreparedDataset(gluon.data.Dataset):
    """Samples in memory, the images as JPEG, which are decoded when they are asked for.

    samples: list of JPEG bytes, labels (M, 5) and (M,) bool that marks difficult objects;
    sha256: of the file that they come from; images: where each was before, as a text; groups: the
    same for images that belong together (`prepare --group-by`), by default each is alone.
    """

    def __init__(
        self,
        samples: Sequence,
        class_names: Sequence[str],
        sha256: str,
        images: Sequence[str] | None = None,
        groups: Sequence | None = None,
    ) -> None:
        self.groups = list(groups or (f"{sha256} {index}" for index in range(len(samples))))
        self.images = list(images or (f"image {index}" for index in range(len(samples))))
        self.sha256 = sha256
        self.class_names = tuple(class_names)
        self._jpegs = [jpeg for jpeg, _, _ in samples]
        self.labels = [labels for _, labels, _ in samples]
        self.difficult = [difficult for _, _, difficult in samples]

    def __len__(self) -> int:
        return len(self._jpegs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return image (H, W, 3) uint8 RGB and labels (M, 5) in fractions."""
        return decode_jpeg(self._jpegs[index], f"image {index}"), self.labels[index]

    def subset(self, indices: Iterable[int]) -> PreparedDataset:
        """Return the samples with these numbers as a data set of their own."""
        indices = [int(index) for index in indices]
        samples = [(self._jpegs[k], self.labels[k], self.difficult[k]) for k in indices]
        digest = hashlib.sha256(f"{self.sha256} {indices}".encode()).hexdigest()
        images, groups = ([each[k] for k in indices] for each in (self.images, self.groups))
        return PreparedDataset(samples, self.class_names, digest, images, groups)

    def joined(self, other: PreparedDataset) -> PreparedDataset:
        """Return the samples of this data set and of another one with the same classes."""
        samples = [sample for d in (self, other) for sample in zip(d._jpegs, d.labels, d.difficult)]
        digest = hashlib.sha256(f"{self.sha256} {other.sha256}".encode()).hexdigest()
        images, groups = self.images + other.images, self.groups + other.groups
        return PreparedDataset(samples, self.class_names, digest, images, groups)

    @property
    def max_objects(self) -> int:
        """The number of objects in the fullest image, at least 1."""
        return max(1, max(map(len, self.labels)))


def open_prepared(folder: Path | str, split: str) -> PreparedDataset:
    """Return a split, `train` or `val`, of a prepared folder as a PreparedDataset.

    Raises PreparedError where the folder is no prepared one or its files have changed since,
    RecordError for a record that must not be trained on.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if split not in SPLITS:
        raise PreparedError(f"{folder}: no split {split!r}; choose one of {', '.join(SPLITS)}")
    for name in (f"{split}.rec", f"{split}.idx"):
        if not (folder / name).is_file() or sha256(folder / name) != manifest["sha256"].get(name):
            raise PreparedError(
                f"{folder / name}: absent, or not the file that manifest.json describes; "
                "prepare the folder again (single-shot prepare)"
            )
    class_names = manifest["class_names"]
    samples = [
        _sample(payload, f"{folder / split}.rec record {key}", len(class_names))
        for key, payload in read_payloads(folder / f"{split}.rec")
    ]
    places, groups = _places(folder, split, len(samples))
    return PreparedDataset(samples, class_names, manifest["sha256"][f"{split}.rec"], places, groups)


def _places(folder, split, count):
    """Return where the images of a split were and their groups, None where a folder is too old.

    Raises PreparedError for a file that is not as `prepare` writes it.
    """
    path = folder / PLACES
    if not path.exists():
        return None, None
    try:
        content = json.loads(path.read_text())
        places = content[split]
        groups = content[GROUPS][split] if GROUPS in content else None
        fits = is_names(places) and len(places) == count
        if groups is not None:
            fits = fits and len(groups) == count and set(map(type, groups)) <= {int}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise PreparedError(f"{path}: does not name {count} images of {split}; prepare it again")
    return places, groups


def read_manifest(folder: Path) -> dict:
    """Return manifest.json of a prepared folder as a dict; raise PreparedError where it is none."""
    path = Path(folder) / "manifest.json"
    advice = "make the folder with single-shot prepare SOURCE --out DIR"
    try:
        manifest = json.loads(path.read_text())
        names, sums = manifest["class_names"], manifest["sha256"]
    except OSError as error:
        raise PreparedError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PreparedError(
            f"{path}: not the manifest of a data set ({error!r}); {advice}"
        ) from None
    if not is_names(names) or not isinstance(sums, dict):
        raise PreparedError(f"{path}: class_names or sha256 is not as prepare writes it; {advice}")
    return manifest


def _sample(payload, where, num_classes):
    rows, jpeg = unpack_rows(payload, where)
    labels = check_labels(rows, num_classes, where)
    padding = (rows[:, :OBJECT_WIDTH] == -1).all(axis=1)
    if rows.shape[1] == OBJECT_WIDTH:
        return jpeg, labels, labels[:, 0] < 0
    return jpeg, labels, rows[~padding, OBJECT_WIDTH] == 1
