"""What stays of a training: scores on held-out images, files that tell them, the worst images."""

import json
import platform
from collections.abc import Sequence
from pathlib import Path

from single_shot.figure_files import write_figure
from single_shot.files import write_whole
from utils.average_precision import pairwise_iou
from utils.compat import core_count
from utils.detection import DISPLAY_THRESHOLD
from utils.error_anatomy import MATCH_IOU, RIGHT, Judgement, as_rows, judge_image
from utils.figures.colors import OBJECT_COLOR, POSITIVE_COLOR, PREDICTION_COLOR
from utils.figures.curves import plot_history, plot_precision_recall
from utils.figures.drawing import detection_panels, draw_boxes, panels
from utils.metrics import evaluate_coco, evaluate_detections

import mxnet as mx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mxnet import gluon

VOC_MODES = {"voc07": "11-point", "voc_area": "area"}
SAME_CLASS = ("localisation", "duplicate")  # errors about an object of the class that was said
SCORED = ("precision_recall.png", "detections.png", "worst.png")
REPORT = ("card.json", "history.json", "curves.png", *SCORED)


def evaluate(detections: Sequence[np.ndarray], dataset: gluon.data.Dataset) -> dict:
    """Return the scores of detections on a data set: VOC's in both modes, and COCO's, by name.

    detections: from `detection.detect_dataset`; dataset: with labels, difficult and class_names,
    such as a VocDataset. Difficult objects neither count nor hurt.
    """
    data = detections, dataset.labels, dataset.class_names, dataset.difficult
    scores = {name: evaluate_detections(*data, mode=mode) for name, mode in VOC_MODES.items()}
    return scores | {"coco": evaluate_coco(*data)}


def scores_of(results: dict) -> dict:
    """Return the numbers of `evaluate` for JSON; None where the data set lacks what they count."""
    coco = results["coco"]
    return {
        "voc07_map": results["voc07"].mean,
        "voc_area_map": results["voc_area"].mean,
        "coco_ap": coco.ap,
        "ap50": coco.ap50,
        "ap75": coco.ap75,
        "ap50_by_class": coco.results[0.5].average_precisions,
    }


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, all of it or nothing."""
    write_whole(path, json.dumps(value, indent=1) + "\n")


def write_pictures(
    folder: Path, results: dict, detections: Sequence[np.ndarray], dataset: gluon.data.Dataset
) -> None:
    """Write the pictures SCORED of detections on a data set; results: from `evaluate`."""
    curves = plot_precision_recall(results["voc_area"]).figure
    figures = curves, draw_first(detections, dataset), draw_worst(detections, dataset)
    for name, figure in zip(SCORED, figures, strict=True):
        write_figure(folder / name, figure)


def write_report(
    folder: Path,
    detections: Sequence[np.ndarray],
    dataset: gluon.data.Dataset,
    history: list[dict],
    card: dict,
) -> tuple[str, dict]:
    """Write into a folder what stays of a training; return its scores as a text, and the card.

    detections, dataset: as for `evaluate`; history: from `training.train`; card: what else a reader
    should know of the run, written last, with the scores.
    """
    results = evaluate(detections, dataset)
    write_json(folder / "history.json", history)
    write_figure(folder / "curves.png", plot_history(history))
    write_pictures(folder, results, detections, dataset)
    speed = {
        "train_seconds": round(sum(line["seconds"] for line in history), 1),
        "images_per_second": round(history[-1]["images_per_second"], 2),
        "machine": f"{core_count()} cores, {platform.machine()}, MXNet {mx.__version__}",
    }
    card = scores_of(results) | card | speed
    write_json(folder / "card.json", card)
    return f"{text_of(results)}\n\n{folder}: {', '.join(REPORT)}", card


def text_of(results: dict) -> str:
    """Return the tables of the results that `evaluate` returns."""
    return "\n\n".join(map(str, results.values()))


def draw_first(
    detections: Sequence[np.ndarray], dataset: gluon.data.Dataset, count: int = 8, columns: int = 4
) -> Figure:
    """Return a figure of what is detected in the first images of a data set."""
    images = [dataset[index][0] for index in range(min(count, len(dataset)))]
    in_pixels = [
        rows * np.array((1, 1, *image.shape[1::-1] * 2), dtype=np.float32)
        for rows, image in zip(detections, images)
    ]
    return detection_panels(images, in_pixels, dataset.class_names, columns=columns)


def leave_out_difficult(
    detections: np.ndarray, objects: np.ndarray, difficult: np.ndarray
) -> tuple:
    """Return an image's detections and objects without the difficult ones and what found them.

    detections: (D, 6); objects: (G, 5); difficult: (G,) bool.
    """
    detections, objects = as_rows(detections, objects)
    iou = pairwise_iou(detections[:, 2:], objects[:, 1:])  # (D, G)
    on_difficult = iou[:, difficult].max(axis=1, initial=0)
    on_others = iou[:, ~difficult].max(axis=1, initial=0)
    aside = (on_difficult >= MATCH_IOU) & (on_difficult > on_others)
    return detections[~aside], objects[~difficult]


def draw_worst(
    detections: Sequence[np.ndarray],
    dataset: gluon.data.Dataset,
    count: int = 6,
    columns: int = 3,
    inches: float = 5,
) -> Figure:
    """Return a figure of the images of a data set with most errors, and of what kinds they are.

    detections, dataset: as for `evaluate`; those with a score below DISPLAY_THRESHOLD are left out.
    inches: width of a column.
    """
    judged = []
    for found, objects, difficult in zip(detections, dataset.labels, dataset.difficult):
        shown = found[found[:, 1] >= DISPLAY_THRESHOLD]
        rows = leave_out_difficult(shown, objects, np.asarray(difficult, dtype=bool))
        judged.append((*rows, judge_image(*rows)))
    worst = sorted(range(len(judged)), key=lambda index: -num_errors(judged[index][2]))[:count]
    places = getattr(dataset, "images", [f"image {index}" for index in range(len(dataset))])
    titles = [f"{name_of(places[k])}: {num_errors(judged[k][2])} errors" for k in worst]
    columns = min(columns, len(worst))
    axes = panels([dataset[index][0] for index in worst], titles, columns, inches * columns)
    for ax, index in zip(axes, worst):
        found, objects, judgement = judged[index]
        draw_verdicts(ax, found, objects, judgement, dataset.class_names)
    axes[0].figure.suptitle(
        "Held-out images with most errors\ngreen: right, orange: wrong, blue: missed"
    )
    return axes[0].figure


def name_of(place: Path | str) -> str:
    """Return the end of where an image is, short enough for a title."""
    return Path(str(place)).name[-30:]


def num_errors(judgement: Judgement) -> int:
    """Return how many detections are wrong and how many objects missed in an image."""
    return int((judgement.verdicts != RIGHT).sum() + judgement.missed.sum())


def draw_verdicts(
    ax: Axes,
    detections: np.ndarray,
    objects: np.ndarray,
    judgement: Judgement,
    class_names: Sequence[str],
) -> None:
    """Draw on an image's axes what is right, what is wrong and why, and what is missed.

    detections: (D, 6); objects: (G, 5); judgement: from `error_anatomy.judge_image`.
    """
    wrong = judgement.verdicts != RIGHT
    draw_boxes(ax, detections[~wrong, 2:], colors=POSITIVE_COLOR)
    texts = [
        f"{verdict} {row[1]:.2f}"
        if verdict in SAME_CLASS  # the object says which; a short tag hides less of it
        else f"{verdict}: {class_names[int(row[0])]} {row[1]:.2f}"
        for verdict, row in zip(judgement.verdicts[wrong], detections[wrong])
    ]
    draw_boxes(ax, detections[wrong, 2:], texts, PREDICTION_COLOR)
    missed = objects[judgement.missed]
    draw_boxes(ax, missed[:, 1:], [class_names[int(row[0])] for row in missed], OBJECT_COLOR)
