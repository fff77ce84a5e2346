/** Which anchor learns which object (utils/targets.py). */
SingleShot.matching = {
  FORCED_MATCH_THRESHOLD: 1e-6, // as the library's

  /** Return, for each anchor, the object that must have it, or -1; the best pair comes first. */
  forced(iou) {
    const left = iou.map((row) => [...row]);
    const matches = iou.map(() => -1);
    for (;;) {
      const best = left.map((row) => Math.max(...row));
      const anchor = best.indexOf(Math.max(...best));
      if (!(best[anchor] > this.FORCED_MATCH_THRESHOLD)) return matches;
      const object = left[anchor].indexOf(best[anchor]);
      matches[anchor] = object;
      left[anchor].fill(0);
      for (const row of left) row[object] = 0;
    }
  },

  /** Return, for each anchor, the object that must have it, else the best one above the threshold. */
  match(iou, threshold) {
    return this.forced(iou).map((object, anchor) => {
      const best = Math.max(...iou[anchor]);
      if (object >= 0) return object;
      return best > threshold ? iou[anchor].indexOf(best) : -1;
    });
  },

  numbers({ threshold, x, y }, { side, sizes, ratios, moving, objects }) {
    const boxes = [SingleShot.boxes.ofCenter(x, y, ...moving), ...objects];
    const anchors = SingleShot.anchorBoxes.ofMap(side, side, sizes, ratios);
    const iou = anchors.map((anchor) => boxes.map((box) => SingleShot.boxes.iou(anchor, box)));
    return { boxes, anchors, iou, forced: this.forced(iou), matches: this.match(iou, threshold) };
  },

  nameOf: (object) => String.fromCharCode(65 + object), // A, B, C ...

  say({ boxes, iou, forced, matches }, { threshold }) {
    const learning = matches.filter((object) => object >= 0).length;
    const each = boxes.map((_, object) => {
      const count = matches.filter((match) => match === object).length;
      const anchor = forced.indexOf(object);
      if (anchor < 0) return `${this.nameOf(object)}: ${count}`;
      const best = iou[anchor][object];
      const why = best > threshold ? "" : ", forced";
      return `${this.nameOf(object)}: ${count} (IoU ${best.toFixed(3)}${why})`;
    });
    return `${learning} of ${matches.length} anchors learn an object, the others background. ${each.join("; ")}.`;
  },

  draw({ boxes, anchors, iou, forced, matches }, { threshold }) {
    const svg = SingleShot.svg;
    const kind = (anchor) => (iou[anchor][matches[anchor]] > threshold ? "positive" : "positive forced");
    const learning = anchors.map((_, anchor) => anchor).filter((anchor) => matches[anchor] >= 0);
    const centers = anchors.map(([xmin, ymin, xmax, ymax]) => [(xmin + xmax) / 2, (ymin + ymax) / 2]);
    return [
      svg.box([0, 0, 1, 1], "ground"),
      ...centers.map((center) => svg.dot(center, "center")),
      ...learning.map((anchor) => svg.box(anchors[anchor], kind(anchor))),
      ...boxes.map((box, object) => svg.box(box, object ? "object" : "object grip")),
      ...boxes.map((box, object) => svg.tag(box, this.nameOf(object), "of-object")),
      ...learning.map((anchor) => svg.dot(centers[anchor], forced[anchor] >= 0 ? "chosen own" : "chosen", 4)),
    ];
  },

  drag(from, to, { x, y }, { moving }) {
    [from, to] = [from, to].map(SingleShot.svg.inPicture);
    const box = SingleShot.boxes.ofCenter(x, y, ...moving);
    return SingleShot.boxes.contains(box, from) ? SingleShot.svg.movedCenter([x, y], from, to) : null;
  },
};
SingleShot.mount("matching");
