"""Score a detector on labelled pictures: VOC's average precision in both modes, and COCO's.

    single-shot evaluate run/detector.params prepared --out scores

Difficult objects neither count nor hurt.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from single_shot.answer import Answer
from single_shot.finders import add_engine, open_finder
from single_shot.sources import add_source, name_of, open_split, open_voc
from single_shot.training_report import SCORED, evaluate, scores_of, text_of, write_pictures


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    parser.add_argument(
        "checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params, or .onnx"
    )
    add_source(parser)
    add = parser.add_argument
    add("--split", choices=("train", "val"), default="val", help="of SOURCE")
    out_help = "folder for pictures: curves, detections, worst images; default: none"
    add("--out", type=Path, metavar="DIR", help=out_help)
    add_engine(parser)


def run(options: Namespace) -> Answer:
    """Evaluate; return the Answer."""
    name_of(options)
    finder = open_finder(options.checkpoint, options.engine, options.calibrate)
    if options.voc:
        dataset = open_voc(options.voc, finder.class_names, options.drop_bad)
    else:
        dataset = open_split(options.source, options.split, finder.class_names)
    detections = finder.find_all(dataset)
    results = evaluate(detections, dataset)
    text = f"{len(dataset)} images\n\n{text_of(results)}"
    if options.out:
        write_pictures(options.out, results, detections, dataset)
        text += f"\n\n{options.out}: {', '.join(SCORED)}"
    return Answer(text, {"engine": finder.engine, "num_images": len(dataset)} | scores_of(results))


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "nothing is scored"
