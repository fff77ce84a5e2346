/** The anchors of a feature map (utils/anchors.py). */
SingleShot.anchors = {
  numbers({ scale, cell, size, larger, ratio }, { sides, pixels }) {
    const side = sides[scale];
    const anchors = SingleShot.anchorBoxes.ofMap(side, side, [size, larger], [1, ratio, 1 / ratio]);
    const each = anchors.length / (side * side);
    const chosen = Math.min(cell, side * side - 1);
    const ofCell = anchors.slice(chosen * each, (chosen + 1) * each);
    const leaves = (box) => Math.min(...box) < 0 || Math.max(...box) > 1;
    const outside = ofCell.filter(leaves).length;
    return { side, pixels, chosen, ofCell, outside, count: anchors.length };
  },

  say({ side, pixels, chosen, ofCell, outside, count }) {
    const shapes = ofCell.map(([xmin, ymin, xmax, ymax]) =>
      [xmax - xmin, ymax - ymin].map((length) => Math.round(length * pixels)).join(" × "));
    return (
      `${side} × ${side} cells, one every ${pixels / side} pixels, and ${ofCell.length} anchors each: ${count} anchors. ` +
      `Those of cell ${chosen} have ${shapes.join(", ")} pixels; ${outside} of them reach beyond the picture.`
    );
  },

  /** The picture is drawn at half its size, so that anchors beyond it are seen too. */
  inDrawing: (value) => 0.25 + value / 2,

  draw({ side, ofCell, chosen }) {
    const svg = SingleShot.svg;
    const seen = (values) => values.map(this.inDrawing);
    const centers = Array.from({ length: side * side }, (_, cell) =>
      seen([((cell % side) + 0.5) / side, (Math.floor(cell / side) + 0.5) / side]));
    return [
      svg.box(seen([0, 0, 1, 1]), "ground"),
      ...centers.map((center, cell) =>
        svg.dot(center, cell === chosen ? "chosen" : "center", cell === chosen ? 4 : side > 16 ? 1 : 2)),
      ...ofCell.flatMap((box) => [svg.box(seen(box), "casing"), svg.box(seen(box), "anchor")]),
    ];
  },

  /** A pointer chooses the cell that it is over. */
  drag(from, to, { scale }, { sides }) {
    const side = sides[scale];
    const [column, row] = SingleShot.svg.inPicture(to).map((value) => {
      const cell = Math.floor((value - 0.25) * 2 * side);
      return Math.min(Math.max(cell, 0), side - 1);
    });
    return { cell: row * side + column };
  },
};
SingleShot.mount("anchors");
