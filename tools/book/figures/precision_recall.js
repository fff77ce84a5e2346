/** Precision, recall and average precision (utils/average_precision.py). */
SingleShot.precision_recall = {
  height: 356,
  PLOT: { left: 40, top: 24, width: 280, height: 225, x: [0, 1], y: [0, 1] },
  ROW: { left: 40, width: 280, y: 322 },

  /** Return, by PASCAL VOC's rule, whether each detection, best score first, is right. */
  match(iou, threshold) {
    const found = new Set();
    return iou.map((row) => {
      const best = row.indexOf(Math.max(...row));
      const isRight = row[best] >= threshold && !found.has(best);
      if (isRight) found.add(best);
      return isRight;
    });
  },

  /** Return precision and recall as detections are admitted one by one. */
  curve(outcomes, count) {
    let right = 0;
    const counts = outcomes.map((isRight) => (right += isRight));
    return {
      precision: counts.map((each, place) => each / (place + 1)),
      recall: counts.map((each) => each / count),
    };
  },

  /** Return, for every point, the best precision at its recall or beyond. */
  interpolated: (precision) => precision.map((_, place) => Math.max(...precision.slice(place))),

  /** Sum up a curve: `area`, or the mean at 11 or 101 recalls (`11-point`, `101-point`). */
  average(precision, recall, mode) {
    const heights = this.interpolated(precision);
    if (mode === "area") {
      const widths = recall.map((value, place) => value - (recall[place - 1] ?? 0));
      return widths.reduce((sum, width, place) => sum + width * heights[place], 0);
    }
    const last = parseInt(mode) - 1;
    const levels = Array.from({ length: last + 1 }, (_, i) => (i === last ? 1 : i * (1 / last)));
    const reached = levels.map((level) => heights[recall.findIndex((value) => value >= level)] ?? 0);
    return reached.reduce((sum, value) => sum + value, 0) / levels.length;
  },

  numbers({ score, overlap, mode }, { scores, boxes, objects }) {
    const iou = boxes.map((box) => objects.map((object) => SingleShot.boxes.iou(box, object)));
    const outcomes = this.match(iou, overlap);
    const whole = this.curve(outcomes, objects.length);
    const passing = scores.filter((each) => each >= score).length;
    const [precision, recall] = [whole.precision, whole.recall].map((part) => part.slice(0, passing));
    const ap = this.average(precision, recall, mode);
    const apOfAll = this.average(whole.precision, whole.recall, mode);
    return { scores, outcomes, passing, precision, recall, whole, ap, apOfAll };
  },

  say({ outcomes, passing, precision, recall, ap, apOfAll }) {
    if (!passing) return `No detection passes. The AP of all ${outcomes.length} is ${apOfAll.toFixed(3)}.`;
    const right = outcomes.slice(0, passing).filter(Boolean).length;
    return (
      `${passing} of ${outcomes.length} detections pass, and ${right} of them are right: ` +
      `precision ${precision.at(-1).toFixed(3)}, recall ${recall.at(-1).toFixed(3)}. ` +
      `Their AP is ${ap.toFixed(3)}, that of all ${outcomes.length} is ${apOfAll.toFixed(3)}.`
    );
  },

  draw({ scores, outcomes, passing, precision, recall, whole }) {
    const svg = SingleShot.svg;
    const axes = SingleShot.axes({ ...this.PLOT, title: "Precision over recall", xlabel: "recall" });
    const heights = this.interpolated(precision);
    const stairs = heights.flatMap((height, place) => [[recall[place - 1] ?? 0, height], [recall[place], height]]);
    const points = ({ precision, recall }) => precision.map((height, place) => [recall[place], height]);
    const here = passing ? [axes.mark(recall.at(-1), precision.at(-1), "handle")] : [];
    return [
      ...(passing ? [axes.area([[0, 0], ...stairs, [recall.at(-1), 0]], "area")] : []),
      ...axes.elements,
      axes.line(points(whole), "entropy"),
      axes.line(points({ precision, recall }), "prediction"),
      ...here,
      ...scores.flatMap((_, place) => this.detection(place, scores.length, outcomes[place], place < passing)),
      svg.text(this.ROW.left + this.ROW.width / 2, this.ROW.y + 26, "detections, best score first: ✓ right, × wrong"),
    ];
  },

  /** Return a circle with its sign in the row of detections. */
  detection(place, count, isRight, passes) {
    const { left, width, y } = this.ROW;
    const cx = left + ((place + 0.5) / count) * width;
    const kind = `${isRight ? "right" : "wrong"} ${passes ? "" : "cut"}`;
    return [
      SingleShot.svg.element("circle", { cx, cy: y, r: 9, class: `${kind} grip` }),
      SingleShot.svg.text(cx, y + 4, isRight ? "✓" : "×", `sign ${kind}`),
    ];
  },

  /** A pointer on the row lets pass what is left of it. */
  drag(from, to, _, { scores }) {
    const { left, width, y } = this.ROW;
    if (Math.abs(from[1] - y) > 14) return null;
    const place = Math.floor(((to[0] - left) / width) * scores.length);
    return { score: scores[Math.min(Math.max(place, 0), scores.length - 1)] };
  },
};
SingleShot.mount("precision_recall");
