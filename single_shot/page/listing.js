/** Detections as rows of a table, for those who do not see the canvas and those who want numbers. */

import { colorOf } from "./drawing.js";

/** Show detections, best score first, in place of those before. */
export function list(body, detections, palette) {
  body.replaceChildren(...detections.map((detection) => rowOf(detection, palette)));
}

function rowOf({ classId, name, score, box }, palette) {
  const row = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { scope: "row" });
  const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
  swatch.style.background = colorOf(classId, palette);
  head.append(swatch, name);
  row.append(head, cellOf(score, score.toFixed(3)), ...box.map((edge) => cellOf(edge, edge.toFixed(0))));
  return row;
}

/** Return a cell with a number as people read it, and as programs do. */
function cellOf(value, textContent) {
  const cell = document.createElement("td");
  cell.append(Object.assign(document.createElement("data"), { value: String(value), textContent }));
  return cell;
}
