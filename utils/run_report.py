"""What stays of a training: scores on held-out images, files that tell them, the worst images."""

import json
import platform
from pathlib import Path

from utils.average_precision import pairwise_iou
from utils.checkpoint import replace_atomically
from utils.compat import core_count
from utils.curves import plot_history, plot_precision_recall
from utils.detection import DISPLAY_THRESHOLD
from utils.error_anatomy import MATCH_IOU, RIGHT, as_rows, judge_image
from utils.metrics import evaluate_coco, evaluate_detections
from utils.panels import panels
from utils.plotting import OBJECT_COLOR, POSITIVE_COLOR, PREDICTION_COLOR, draw_boxes, to_png

import mxnet as mx
import numpy as np

REPORT = ("card.json", "curves.png", "history.json", "precision_recall.png", "worst.png")
VOC_MODES = {"voc07": "11-point", "voc_area": "area"}


def evaluate(detections, dataset):
    """Return the scores of detections on a data set: VOC's in both modes, and COCO's, by name.

    detections: from `detection.detect_dataset`; dataset: with labels, difficult and class_names,
    such as a VocDataset. Difficult objects neither count nor hurt.
    """
    data = detections, dataset.labels, dataset.class_names, dataset.difficult
    scores = {name: evaluate_detections(*data, mode=mode) for name, mode in VOC_MODES.items()}
    return scores | {"coco": evaluate_coco(*data)}


def scores_of(results):
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


def write_json(path, value):
    """Write a value as JSON, all of it or nothing."""
    text = json.dumps(value, indent=1) + "\n"
    replace_atomically(path, lambda file: Path(file).write_text(text))


def write_figure(path, figure):
    """Write a figure as PNG, all of it or nothing."""
    picture = to_png(figure)
    replace_atomically(path, lambda file: Path(file).write_bytes(picture))


def write_report(folder, detections, dataset, history, card):
    """Write into a folder what stays of a training; return its scores as a text.

    detections, dataset: as for `evaluate`; history: from `training.train`; card: what else a reader
    should know of the run, written last, with the scores.
    """
    results = evaluate(detections, dataset)
    write_json(folder / "history.json", history)
    write_figure(folder / "curves.png", plot_history(history))
    curves = plot_precision_recall(results["voc_area"]).figure
    write_figure(folder / "precision_recall.png", curves)
    write_figure(folder / "worst.png", draw_worst(detections, dataset))
    speed = {
        "train_seconds": round(sum(line["seconds"] for line in history), 1),
        "images_per_second": round(history[-1]["images_per_second"], 2),
        "machine": f"{core_count()} cores, {platform.machine()}, MXNet {mx.__version__}",
    }
    write_json(folder / "card.json", scores_of(results) | card | speed)
    return "\n\n".join(map(str, results.values())) + f"\n\n{folder}: " + ", ".join(REPORT)


def leave_out_difficult(detections, objects, difficult):
    """Return an image's detections and objects without the difficult ones and what found them.

    detections: (D, 6); objects: (G, 5); difficult: (G,) bool.
    """
    detections, objects = as_rows(detections, objects)
    iou = pairwise_iou(detections[:, 2:], objects[:, 1:])  # (D, G)
    on_difficult = iou[:, difficult].max(axis=1, initial=0)
    on_others = iou[:, ~difficult].max(axis=1, initial=0)
    aside = (on_difficult >= MATCH_IOU) & (on_difficult > on_others)
    return detections[~aside], objects[~difficult]


def draw_worst(detections, dataset, count=6, columns=3):
    """Return a figure of the images of a data set with most errors, and of what kinds they are.

    detections, dataset: as for `evaluate`; those with a score below DISPLAY_THRESHOLD are left out.
    """
    judged = []
    for found, objects, difficult in zip(detections, dataset.labels, dataset.difficult):
        shown = found[found[:, 1] >= DISPLAY_THRESHOLD]
        rows = leave_out_difficult(shown, objects, np.asarray(difficult, dtype=bool))
        judged.append((*rows, judge_image(*rows)))
    worst = sorted(range(len(judged)), key=lambda index: -num_errors(judged[index][2]))[:count]
    titles = [f"image {index}: {num_errors(judged[index][2])} errors" for index in worst]
    axes = panels([dataset[index][0] for index in worst], titles, min(columns, len(worst)), 15)
    for ax, index in zip(axes, worst):
        draw_verdicts(ax, *judged[index], dataset.class_names)
    axes[0].figure.suptitle(
        "Held-out images with most errors. Green: right, orange: wrong, blue: missed"
    )
    return axes[0].figure


def num_errors(judgement):
    """Return how many detections are wrong and how many objects missed in an image."""
    return int((judgement.verdicts != RIGHT).sum() + judgement.missed.sum())


def draw_verdicts(ax, detections, objects, judgement, class_names):
    """Draw on an image's axes what is right, what is wrong and why, and what is missed.

    detections: (D, 6); objects: (G, 5); judgement: from `error_anatomy.judge_image`.
    """
    wrong = judgement.verdicts != RIGHT
    draw_boxes(ax, detections[~wrong, 2:], colors=POSITIVE_COLOR)
    texts = [
        f"{verdict}: {class_names[int(row[0])]} {row[1]:.2f}"
        for verdict, row in zip(judgement.verdicts[wrong], detections[wrong])
    ]
    draw_boxes(ax, detections[wrong, 2:], texts, PREDICTION_COLOR)
    missed = objects[judgement.missed]
    draw_boxes(ax, missed[:, 1:], [class_names[int(row[0])] for row in missed], OBJECT_COLOR)
