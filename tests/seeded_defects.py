"""Defects that the tests and the comparison of the lessons must catch; `make mutants` tries them.

Each changes one line. The list may not rot: `test_mutants` sees that every `old` still occurs
exactly once and that the file still parses with `new` in its place.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Defect:
    """One wrong line.

    name: what is wrong, in words; file: from the project's root; old, new: text of the file or, in
    a notebook, of one cell. tests: arguments of pytest for the tests that should catch it; by
    default those that mirror the module, or the comparison of the lesson with its stored outputs.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple = ()

    @property
    def first_tests(self):
        """The arguments of pytest with which to try it first."""
        if self.tests:
            return self.tests
        path = Path(self.file)
        if path.suffix == ".ipynb":
            return (self.file,)
        return (str(Path("tests", *path.parts[1:-1], f"test_{path.stem}.py")),)


DEFECTS = [
    # --- Boxes and anchors ------------------------------------------------------------------------
    Defect(
        "a box reaches a whole size from its centre",
        "utils/boxes.py",
        "nd.concat(center - size / 2, center + size / 2, dim=-1)",
        "nd.concat(center - size, center + size, dim=-1)",
    ),
    Defect(
        "the union counts the intersection twice",
        "utils/boxes.py",
        "box_area(boxes_a) + box_area(boxes_b) - intersection",
        "box_area(boxes_a) + box_area(boxes_b)",
    ),
    Defect(
        "boxes apart on both axes intersect: two negative sides make an area",
        "utils/boxes.py",
        "nd.prod(nd.relu(bottom_right - top_left), axis=-1)",
        "nd.prod(bottom_right - top_left, axis=-1)",
    ),
    Defect(
        "the variances of x, y, width, height in another order",
        "utils/boxes.py",
        "VARIANCES = (0.1, 0.1, 0.2, 0.2)",
        "VARIANCES = (0.1, 0.2, 0.1, 0.2)",
    ),
    Defect(
        "offsets multiplied by their variances",
        "utils/boxes.py",
        "return offsets / nd.array(variances",
        "return offsets * nd.array(variances",
    ),
    Defect(
        "shift as a share of the box, not of the anchor",
        "utils/boxes.py",
        "(box_xy - anchor_xy) / anchor_wh",
        "(box_xy - anchor_xy) / box_wh",
    ),
    Defect(
        "width and height change linearly, not by an exponential",
        "utils/boxes.py",
        "anchor_wh * nd.exp(log_ratio)",
        "anchor_wh * (1 + log_ratio)",
    ),
    Defect(
        "boxes are not clipped to the image",
        "utils/boxes.py",
        "return boxes.clip(0, 1)",
        "return boxes.clip(0, 255)",
    ),
    Defect(
        "the image's aspect scales the height of anchors",
        "utils/anchors.py",
        "nd.array([height / width, 1], ctx=ctx)",
        "nd.array([1, height / width], ctx=ctx)",
    ),
    Defect(
        "anchors sit on the upper edges of pixels",
        "utils/anchors.py",
        "center_y = (nd.arange(height, ctx=ctx) + 0.5) / height",
        "center_y = nd.arange(height, ctx=ctx) / height",
    ),
    Defect(
        "an anchor's sides take the ratio without its root",
        "utils/anchors.py",
        "(size * math.sqrt(ratio), size / math.sqrt(ratio))",
        "(size * ratio, size / ratio)",
    ),
    Defect(
        "the best anchor is taken over the objects, not for each",
        "utils/anchors.py",
        "box_iou(boxes, anchors.reshape((-1, 4))).max(axis=1)",
        "box_iou(boxes, anchors.reshape((-1, 4))).max(axis=0)",
    ),
    # --- The network ------------------------------------------------------------------------------
    Defect(
        "predictions are flattened with the channels first",
        "utils/ssd.py",
        "return prediction.transpose((0, 2, 3, 1)).flatten()",
        "return prediction.flatten()",
    ),
    Defect(
        "predictions are flattened column by column",
        "utils/ssd.py",
        "transpose((0, 2, 3, 1))",
        "transpose((0, 3, 2, 1))",
    ),
    Defect(
        "the axis of classes comes before that of anchors",
        "utils/ssd.py",
        "reshape((0, -1, self.num_classes + 1))",
        "reshape((0, self.num_classes + 1, -1))",
    ),
    Defect(
        "the prior of background forgets how many classes there are",
        "utils/ssd.py",
        "math.log(num_classes * prior / (1 - prior))",
        "math.log(prior / (1 - prior))",
    ),
    Defect("two digits of an anchor size exchanged", "utils/ssd.py", "0.447", "0.474"),
    Defect(
        "the ratio that shapes every size is not 1",
        "utils/ssd.py",
        "RATIOS = (1, 2, 0.5)",
        "RATIOS = (2, 1, 0.5)",
    ),
    Defect(
        "the last scale takes the mean of a map, not its maximum",
        "utils/ssd.py",
        "nn.GlobalMaxPool2D()",
        "nn.GlobalAvgPool2D()",
    ),
    Defect(
        "only the height of an image is checked",
        "utils/ssd.py",
        "min(x.shape[2:]) < MINIMUM_IMAGE_SIZE",
        "x.shape[2] < MINIMUM_IMAGE_SIZE",
    ),
    # --- Targets and losses -----------------------------------------------------------------------
    Defect(
        "an overlap of exactly the threshold is a match",
        "utils/targets.py",
        "iou.max(axis=1) > threshold",
        "iou.max(axis=1) >= threshold",
    ),
    Defect(
        "class ids are not moved up by one for background",
        "utils/targets.py",
        "(matched[:, 0] + 1) * is_positive",
        "matched[:, 0] * is_positive",
    ),
    Defect(
        "one anchor is forced on two objects",
        "utils/targets.py",
        "        iou[anchor, :] = 0  # this anchor is taken,\n",
        "",
    ),
    Defect(
        "the best pair is looked up in rows of the wrong length",
        "utils/targets.py",
        ".asscalar()), len(boxes))",
        ".asscalar()), len(anchors))",
    ),
    Defect(
        "no match is forced below the threshold",
        "utils/targets.py",
        "<= FORCED_MATCH_THRESHOLD:",
        "<= threshold:",
    ),
    Defect(
        "a gradient flows into the targets",
        "utils/targets.py",
        "    with autograd.pause():  # targets are data: no gradient flows through them\n"
        "        images",
        "    if True:\n        images",
    ),
    Defect(
        "all anchors of an image without objects are ignored",
        "utils/targets.py",
        "return box_targets, box_masks, nd.relu(cls_targets)",
        "return box_targets, box_masks, cls_targets",
    ),
    Defect(
        "targets from scratch ignore the variances they are given",
        "utils/targets.py",
        "encode_offsets(matched[:, 1:], anchors, variances)",
        "encode_offsets(matched[:, 1:], anchors)",
    ),
    Defect(
        "the operator is not told the variances",
        "utils/targets.py",
        "overlap_threshold=threshold, variances=variances",
        "overlap_threshold=threshold",
    ),
    Defect(
        "the logarithm of a softmax that rounds to 0",
        "utils/losses.py",
        "F.log_softmax(cls_preds, axis=-1)",
        "F.log(F.softmax(cls_preds, axis=-1))",
    ),
    Defect(
        "a batch without positives divides by 0",
        "utils/losses.py",
        "F.maximum(num_positives, 1)",
        "num_positives",
    ),
    Defect(
        "the loss is a mean over the anchors too",
        "utils/losses.py",
        "anchor_losses.sum(axis=1)",
        "anchor_losses.mean(axis=1)",
    ),
    Defect(
        "alpha weighs background in place of objects",
        "utils/losses.py",
        "self.alpha * is_positive + (1 - self.alpha) * is_background",
        "(1 - self.alpha) * is_positive + self.alpha * is_background",
    ),
    Defect("the focal loss is focused less", "utils/losses.py", "gamma=2.0", "gamma=1.0"),
    Defect(
        "the easiest negatives are mined",
        "utils/losses.py",
        "is_ascend=False",
        "is_ascend=True",
    ),
    Defect(
        "the order of anchors is taken for their ranks",
        "utils/losses.py",
        "rank = F.argsort(order, axis=1)",
        "rank = order",
    ),
    Defect(
        "every positive counts four times below the box loss",
        "utils/losses.py",
        "box_masks.sum() / 4",
        "box_masks.sum()",
    ),
    Defect(
        "the box loss of background anchors is not masked",
        "utils/losses.py",
        "(box_preds - box_targets) * box_masks",
        "(box_preds - box_targets * box_masks)",
    ),
    # --- Data -------------------------------------------------------------------------------------
    Defect(
        "fractions times height and width, exchanged",
        "utils/data.py",
        "np.roll(labels, -1, axis=1) * (width, height, width, height, 1)",
        "np.roll(labels, -1, axis=1) * (height, width, height, width, 1)",
    ),
    Defect(
        "boxes of a crop in fractions of the whole image",
        "utils/data.py",
        "to_fractions(boxes_px, crop_width, crop_height)",
        "to_fractions(boxes_px, width, height)",
    ),
    Defect("the picture is mirrored upside down", "utils/data.py", "image[:, ::-1]", "image[::-1]"),
    Defect(
        "colours that leave 0 to 255 start again at the other end",
        "utils/data.py",
        "distorted.clip(0, 255).astype(np.uint8)",
        "distorted.astype(np.uint8)",
    ),
    Defect(
        "padding rows come before the objects",
        "utils/data.py",
        "padded[: len(labels)] = labels",
        "padded[num_rows - len(labels) :] = labels",
    ),
    Defect("training data are not shuffled", "utils/data.py", "shuffle=training", "shuffle=False"),
    Defect(
        "the last images are not evaluated",
        "utils/data.py",
        'last_batch="discard" if training else "keep"',
        'last_batch="discard"',
    ),
    Defect(
        "the mean of blue is taken from red",
        "utils/data.py",
        "MEAN = (123.675, 116.28, 103.53)",
        "MEAN = (103.53, 116.28, 123.675)",
    ),
    Defect(
        "the network sees images on their side",
        "utils/data.py",
        "transpose((0, 3, 1, 2))",
        "transpose((0, 3, 2, 1))",
    ),
    Defect(
        "a class id one too high is legal",
        "utils/records.py",
        "class_id >= num_classes",
        "class_id > num_classes",
    ),
    Defect(
        "boxes without an area are legal",
        "utils/records.py",
        "if label[low] >= label[high]:",
        "if label[low] > label[high]:",
    ),
    Defect(
        "xmin is compared with ymin",
        "utils/records.py",
        "((1, 3), (2, 4))",
        "((1, 2), (3, 4))",
    ),
    Defect(
        "the header of other tools is read as an object",
        "utils/records.py",
        "return label[header_width:].reshape",
        "return label[HEADER_WIDTH:].reshape",
    ),
    Defect(
        "red and blue are exchanged in the file",
        "utils/records.py",
        "cv2.cvtColor(image, cv2.COLOR_RGB2BGR)",
        "image",
    ),
    Defect(
        "the index is there before the records",
        "utils/records.py",
        "for source, final in zip(temporary, finals):",
        "for source, final in zip(temporary[::-1], finals[::-1]):",
    ),
    Defect(
        "train and val hold the same images",
        "utils/make_data.py",
        "[DATA_SEED, seed_id, SPLITS.index(split), index]",
        "[DATA_SEED, seed_id, index]",
        ("tests/test_make_data.py", "-k", "images_differ"),
    ),
    Defect(
        "held-out images have the photographs of training",
        "utils/make_data.py",
        '"train" if split == "train" else "val"',
        '"train"',
        ("tests/test_make_data.py", "-k", "samples_in_the_project"),
    ),
    Defect(
        "a data set of other settings is kept",
        "utils/make_data.py",
        'manifest["settings"] != settings(preset)',
        "False",
        ("tests/test_make_data.py", "-k", "is_not_right"),
    ),
    Defect(
        "two processes build the same data set",
        "utils/make_data.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        ("tests/test_make_data.py", "-k", "two_at_once"),
    ),
    Defect(
        "a box ends before its last pixel",
        "utils/compositing.py",
        "(columns[-1] + 1) / width",
        "columns[-1] / width",
    ),
    Defect(
        "a photograph is in both splits",
        "utils/compositing.py",
        "data/coffee.png",
        "data/camera.png",
    ),
    Defect(
        "soft edges take their alpha twice",
        "utils/compositing.py",
        "through[..., None] + layer[..., :3]",
        "through[..., None] + layer[..., :3] * layer[..., 3:]",
    ),
    Defect(
        "masks do not know of the blur",
        "utils/compositing.py",
        "[cv2.GaussianBlur(weight, (0, 0), sigma) for weight in weights]",
        "[weight for weight in weights]",
    ),
    Defect(
        "an object hides others as much as it likes",
        "utils/compositing.py",
        "_keeps_all_visible(covered, alphas)",
        "_keeps_all_visible(weights, alphas)",
    ),
    Defect(
        "light from above comes from below",
        "utils/mascots.py",
        "light * [1, -1, 1]",
        "light",
    ),
    Defect(
        "the far part hides the near one",
        "utils/mascots.py",
        "(z > depth[window])",
        "(z < depth[window])",
    ),
    Defect(
        "some poses are more frequent",
        "utils/mascots.py",
        "rng.normal(size=4)",
        "rng.uniform(size=4)",
    ),
    Defect(
        "surfaces are shaded half a ray beside",
        "utils/mascots.py",
        "np.stack([columns + 0.5, rows + 0.5,",
        "np.stack([columns, rows,",
    ),
    # --- Detection and metrics --------------------------------------------------------------------
    Defect(
        "background is looked for in the last column",
        "utils/detection.py",
        "nd.softmax(cls_preds, axis=-1)[:, 1:]",
        "nd.softmax(cls_preds, axis=-1)[:, :-1]",
    ),
    Defect(
        "the score threshold is ignored from scratch",
        "utils/detection.py",
        "    rows = rows[rows[:, 1] >= score_threshold]\n",
        "",
    ),
    Defect(
        "the operator is not told the score threshold",
        "utils/detection.py",
        "        threshold=score_threshold,\n",
        "",
    ),
    Defect(
        "detections are sorted with the worst first",
        "utils/detection.py",
        "np.argsort(-rows[:, 1]",
        "np.argsort(rows[:, 1]",
    ),
    Defect(
        "an overlap of exactly the threshold suppresses nothing",
        "utils/detection.py",
        "(box_iou(boxes, boxes) >= nms_threshold)",
        "(box_iou(boxes, boxes) > nms_threshold)",
    ),
    Defect(
        "a suppressed box suppresses others",
        "utils/detection.py",
        "            suppressed |= overlaps[row]",
        "        suppressed |= overlaps[row]",
    ),
    Defect(
        "detections of class 0 are thrown away with the suppressed",
        "utils/detection.py",
        "image[image[:, 0] >= 0]",
        "image[image[:, 0] > 0]",
    ),
    Defect(
        "the operator takes softmax over the anchors",
        "utils/detection.py",
        "nd.softmax(cls_preds, axis=-1).transpose",
        "nd.softmax(cls_preds, axis=1).transpose",
    ),
    Defect(
        "boxes in pixels are y before x",
        "utils/detection.py",
        "(1, 1, width, height, width, height)",
        "(1, 1, height, width, height, width)",
    ),
    Defect(
        "a data set is scored by confident detections alone",
        "utils/detection.py",
        "detector.decode(*predictions)",
        "detector.decode(*predictions, DISPLAY_THRESHOLD)",
    ),
    Defect(
        "accuracy leaves background out",
        "utils/metrics.py",
        "counted = cls_targets >= 0",
        "counted = cls_targets > 0",
    ),
    Defect(
        "errors of either sign cancel out",
        "utils/metrics.py",
        "np.abs(errors).mean()",
        "errors.mean()",
    ),
    Defect(
        "difficult objects are to be found as well",
        "utils/metrics.py",
        "int((~difficult).sum())",
        "len(difficult)",
    ),
    Defect(
        "COCO's thresholds by arange, a rounding error higher",
        "utils/metrics.py",
        "np.linspace(0.5, 0.95, 10)",
        "np.arange(0.5, 0.96, 0.05)",
    ),
    Defect(
        "an absent class counts as 0 in the mean",
        "utils/evaluation_results.py",
        "[value for value in values if value is not None]",
        "[value or 0.0 for value in values]",
        ("tests/test_metrics.py",),
    ),
    Defect(
        "precision is interpolated to the left",
        "utils/average_precision.py",
        "np.maximum.accumulate(precision[::-1])[::-1]",
        "np.maximum.accumulate(precision)",
    ),
    Defect(
        "a second hit on an object is right as well",
        "utils/average_precision.py",
        "elif not found[best]:",
        "else:",
    ),
    Defect(
        "of equal overlaps COCO's first object wins",
        "utils/average_precision.py",
        "np.flatnonzero(hits)[::-1]",
        "np.flatnonzero(hits)",
        ("tests/test_metrics.py",),
    ),
    Defect(
        "11-point precision at ten points",
        "utils/average_precision.py",
        "11 if mode",
        "10 if mode",
    ),
    # --- Training ---------------------------------------------------------------------------------
    Defect(
        "the schedule lags a step behind",
        "utils/schedules.py",
        "position = (step + 1) / num_steps\n    if position < warmup:",
        "position = step / num_steps\n    if position < warmup:",
        ("tests/test_schedules.py", "-k", "one_cycle"),
    ),
    Defect(
        "the schedule starts again in every epoch",
        "utils/training.py",
        "start=epoch * self.steps_per_epoch",
        "start=0",
        ("tests/test_training.py", "-k", "average_their"),
    ),
    Defect(
        "the optimiser keeps its own learning rate",
        "utils/training.py",
        "        self.trainer.set_learning_rate(learning_rate)\n",
        "",
        ("tests/test_training.py", "-k", "one_it_is_given"),
    ),
    Defect(
        "every epoch draws the same random numbers",
        "utils/training.py",
        "seed_everything(epoch_seed(self.config.seed, epoch))",
        "seed_everything(self.config.seed)",
        ("tests/test_training.py", "-k", "average_their"),
    ),
    Defect(
        "a box loss that is no number is not noticed",
        "utils/training.py",
        "math.isfinite(cls_loss + box_loss)",
        "math.isfinite(cls_loss)",
        ("tests/test_training.py", "-k", "no_number"),
    ),
    Defect(
        "an epoch's loss is that of its last batch",
        "utils/resuming.py",
        "total + value for",
        "value for",
        ("tests/test_training.py", "-k", "average_their"),
    ),
    Defect(
        "the weight of the box loss is ignored",
        "utils/training.py",
        "cls_loss + self.config.box_weight * box_loss",
        "cls_loss + box_loss",
        ("tests/test_training.py", "-k", "box_weight"),
    ),
    Defect(
        "gathered gradients are never set back to 0",
        "utils/training.py",
        "if self.config.accumulate > 1:\n            self.net",
        "if self.config.accumulate < 1:\n            self.net",
        ("tests/test_training.py", "-k", "gathered_gradients"),
    ),
    Defect(
        "a resumed optimiser is an epoch behind",
        "utils/resuming.py",
        "updates_done = len(run.history) * updates_per_epoch",
        "updates_done = (len(run.history) - 1) * updates_per_epoch",
        ("tests/test_training.py", "-k", "killed_run"),
    ),
    Defect(
        "a checkpoint is written in place",
        "utils/checkpoint.py",
        'temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")',
        "temporary = path",
    ),
    Defect(
        "a checkpoint without a version is read",
        "utils/checkpoint.py",
        "if version != FORMAT_VERSION:",
        "if version and version != FORMAT_VERSION:",
    ),
    Defect(
        "a flipped bit is not noticed",
        "utils/checkpoint.py",
        "hashlib.sha256(content).digest() != checksum",
        "len(checksum) != 32",
        ("tests/test_checkpoint.py", "-k", "flipped"),
    ),
    Defect(
        "a full disk is not noticed where it refuses the last bytes",
        "utils/checkpoint.py",
        "    nd.load_frombuffer(content)  # `nd.save` does",
        "    len(content)  # `nd.save` does",
        ("tests/test_faults.py", "-k", "silently"),
    ),
    Defect(
        "temporary files of running processes are removed",
        "utils/checkpoint.py",
        "and not is_running(int(process)):",
        "and int(process):",
        ("tests/test_checkpoint.py", "-k", "strays"),
    ),
    Defect(
        "a network of other classes is not told from another network",
        "utils/checkpoint.py",
        "if num_classes != len(names):",
        "if num_classes < 0:",
        ("tests/test_checkpoint.py", "-k", "another_network"),
    ),
    Defect(
        "a run is saved while gradients wait",
        "utils/training.py",
        "if save is not None and not self.num_pending:",
        "if save is not None:",
        ("tests/test_faults.py", "-k", "pending"),
    ),
    Defect(
        "a resumed epoch learns its first batches again",
        "utils/training.py",
        "epoch * self.steps_per_epoch + self.so_far.batches",
        "epoch * self.steps_per_epoch",
        ("tests/test_resuming.py", "-k", "within_an_epoch"),
    ),
    Defect(
        "a resumed optimiser forgets the begun epoch",
        "utils/resuming.py",
        "math.ceil(run.so_far.batches / accumulate)",
        "0",
        ("tests/test_resuming.py", "-k", "within_an_epoch"),
    ),
    Defect(
        "a run goes on with another network",
        "utils/resuming.py",
        '"network": getattr(run.net, "description", None),',
        '"network": None,',
        ("tests/test_resuming.py", "-k", "another_run"),
    ),
    Defect(
        "the anchors of a description are forgotten",
        "utils/networks.py",
        "net = toy_ssd(num_classes, ctx, **settings)",
        "net = toy_ssd(num_classes, ctx)",
    ),
    Defect(
        "sizes go to a map that is too coarse for them",
        "utils/anchor_plan.py",
        "MINIMUM_STRIDES = 3",
        "MINIMUM_STRIDES = 2",
    ),
    Defect(
        "detections of difficult objects are drawn as errors",
        "utils/run_report.py",
        "return detections[~aside], objects[~difficult]",
        "return detections, objects[~difficult]",
    ),
    Defect(
        "a finished run is overwritten",
        "utils/train.py",
        "elif card.exists() and not running.exists():",
        "elif card.exists() and running.exists():",
        ("tests/test_train.py", "-k", "overwritten"),
    ),
    Defect(
        "the two moments of Adam are exchanged",
        "utils/resuming.py",
        "(*updater.states.get(index, ()), array) if is_part",
        "(array, *updater.states.get(index, ())) if is_part",
    ),
    Defect(
        "MXNet's random numbers have no seed",
        "utils/context.py",
        "    mx.random.seed(seed)\n",
        "",
    ),
    Defect(
        "nobody waits for the GPU to compute",
        "utils/context.py",
        "(mx.nd.ones((1,), ctx=mx.gpu(0)) + 1).asnumpy()",
        "mx.nd.ones((1,), ctx=mx.gpu(0)) + 1",
    ),
    Defect(
        "smoke and class are exchanged",
        "utils/context.py",
        "(smoke, class_, full), strict",
        "(class_, smoke, full), strict",
    ),
    # --- SSD300 -----------------------------------------------------------------------------------
    Defect(
        "conv4_3 is scaled to another length",
        "utils/ssd300.py",
        "INITIAL_NORM = 20.0",
        "INITIAL_NORM = 2.0",
    ),
    Defect(
        "the scales leave out the geometric mean",
        "utils/ssd300.py",
        "(scale, (scale * after) ** 0.5)",
        "(scale, (scale + after) / 2)",
    ),
    Defect(
        "decimation begins with the last of every three",
        "utils/vgg_weights.py",
        "slice(None, None, step) for step",
        "slice(step - 1, None, step) for step",
    ),
    Defect(
        "weight decay pulls at biases",
        "utils/training.py",
        "= config.bias_rate, 0",
        "= config.bias_rate, 1",
        ("tests/test_training.py", "-k", "spares_biases"),
    ),
    Defect(
        "SSD300's heads expect ToySSD's share of background",
        "utils/ssd300.py",
        "class_predictor(num_anchors, num_classes, MINED_PRIOR)",
        "class_predictor(num_anchors, num_classes)",
        ("tests/test_ssd300.py", "-k", "untrained"),
    ),
    Defect(
        "utils.train gives SSD300 the loss of ToySSD",
        "utils/train.py",
        'if network["name"] in LAYOUTS:',
        'if network["name"] in ():',
        ("tests/test_train.py", "-k", "own_loss"),
    ),
    Defect(
        "an interrupt that Python drops stays lost",
        "utils/interrupts.py",
        "self.came = True",
        "self.came = False",
    ),
    Defect(
        "MXNet imports scikit-learn and SciPy's statistics",
        "utils/compat.py",
        "if name in cls.hidden and",
        "if name in () and",
        ("tests/test_compat.py", "-k", "statistics"),
    ),
    # --- Your own images --------------------------------------------------------------------------
    Defect(
        "VOC's first pixel is number 0",
        "utils/labels/box_forms.py",
        "(a - self.first, b - self.first, c, d)",
        "(a, b, c, d)",
    ),
    Defect(
        "a centre is taken for a corner",
        "utils/labels/box_forms.py",
        "(a - c / 2, b - d / 2, a + c / 2, b + d / 2)",
        "(a, b, a + c, b + d)",
    ),
    Defect(
        "a reversed box is no fault",
        "utils/labels/box_forms.py",
        "if side > 0:",
        "if side != 0:",
    ),
    Defect(
        "what leaves the image is cut off in silence",
        "utils/labels/box_forms.py",
        "if (edges < -slack).any() or (edges > 1 + slack).any():",
        "if np.isinf(edges).any():",
    ),
    Defect(
        "an object that is there twice is learnt twice",
        "utils/labels/checks.py",
        "if row in rows:",
        "if row in ():",
    ),
    Defect(
        "COCO's crowds count as objects",
        "utils/labels/coco_json.py",
        'entry.get("iscrowd") in (1, True)',
        'entry.get("iscrowd") is None',
    ),
    Defect(
        "a picture on its side keeps the size of its file",
        "utils/labels/pictures.py",
        'turned = orientation in ON_ITS_SIDE and image.format != "TIFF"',
        "turned = False",
    ),
    Defect(
        "held-out images are learnt as well",
        "utils/labels/splits.py",
        "set(range(len(labels))) - held_out",
        "set(range(len(labels)))",
    ),
    Defect(
        "bad labels do not stop anything",
        "utils/prepare.py",
        "if faults and not options.drop_bad:",
        "if faults and options.drop_bad:",
    ),
    Defect(
        "small anchors sit on the finest map that is there",
        "utils/anchor_plan.py",
        "max(np.flatnonzero(size * np.array(sides) >= MINIMUM_STRIDES), default=0)",
        "min(np.flatnonzero(size * np.array(sides) >= MINIMUM_STRIDES), default=0)",
    ),
    Defect(
        "a run that goes on begins its epoch again",
        "utils/resuming.py",
        'EpochSoFar(**checkpoint.metadata["epoch_so_far"])',
        "EpochSoFar()",
        ("tests/test_training.py", "tests/test_resuming.py"),
    ),
    # --- Downloads --------------------------------------------------------------------------------
    Defect(
        "a redirect may lead to plain HTTP",
        "utils/downloads/https.py",
        'startswith("https://")',
        'startswith("http")',
        ("tests/downloads/test_transfer.py",),
    ),
    Defect(
        "a part is appended wherever the server begins",
        "utils/downloads/transfer.py",
        "if status == 206 and span and int(span[1]) == start:",
        "if status == 206 and span:",
    ),
    Defect(
        "a file of the right name is taken for the right file",
        "utils/downloads/install.py",
        "if fault := find_fault(final, file):",
        "if fault := find_fault(final, file) and None:",
    ),
    Defect(
        "a member may lie anywhere",
        "utils/downloads/archives.py",
        "member.fault or find_fault_of_name(member.name)",
        "member.fault",
    ),
    Defect(
        "a link in an archive is a file",
        "utils/downloads/archives.py",
        "if kind not in (0, stat.S_IFREG, stat.S_IFDIR):",
        "if kind in (stat.S_IFBLK,):",
    ),
    # --- Pictures ---------------------------------------------------------------------------------
    Defect(
        "boxes are drawn with height and width exchanged",
        "utils/plotting.py",
        "np.tile([right - left, bottom - top], 2)",
        "np.tile([bottom - top, right - left], 2)",
    ),
    Defect(
        "a frame's width is its right edge",
        "utils/plotting.py",
        "Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, fill=False)",
        "Rectangle((xmin, ymin), xmax, ymax, fill=False)",
    ),
    Defect(
        "pictures are drawn upside down",
        "utils/plotting.py",
        "extent=(0, width, height, 0)",
        "extent=(0, width, 0, height)",
    ),
    Defect(
        "a detection of exactly the threshold is not shown",
        "utils/plotting.py",
        "(rows[:, 1] >= threshold)",
        "(rows[:, 1] > threshold)",
    ),
    Defect(
        "a class takes the colour of the next",
        "utils/plotting.py",
        "PALETTE[class_id % len(PALETTE)]",
        "PALETTE[(class_id + 1) % len(PALETTE)]",
    ),
    Defect(
        "padding rows are drawn",
        "utils/plotting.py",
        "    labels = labels[labels[:, 0] >= 0]\n",
        "",
    ),
    # --- Lessons ----------------------------------------------------------------------------------
    Defect(
        "00: the class id is read as a coordinate",
        "notebooks/00_tour.ipynb",
        '["labels"])[:, 1:]',
        '["labels"])[:, :4]',
    ),
    Defect(
        "00: pixels over height and width, exchanged",
        "notebooks/00_tour.ipynb",
        "[:, 2:] / [width, height, width, height]",
        "[:, 2:] / [height, width, height, width]",
    ),
    Defect(
        "00: a lesson stands in the column of what it builds on",
        "notebooks/00_tour.ipynb",
        "columns[needed] + 1 for",
        "columns[needed] for",
    ),
    Defect(
        "01: fractions times height and width, exchanged",
        "notebooks/01_boxes_and_iou.ipynb",
        "box * nd.array([width, height, width, height])",
        "box * nd.array([height, width, height, width])",
    ),
    Defect(
        "01: a box is cut out with rows and columns exchanged",
        "notebooks/01_boxes_and_iou.ipynb",
        "cutting = picture[ymin:ymax, xmin:xmax]",
        "cutting = picture[xmin:xmax, ymin:ymax]",
    ),
    Defect(
        "03: a number in the prose with two digits exchanged",
        "notebooks/03_predictors.ipynb",
        "= 4015 parameters",
        "= 4105 parameters",
        ("tests/test_lessons.py", "-k", "03_predictors and numbers"),
    ),
    Defect(
        "03: the neighbours of a cell with row and column exchanged",
        "notebooks/03_predictors.ipynb",
        "features[0, :, row - 1 : row + 2, column - 1 : column + 2]",
        "features[0, :, column - 1 : column + 2, row - 1 : row + 2]",
    ),
    Defect(
        "03: scores are one class below the targets",
        "notebooks/03_predictors.ipynb",
        "nd.one_hot(cls_targets, 4)",
        "nd.one_hot(cls_targets - 1, 4)",
    ),
    Defect(
        "04: the sizes of the scales from coarse to fine",
        "notebooks/04_toy_ssd.ipynb",
        "SIZES[scale], RATIOS, ctx",
        "SIZES[-1 - scale], RATIOS, ctx",
    ),
    Defect(
        "04: channels come last",
        "notebooks/04_toy_ssd.ipynb",
        "halved = block(nd.zeros((2, 3, 20, 20), ctx=ctx))",
        "halved = block(nd.zeros((2, 20, 20, 3), ctx=ctx))",
    ),
    Defect(
        "05: an object is served twice",
        "notebooks/05_targets.ipynb",
        "        left[:, obj] = -1  # and this object served\n",
        "",
    ),
    Defect(
        "05: the height over the variance of a shift",
        "notebooks/05_targets.ipynb",
        "np.log(height_box / height) / 0.2",
        "np.log(height_box / height) / 0.1",
    ),
    Defect(
        "05: the library's code is shown with another threshold",
        "notebooks/05_targets.ipynb",
        "        iou.max(axis=1) > threshold, iou.argmax(axis=1), -nd",
        "        iou.max(axis=1) >= threshold, iou.argmax(axis=1), -nd",
    ),
    Defect(
        "06: the order of losses is taken for their ranks",
        "notebooks/06_losses.ipynb",
        "rank = order.argsort()",
        "rank = order",
    ),
    Defect(
        "06: smooth L1 bends at the reciprocal of sigma, not of its square",
        "notebooks/06_losses.ipynb",
        "np.abs(error), 1 / sigma**2",
        "np.abs(error), 1 / sigma",
    ),
    Defect(
        "07: a mirrored box keeps its left edge at the left",
        "notebooks/07_data.ipynb",
        "1 - labels[:, [3, 1]]",
        "1 - labels[:, [1, 3]]",
    ),
    Defect(
        "07: a batch with height and width exchanged",
        "notebooks/07_data.ipynb",
        "by_hand.transpose(0, 3, 1, 2)",
        "by_hand.transpose(0, 3, 2, 1)",
    ),
    Defect(
        "09: the score of background is taken for that of frill",
        "notebooks/09_inference.ipynb",
        "nd.softmax(cls_preds[0], axis=-1)[:, 1]",
        "nd.softmax(cls_preds[0], axis=-1)[:, 0]",
    ),
    Defect(
        "09: the worst candidates come first",
        "notebooks/09_inference.ipynb",
        "np.argsort(-scores[candidates])",
        "np.argsort(scores[candidates])",
    ),
    Defect(
        "09: boxes suppress each other within a class only",
        "notebooks/09_inference.ipynb",
        "force_suppress=across)",
        "force_suppress=False)",
    ),
    Defect(
        "09: boxes in pixels are y before x",
        "notebooks/09_inference.ipynb",
        "detections_px / [1, 1, width, height, width, height]",
        "detections_px / [1, 1, height, width, height, width]",
    ),
    Defect(
        "09: suppressed rows are taken for detections",
        "notebooks/09_inference.ipynb",
        "(rows[:, 0] >= 0) & (rows[:, 1] >= threshold)",
        "rows[:, 1] >= threshold",
    ),
    Defect(
        "09: a number in the prose with two digits exchanged",
        "notebooks/09_inference.ipynb",
        "which makes 1364",
        "which makes 1346",
        ("tests/test_lessons.py", "-k", "09_inference and numbers"),
    ),
    Defect(
        "10: the idle detector calls every anchor an object",
        "notebooks/10_evaluation.ipynb",
        "[1, 0]  # background first",
        "[0, 1]  # background first",
    ),
    Defect(
        "10: eleven points divided by ten",
        "notebooks/10_evaluation.ipynb",
        "heights @ [3, 3, 2] / 11",
        "heights @ [3, 3, 2] / 10",
    ),
]
