"""Make checked records of labelled pictures.

    single-shot prepare photos --out prepared

SOURCE is a folder or file as a labelling tool exports it; format, sets, images and conventions are
found and said, and an option decides each of them otherwise (single_shot/labels/README.md). DIR
gets train.rec and val.rec with their .idx, manifest.json, a contact sheet, the boxes at the borders
and a report of all that was found; it appears only when it is complete. A bad label stops
everything: it is named, drawn in DIR.findings, and the exit status is 2; --drop-bad leaves bad
objects and images out instead.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from single_shot.answer import Answer
from single_shot.arguments import number, program, seed, share
from single_shot.figure_files import write_contact_sheet, write_figure
from single_shot.files import appearing_folder, sha256, write_whole
from single_shot.labels.annotations import FINDINGS_SHOWN, AnnotationError, read_annotated
from single_shot.labels.borders import BORDERS_FILE, draw_borders
from single_shot.labels.conventions import DISPLAYED, STORED
from single_shot.labels.formats import FORMATS
from single_shot.labels.numbers_in_text import printable
from single_shot.labels.pictures import limited_size, to_jpeg
from single_shot.labels.report import REPORT_FILES, summary, write_report
from single_shot.labels.splits import stratified_split
from single_shot.prepared_folder import GROUPS, PLACES, SPLITS
from single_shot.understanding import NAMES_SHOWN, Understood, understand
from utils.context import SEED
from utils.hooks import progress
from utils.records import write_records

import numpy as np

VAL_SHARE = 0.2
MAX_SIDE_PX = 1024  # larger than any network here sees, and small enough to decode at every step


class FaultsFound(AnnotationError):
    """Bad labels in a strict run; the message is the beginning of the report."""


def remove_report(folder: Path) -> None:
    """Remove the report of an earlier refusal, and its folder if nothing else is in it."""
    for name in REPORT_FILES:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def split_items(source: Understood, share: float, seed: int) -> dict[str, list]:
    """Return the Annotations of each split, as a dict: the source's sets, or its images split."""
    items = source.items
    if len(items) == 1:
        labels = [item.labels for item in items[0]]
        indices = stratified_split(labels, share, seed, source.groups)
        items = [[items[0][index] for index in part] for part in indices]
    for split, part in zip(SPLITS, items):
        if not part:
            raise AnnotationError(f"{split}: no image is left; see the findings")
    return dict(zip(SPLITS, items))


def write_split(prefix: Path, items: Sequence, max_side: int) -> None:
    """Write the records of Annotations, with difficult as the sixth column of their objects."""
    bar = progress(items, desc=prefix.name, unit="image", mininterval=0.5)
    samples = (
        (
            to_jpeg(item.image, read_annotated(item), max_side),
            np.column_stack([item.labels, item.difficult]),
        )
        for item in bar
    )
    write_records(prefix, samples)


def describe(items: Sequence, class_names: Sequence[str], max_side: int) -> dict:
    """Return what manifest.json says of a split's images, objects and sizes."""
    ids = np.concatenate([item.labels[:, 0] for item in items]).astype(int)
    counts = np.bincount(ids, minlength=len(class_names))
    sizes = np.array([limited_size(item.size_px, max_side) for item in items])
    ranges = [[int(sides.min()), int(sides.max())] for sides in sizes.T]
    return {
        "num_images": len(items),
        "num_objects": dict(zip(class_names, counts.tolist())),
        "num_difficult": int(sum(item.difficult.sum() for item in items)),
        "size_px": dict(zip(("width", "height"), ranges)),
    }


def write_folder(folder: Path, splits: dict, source: Understood, settings: dict) -> dict:
    """Write records, pictures, report and, last, the manifest; return the manifest."""
    descriptions, class_names, findings = {}, source.class_names, source.findings
    for split, items in splits.items():
        write_split(folder / split, items, settings["max_side"])
        descriptions[split] = describe(items, class_names, settings["max_side"])
    write_contact_sheet(folder / "contact_sheet.png", folder / "train.rec", class_names)
    borders = draw_borders(item for items in splits.values() for item in items)
    if borders is not None:
        write_figure(folder / BORDERS_FILE, borders)
    write_report(folder, findings)
    places = {split: [str(item.image) for item in items] for split, items in splits.items()}
    items = (item for part in source.parts for item in part.items)
    group_of = {str(item.image): group for item, group in zip(items, source.groups, strict=True)}
    groups = {split: [group_of[path] for path in paths] for split, paths in places.items()}
    write_whole(folder / PLACES, json.dumps(places | {GROUPS: groups}, indent=1) + "\n")
    files = [f"{split}.{suffix}" for split in SPLITS for suffix in ("idx", "rec")]
    fields = next(iter(descriptions.values()))
    manifest: dict = {"class_names": list(class_names)}
    manifest |= {field: {s: d[field] for s, d in descriptions.items()} for field in fields}
    manifest |= {"num_findings": len(findings), "settings": settings}
    manifest |= {"sha256": {file: sha256(folder / file) for file in files}}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def prepare(options: Namespace) -> tuple[dict, list[str]]:
    """Do what the options say; return the manifest, and lines on how the source was understood.

    Raises InputError, FaultsFound among them.
    """
    folder = options.out
    if folder.exists():
        raise AnnotationError(f"{folder}: exists; remove it or choose another folder (--out)")
    refused = folder.with_name(f"{folder.name}.findings")
    source = understand(options)
    remove_report(refused)
    faults = [finding for finding in source.findings if finding.is_fault]
    if faults and not options.drop_bad:
        refused.mkdir(parents=True, exist_ok=True)
        write_report(refused, source.findings)
        said = "\n".join([*source.lines, summary(source.findings, FINDINGS_SHOWN)])
        raise FaultsFound(
            f"{len(faults)} faults: mend them, have --repair mend what it can, or leave bad "
            f"objects and images out (--drop-bad). All are in {refused}.\n{said}"
        )
    splits = split_items(source, options.val_share, options.seed)
    settings = {"format": source.format_name, "sets": source.sets, "drop_bad": options.drop_bad}
    settings |= {"seed": options.seed, "max_side": options.max_side, "repair": options.repair}
    settings |= {"val_share": None if source.sets else options.val_share}
    settings |= {"understood": source.lines}
    with appearing_folder(folder) as temporary:
        manifest = write_folder(temporary, splits, source, settings)
    return manifest, source.lines


def objects_line(counts: dict) -> str:
    """Return how many objects there are of each class; of many classes, how many in all."""
    if len(counts) > NAMES_SHOWN:
        return f"{sum(counts.values())} objects of {len(counts)} classes, see manifest.json"
    return ", ".join(f"{count} {printable(name)}" for name, count in counts.items())


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("source", type=Path, help="folder or file with the annotations")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    add("--format", choices=FORMATS, help="default: guessed")
    images_help = "their folder; default: found by the annotations"
    add("--images", type=Path, metavar="DIR", help=images_help)
    add("--classes", nargs="+", metavar="NAME", help="in their order; default: those of the source")
    add(
        "--sets",
        nargs=2,
        metavar=("TRAIN", "VAL"),
        default=[],
        help="sets, files or folders in the source; default: its own, such as train and valid",
    )
    add("--join-sets", action="store_true", help="divide the images of both sets anew")
    group_help = "regular expression that names an image's group in its path; none: no groups; "
    group_help += "default: copies, frames and near copies belong together"
    add("--group-by", metavar="PATTERN", help=group_help)
    add("--val-share", type=share, default=VAL_SHARE, help="of the images, held out")
    add("--seed", type=seed, default=SEED, help="of the split")
    side_help = "shrink larger images; 0: do not"
    add("--max-side", type=number(0), default=MAX_SIDE_PX, metavar="PX", help=side_help)
    add("--drop-bad", action="store_true", help="leave bad objects and images out")
    add("--repair", action="store_true", help="mend what can be mended in one way, and list it")
    origin_help = "number of the first pixel; default: decided by the set"
    add("--origin", type=int, choices=(0, 1), help=origin_help)
    exif_help = (
        "how boxes were drawn on pictures that EXIF turns; default: decided by the whole set"
    )
    add("--exif", choices=(DISPLAYED, STORED), help=exif_help)
    columns_help = "columns of a CSV file without a header"
    add("--columns", nargs="+", default=[], metavar="NAME", help=columns_help)
    objects_help = "what images without any object are"
    choices = ("background", "leave-out")
    add("--without-objects", choices=choices, default="background", help=objects_help)


def run(options: Namespace) -> Answer:
    """Prepare; return the Answer."""
    manifest, lines = prepare(options)
    for split in SPLITS:
        objects = objects_line(manifest["num_objects"][split])
        lines.append(f"{split}: {manifest['num_images'][split]} images, {objects}")
    found = manifest["num_findings"]
    report = f"{found} findings, see {options.out / 'report.txt'}"
    lines += [report if found else "nothing to mend", f"now: {program()} train {options.out}"]
    return Answer("\n".join(lines), manifest)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return f"{options.out} is not made"
