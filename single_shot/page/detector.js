/** A detector that `single-shot export` has written, run by ONNX Runtime. */

import { EXPORT, factsOf, withoutDefaults } from "./onnx_file.js";
import * as ort from "./ort/ort.js";
import { Refusal } from "./refusal.js";

const INPUTS = ["image", "score_threshold", "nms_threshold"];

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.proxy = true; // in a worker, so that the page answers meanwhile

/**
 * Return the detector in a file: `classNames`, `find` and `close`.
 *
 * `find` takes a picture and both thresholds; boxes suppress each other where their IoU is above
 * the second, so at 1 all candidates are left. It returns objects, best score first: `classId`,
 * `name`, `score` and `box`, [xmin, ymin, xmax, ymax] in pixels of the picture.
 *
 * content: Uint8Array; name: for messages; course: what course.json says.
 * Throws Refusal for a file that cannot be used; `find` does where it gives what cannot be objects.
 */
export async function openDetector(content, name, course) {
  const { class_names: classNames } = await factsOf(content, name, course.format);
  const session = await sessionOf(content, name);
  const close = () => session.release();
  const fault =
    differs("inputs", session.inputNames, INPUTS) ||
    differs("outputs", session.outputNames, course.outputs);
  if (fault) {
    await close();
    throw new Refusal(`${name}: ${fault}.`);
  }
  async function find(...given) {
    const outputs = await outputsOf(session, name, feedsOf(...given));
    const wrong = faultOf(outputs, classNames.length);
    if (wrong) throw new Refusal(`${name}: gives ${wrong}; ${EXPORT}.`);
    return objectsOf(outputs, classNames);
  }
  return { classNames, find, close };
}

async function outputsOf(session, name, feeds) {
  try {
    return await session.run(feeds);
  } catch (error) {
    throw refusalOf(error, name);
  }
}

/** Return what is wrong with what a detector gives, or "". */
function faultOf({ boxes, scores, class_ids: classIds }, numClasses) {
  const number = scores.data.length;
  const lengths = [boxes.data.length, classIds.data.length];
  if (lengths.join() !== [4 * number, number].join()) return "boxes, scores and classes of no one number";
  const isFinite = (array) => Array.from(array, Number).every(Number.isFinite);
  if (!isFinite(boxes.data) || !isFinite(scores.data)) return "boxes or scores that are not finite";
  const outside = Array.from(classIds.data, Number).find((id) => !(id >= 0 && id < numClasses));
  return outside === undefined ? "" : `the class id ${outside}, but names ${numClasses} classes`;
}

async function sessionOf(content, name) {
  try {
    return await ort.InferenceSession.create(withoutDefaults(content, INPUTS));
  } catch (error) {
    throw refusalOf(error, name);
  }
}

function refusalOf(error, name) {
  const [reason] = String(error.message ?? error).split("\n");
  return new Refusal(`${name}: cannot be run here (${reason}).`);
}

function differs(kind, names, expected) {
  if ([...names].sort().join() === [...expected].sort().join()) return "";
  return `its ${kind} are ${names.join(", ")} where ${expected.join(", ")} are needed`;
}

function feedsOf({ rgb, width, height }, scoreThreshold, nmsThreshold) {
  return {
    image: new ort.Tensor("uint8", rgb.slice(), [1, height, width, 3]), // a copy: the worker keeps it
    score_threshold: new ort.Tensor("float32", [scoreThreshold], [1]),
    nms_threshold: new ort.Tensor("float32", [nmsThreshold], [1]),
  };
}

function objectsOf({ boxes, scores, class_ids: classIds }, classNames) {
  return Array.from(classIds.data, Number).map((classId, row) => ({
    classId,
    name: classNames[classId],
    score: scores.data[row],
    box: Array.from(boxes.data.subarray(4 * row, 4 * row + 4)),
  }));
}
