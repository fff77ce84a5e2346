/**
 * What the living figures share: boxes, shapes in SVG, axes, and how a figure gets onto a page.
 *
 * A figure is an entry of SingleShot with
 *   numbers(values, data)   all that it computes, from the values of its controls,
 *   say(numbers, values)    the sentence that tells these numbers,
 *   draw(numbers, values)   a list of SVG elements,
 *   drag(from, to, start, data)   optional: new values of controls when a pointer went from one
 *                           point of the drawing to another, and `start` are the values before.
 * utils/figures/living.json describes its title, its controls and its data.
 */
globalThis.SingleShot ??= {};

/** Boxes are [xmin, ymin, xmax, ymax] in fractions of the picture, as in utils/boxes.py. */
SingleShot.boxes = {
  ofCenter: (x, y, width, height) => [x - width / 2, y - height / 2, x + width / 2, y + height / 2],

  area: ([xmin, ymin, xmax, ymax]) => Math.max(xmax - xmin, 0) * Math.max(ymax - ymin, 0),

  intersection: (a, b) => [0, 1, 2, 3].map((i) => (i < 2 ? Math.max : Math.min)(a[i], b[i])),

  iou(a, b) {
    const shared = this.area(this.intersection(a, b));
    const union = this.area(a) + this.area(b) - shared;
    return union > 0 ? shared / union : 0;
  },

  contains: ([xmin, ymin, xmax, ymax], [x, y]) => xmin <= x && x <= xmax && ymin <= y && y <= ymax,
};

/** Anchor boxes, as in utils/anchors.py. */
SingleShot.anchorBoxes = {
  /** Return width and height of the anchors of one cell: every size, then the other ratios. */
  shapes(sizes, ratios) {
    const pairs = [
      ...sizes.map((size) => [size, ratios[0]]),
      ...ratios.slice(1).map((ratio) => [sizes[0], ratio]),
    ];
    return pairs.map(([size, ratio]) => [size * Math.sqrt(ratio), size / Math.sqrt(ratio)]);
  },

  /** Return all anchors of a map of rows x columns: row, column, then shape. */
  ofMap(rows, columns, sizes, ratios) {
    const shapes = this.shapes(sizes, ratios);
    const anchors = [];
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        for (const [width, height] of shapes) {
          const center = [(column + 0.5) / columns, (row + 0.5) / rows];
          anchors.push(SingleShot.boxes.ofCenter(...center, (width * rows) / columns, height));
        }
    return anchors;
  },
};

/** The drawing: 340 units wide; a picture is a square of 320 units with a margin of 10. */
SingleShot.svg = {
  WIDTH: 340,
  SIDE: 320,
  MARGIN: 10,

  element(name, attributes, text = "") {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  },

  text: (x, y, text, kind = "", anchor = "middle") =>
    SingleShot.svg.element("text", { x, y, class: kind, "text-anchor": anchor }, text),

  /** Return a box of the picture; kind: classes of figures.css. */
  box([xmin, ymin, xmax, ymax], kind) {
    const { SIDE, MARGIN } = this;
    const size = { width: Math.max(xmax - xmin, 0) * SIDE, height: Math.max(ymax - ymin, 0) * SIDE };
    return this.element("rect", { x: MARGIN + xmin * SIDE, y: MARGIN + ymin * SIDE, ...size, class: kind });
  },

  /** Return a dot at a point of the picture. */
  dot([x, y], kind, r = 3) {
    const { SIDE, MARGIN } = this;
    return this.element("circle", { cx: MARGIN + x * SIDE, cy: MARGIN + y * SIDE, r, class: kind });
  },

  /** Write inside the upper left corner of a box of the picture. */
  tag([xmin, ymin], text, kind) {
    return this.text(this.MARGIN + xmin * this.SIDE + 4, this.MARGIN + ymin * this.SIDE + 15, text, kind, "start");
  },

  /** Turn a point of the drawing into one of the picture. */
  inPicture: (point) => point.map((value) => (value - SingleShot.svg.MARGIN) / SingleShot.svg.SIDE),

  /** Move a box by the way of a pointer; return its centre. */
  movedCenter: ([x, y], from, to) => ({ x: x + to[0] - from[0], y: y + to[1] - from[1] }),
};

/**
 * Axes of a plot: left, top, width, height in units of the drawing; x and y: least and greatest
 * value. Returns `elements`, the frame with its texts, and what draws a line, area or mark of values.
 */
SingleShot.axes = ({ left, top, width, height, x, y, title, xlabel }) => {
  const svg = SingleShot.svg;
  const at = (u, v) => [
    left + ((u - x[0]) / (x[1] - x[0])) * width,
    top + height - ((Math.min(Math.max(v, y[0]), y[1]) - y[0]) / (y[1] - y[0])) * height,
  ];
  const middle = (range) => (range[0] + range[1]) / 2;
  const elements = [
    svg.element("rect", { x: left, y: top, width, height, class: "frame" }),
    svg.text(left + width / 2, top - 7, title, "title"),
    svg.text(left + width / 2, top + height + 29, xlabel),
    ...[x[0], middle(x), x[1]].map((u) => svg.text(at(u, 0)[0], top + height + 14, u, "tick")),
    ...[y[0], middle(y), y[1]].map((v) => svg.text(left - 4, at(0, v)[1] + 4, v, "tick", "end")),
  ];
  const through = (tag) => (points, kind) =>
    svg.element(tag, { points: points.map(([u, v]) => at(u, v)).join(" "), class: kind });
  const mark = (u, v, kind) => {
    const [cx, cy] = at(u, v);
    return svg.element("circle", { cx, cy, r: 5, class: kind });
  };
  return { elements, line: through("polyline"), area: through("polygon"), mark };
};

/** Fill all places of a page that ask for a figure. */
SingleShot.mount = (name) => {
  if (typeof document === "undefined") return; // a test, which only computes
  for (const place of document.querySelectorAll(`.living-figure[data-figure="${name}"]`)) {
    const description = JSON.parse(place.querySelector("script").textContent);
    new SingleShot.Page(name, description).fill(place);
  }
};

/** A figure on a page: its caption, drawing, controls and sentence. */
SingleShot.Page = class {
  constructor(name, description) {
    Object.assign(this, { name, description, figure: SingleShot[name], inputs: {} });
    const height = this.figure.height ?? SingleShot.svg.WIDTH;
    const view = { viewBox: `0 0 ${SingleShot.svg.WIDTH} ${height}`, role: "img" };
    this.drawing = SingleShot.svg.element("svg", { ...view, "aria-label": description.alt });
    this.sentence = this.html("p", { className: "says", role: "status" });
  }

  html(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  fill(place) {
    const { title, hint, controls } = this.description;
    const caption = this.html("figcaption", {}, this.html("strong", {}, `${title}.`), ` ${hint}`);
    const fields = this.html("div", { className: "controls", role: "group", ariaLabel: title });
    fields.append(...controls.map((control) => this.field(control)));
    const beside = this.html("div", { className: "beside" }, fields, this.sentence);
    const content = this.html("div", { className: "content" }, this.drawing, beside);
    place.replaceChildren(this.html("figure", {}, caption, content));
    if (this.figure.drag) this.listen();
    this.update();
  }

  /** Return a labelled slider or menu; its value is the only place where that value is kept. */
  field({ name, label, value, options, ...limits }) {
    const id = `living-${this.name}-${name}`;
    const input = this.html(options ? "select" : "input", { id });
    for (const option of options ?? []) input.append(this.html("option", {}, option));
    if (!options) Object.assign(input, { type: "range", ...limits });
    input.value = value;
    input.addEventListener("input", () => this.update());
    this.inputs[name] = input;
    const shown = options ? [] : [this.html("output", { htmlFor: id })];
    return this.html("div", {}, this.html("label", { htmlFor: id }, label), ...shown, input);
  }

  values() {
    const entries = Object.entries(this.inputs);
    const read = (input) => (input.type === "range" ? Number(input.value) : input.value);
    return Object.fromEntries(entries.map(([name, input]) => [name, read(input)]));
  }

  update() {
    const values = this.values();
    const numbers = this.figure.numbers(values, this.description.data);
    this.drawing.replaceChildren(...this.figure.draw(numbers, values));
    this.sentence.textContent = this.figure.say(numbers, values);
    for (const input of Object.values(this.inputs)) {
      const output = input.parentElement.querySelector("output");
      if (output) output.value = input.value;
    }
  }

  /** Let a pointer move what the figure lets move; the sliders follow, within their limits. */
  listen() {
    let from, start;
    const move = (event) => {
      const moved = start && this.figure.drag(from, this.pointOf(event), start, this.description.data);
      for (const [name, value] of Object.entries(moved ?? {})) this.inputs[name].value = value;
      if (moved) this.update();
    };
    this.drawing.addEventListener("pointerdown", (event) => {
      [from, start] = [this.pointOf(event), this.values()];
      this.drawing.setPointerCapture(event.pointerId); // what is drawn under it changes
      move(event);
    });
    this.drawing.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"])
      this.drawing.addEventListener(end, () => (start = undefined));
  }

  pointOf({ clientX, clientY }) {
    const { left, top, width } = this.drawing.getBoundingClientRect();
    return [clientX - left, clientY - top].map((way) => (way * SingleShot.svg.WIDTH) / width);
  }
};
