/** Non-maximum suppression, one kept box at a time (utils/detection.py). */
SingleShot.nms = {
  /**
   * Return a step for each box that stays: its row, and the rows that it takes away with their IoU.
   * boxes: best score first.
   */
  steps(boxes, threshold) {
    const gone = boxes.map(() => false);
    const steps = [];
    boxes.forEach((box, row) => {
      if (gone[row]) return;
      const rows = boxes.map((other, at) => ({ row: at, iou: SingleShot.boxes.iou(box, other) }));
      const removed = rows.filter((each) => each.row !== row && !gone[each.row] && each.iou >= threshold);
      for (const each of removed) gone[each.row] = true;
      steps.push({ row, removed });
    });
    return steps;
  },

  numbers({ score, nms, step }, { scores, boxes }) {
    const passing = boxes.filter((_, row) => scores[row] >= score);
    const steps = this.steps(passing, nms);
    return { boxes: passing, scores, steps, done: steps.slice(0, step) };
  },

  nameOf: (row) => String.fromCharCode(65 + row), // A, B, C ...

  say({ boxes, scores, steps, done }) {
    if (!boxes.length) return "No box passes the score threshold.";
    const total = `${boxes.length} boxes pass the score threshold; ${steps.length} stay in the end.`;
    if (!done.length) return `${total} None is looked at yet.`;
    const { row, removed } = done.at(-1);
    const gone = removed.map((each) => `${this.nameOf(each.row)} (IoU ${each.iou.toFixed(3)})`);
    const last = done.length === steps.length ? " That was the last step." : "";
    return (
      `Step ${done.length} of ${steps.length}: ${this.nameOf(row)} with a score of ${scores[row].toFixed(2)} stays ` +
      `and takes away ${gone.join(", ") || "none"}.${last} ${total}`
    );
  },

  draw({ boxes, scores, done }) {
    const svg = SingleShot.svg;
    const state = boxes.map(() => "waiting");
    for (const { row, removed } of done) {
      state[row] = "prediction";
      for (const each of removed) state[each.row] = "removed";
    }
    if (done.length) state[done.at(-1).row] = "prediction current";
    const order = boxes.map((_, row) => row).reverse(); // the best on top
    order.sort((a, b) => (state[a] === "removed" ? 0 : 1) - (state[b] === "removed" ? 0 : 1));
    return [
      svg.box([0, 0, 1, 1], "ground"),
      ...order.map((row) => svg.box(boxes[row], state[row])),
      ...order.map((row) => svg.tag(boxes[row], `${this.nameOf(row)} ${scores[row].toFixed(2)}`, `of-${state[row]}`)),
    ];
  },
};
SingleShot.mount("nms");
