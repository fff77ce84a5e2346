/** Detections on a picture, as figures of the course draw them. */

// In CSS pixels, like all sizes below: width and colour of the lines, null for a class's own.
const FRAME = [[3.2, "white"], [2, null]];
const THIN_FRAME = [[1, null]];
const TAG_HEIGHT = 18;
const LONGEST_NAME = 24; // characters
const LARGEST = 2; // times, for small pictures
const OF_WINDOW = 0.7; // of its height, at most

/** Return the colour of a class; colours come again after the last. */
export function colorOf(classId, palette) {
  return palette[classId % palette.length];
}

/** Leave a canvas empty. */
export function clear(canvas) {
  canvas.width = canvas.height = 0;
  canvas.style.width = canvas.style.height = "0";
}

/**
 * Draw a picture with its detections, as large as the element around the canvas has room for.
 *
 * areMany: draw thin lines, and no class and score at each box.
 */
export function draw(canvas, picture, detections, palette, areMany) {
  const scale = fit(canvas, picture);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.canvas, 0, 0, canvas.width, canvas.height);
  context.scale(devicePixelRatio, devicePixelRatio);
  const colored = detections.map(({ classId, name, score, box }) => ({
    color: colorOf(classId, palette),
    box: box.map((edge) => edge * scale),
    text: `${shortened(name)} ${score.toFixed(2)}`,
  }));
  const lines = areMany ? THIN_FRAME : FRAME;
  for (const each of colored.toReversed()) frame(context, each, lines); // the best on top
  const taken = [];
  if (!areMany) for (const each of colored) tag(context, each, picture.width * scale, taken);
}

/** Make a canvas as large as there is room for a picture; return by how much that enlarges it. */
function fit(canvas, { width, height }) {
  const room = [canvas.parentElement.clientWidth / width, (OF_WINDOW * innerHeight) / height];
  const scale = Math.min(...room, LARGEST);
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  canvas.width = Math.round(width * scale * devicePixelRatio);
  canvas.height = Math.round(height * scale * devicePixelRatio);
  return scale;
}

function frame(context, { color, box: [xmin, ymin, xmax, ymax] }, lines) {
  for (const [lineWidth, lineColor] of lines) {
    Object.assign(context, { lineWidth, strokeStyle: lineColor ?? color });
    context.strokeRect(xmin, ymin, xmax - xmin, ymax - ymin);
  }
}

/** Write a text on a filled tag at a corner of a box where no other is, and add it to `taken`. */
function tag(context, { color, box: [xmin, ymin, xmax, ymax], text }, pictureWidth, taken) {
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  const width = context.measureText(text).width + 8;
  const left = Math.max(0, xmin + width <= pictureWidth ? xmin : xmax - width);
  const right = left + width;
  const beside = ({ left: from, right: to }) => to <= left || right <= from;
  const hides = (top) =>
    taken.some((other) => Math.abs(top - other.top) < TAG_HEIGHT && !beside(other));
  const places = [ymin - TAG_HEIGHT, ymin, ymax - TAG_HEIGHT].filter((top) => top >= 0);
  const top = places.find((place) => !hides(place)) ?? places.at(-1) ?? 0;
  taken.push({ left, right, top });
  context.fillStyle = color;
  context.fillRect(left, top, width, TAG_HEIGHT);
  context.fillStyle = textColorOn(color);
  context.fillText(text, left + 4, top + TAG_HEIGHT / 2 + 1);
}

function shortened(name) {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
}

/** WCAG's relative luminance: above 0.18, black on a colour has more contrast than white. */
function textColorOn(color) {
  const [red, green, blue] = [1, 3, 5].map((place) => {
    const share = parseInt(color.slice(place, place + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "black" : "white";
}
