/** Two boxes and their IoU (utils/boxes.py). */
SingleShot.iou = {
  CORNER: 0.06, // how near to the corner a pointer takes it, in fractions of the picture

  numbers({ x, y, width, height }, { fixed }) {
    const moving = SingleShot.boxes.ofCenter(x, y, width, height);
    const shared = SingleShot.boxes.intersection(fixed, moving);
    const intersection = SingleShot.boxes.area(shared);
    const union = SingleShot.boxes.area(fixed) + SingleShot.boxes.area(moving) - intersection;
    return { fixed, moving, shared, intersection, union, iou: SingleShot.boxes.iou(fixed, moving) };
  },

  say: ({ intersection, union, iou }) =>
    `IoU ${iou.toFixed(3)}: the intersection of ${intersection.toFixed(3)} over the union of ${union.toFixed(3)}.`,

  draw({ fixed, moving, shared }) {
    const svg = SingleShot.svg;
    return [
      svg.box([0, 0, 1, 1], "ground"),
      svg.box(shared, "shared"),
      svg.box(fixed, "object"),
      svg.box(moving, "prediction grip"),
      svg.dot(moving.slice(2), "handle grip", 7),
    ];
  },

  drag(from, to, start) {
    [from, to] = [from, to].map(SingleShot.svg.inPicture);
    const { x, y, width, height } = start;
    const box = SingleShot.boxes.ofCenter(x, y, width, height);
    const way = [to[0] - from[0], to[1] - from[1]];
    if (Math.hypot(from[0] - box[2], from[1] - box[3]) < this.CORNER) {
      // The other corner stays where it is.
      return { x: x + way[0] / 2, y: y + way[1] / 2, width: width + way[0], height: height + way[1] };
    }
    return SingleShot.boxes.contains(box, from) ? SingleShot.svg.movedCenter([x, y], from, to) : null;
  },
};
SingleShot.mount("iou");
