/** The page: a detector, a picture or the camera, and what is found. */

import { openCamera } from "./camera.js";
import { addTo, dropTarget, fileField, mark, slider } from "./controls.js";
import { openDetector } from "./detector.js";
import { clear, draw } from "./drawing.js";
import { list } from "./listing.js";
import { readPicture } from "./picture.js";
import { Refusal } from "./refusal.js";

const element = (id) => document.getElementById(id);
const [canvas, status, rows, stage] = ["canvas", "status", "rows", "stage"].map(element);
const [detectors, samples, steps] = ["detectors", "samples", "steps"].map(element);
const cameraButton = element("camera");

const MOST_BYTES = 500e6; // of a file, or the browser's memory fills up; SSD512's has 110e6
const OWN = "own"; // in place of the address of a file, for one that a person gives

let course, threshold, nms; // what course.json says; functions that read the sliders
let detector = null;
let picture = null;
let camera = null;
let shown = null; // the last picture with its detections

// One thing after another: the runtime opens one detector at a time.
let last = Promise.resolve();
let waiting = 0;
function enqueue(work) {
  count(1);
  last = last.then(work).catch(report).finally(() => count(-1));
}

function count(change) {
  waiting += change;
  element("list").setAttribute("aria-busy", waiting > 0);
}

let showWaits = false;
function refresh() {
  if (showWaits) return; // it will see what the controls say by then
  showWaits = true;
  enqueue(async () => {
    showWaits = false;
    await show();
  });
}

/** Detect in the picture, or in what the camera sees now, and show what is found. */
async function show() {
  if (camera) picture = camera.picture();
  if (!detector || !picture) {
    const isLast = waiting === 1; // else it may come yet
    if (isLast) say(picture ? "Choose a detector." : "Choose a picture.");
    return;
  }
  const before = steps.querySelector(":checked").value === "before";
  const score = threshold();
  const detections = await detector.find(picture, score, before ? 1 : nms());
  shown = { picture, detections, before };
  paint();
  list(rows, detections, course.palette);
  say(sentence(shown, score));
  if (camera) requestAnimationFrame(refresh);
}

function paint() {
  if (shown) draw(canvas, shown.picture, shown.detections, course.palette, shown.before);
}

function sentence({ picture: { name }, detections, before }, score) {
  const number = detections.length;
  const noun = (before ? "candidate" : "detection") + (number === 1 ? "" : "s");
  const most = number === course.most_detections ? ", the best of perhaps more" : "";
  return `${number} ${noun} with a score above ${score} in ${name}${most}.`;
}

/** Say a sentence; while the camera is on, not aloud: it changes with every picture. */
function say(text, fault = false) {
  status.setAttribute("aria-live", camera && !fault ? "off" : "polite");
  status.classList.toggle("fault", fault);
  status.textContent = text;
  canvas.setAttribute("aria-label", text);
}

/** Say in words what went wrong, and leave nothing drawn. */
function report(error) {
  if (!(error instanceof Refusal)) console.error(error);
  shown = null;
  if (!picture) mark(samples, null);
  if (!detector) mark(detectors, null);
  clear(canvas);
  list(rows, [], []);
  const isRefusal = error instanceof Refusal;
  say(isRefusal ? error.message : `This cannot be done here (${error.message ?? error}).`, true);
}

/** Return a file of the page. Throws Refusal where the server does not give it. */
async function fetched(file) {
  const response = await fetch(file).catch(() => ({ ok: false, status: "no answer" }));
  if (!response.ok) {
    const fault = `the server does not give it (${response.status})`;
    throw new Refusal(`${file}: ${fault}; build the page again with make web.`);
  }
  return response.blob();
}

/** Return the bytes of a Blob that holds a detector; throws Refusal where there are too many. */
async function bytesOf(blob, name) {
  if (blob.size > MOST_BYTES) {
    throw new Refusal(`${name}: no detector of this course, which has at most ${MOST_BYTES / 1e6} MB.`);
  }
  return new Uint8Array(await blob.arrayBuffer());
}

/** Take another detector: `name`, `file` and `read`, which returns its Blob; offer it if it is new. */
function useDetector(item, isNew = false) {
  say(`Loading ${item.name} …`);
  enqueue(async () => {
    mark(detectors, isNew ? null : item.file);
    const old = detector;
    detector = null;
    await old?.close();
    detector = await openDetector(await bytesOf(await item.read(), item.name), item.name, course);
    if (isNew) {
      offerDetector(item, `${item.name}: ${detector.classNames.join(", ")}`);
      mark(detectors, item.file);
    }
    await show();
  });
}

/** Take a picture, given as a detector is, in place of the one before or of the camera. */
function usePicture({ name, file, read }) {
  stopCamera();
  enqueue(async () => {
    mark(samples, file);
    picture = null;
    picture = await readPicture(await read(), name);
    await show();
  });
}

async function startCamera() {
  say("Waiting for the camera …");
  try {
    const opened = await openCamera();
    stopCamera(); // pressed twice
    camera = opened;
    cameraButton.textContent = "Stop the camera";
    refresh();
  } catch (error) {
    enqueue(() => {
      picture = null;
      throw error;
    });
  }
  mark(samples, null);
}

function stopCamera() {
  camera?.stop();
  camera = null;
  cameraButton.textContent = "Start the camera";
}

function offerDetector(item, text) {
  addTo(detectors, item, ` ${text}`, useDetector);
}

function offerSample(item) {
  addTo(samples, item, Object.assign(new Image(), { src: item.file, alt: item.name }), usePicture);
}

async function start() {
  course = JSON.parse(await (await fetched("course.json")).text());
  for (const item of [...course.detectors, ...course.samples]) item.read = () => fetched(item.file);
  for (const item of course.detectors) offerDetector(item, item.name);
  for (const item of course.samples) offerSample(item);
  threshold = slider("threshold", course.score_threshold, refresh);
  nms = slider("nms", course.nms_threshold, refresh);
  const itemOf = (file) => ({ name: file.name, file: OWN, read: async () => file });
  fileField("model", (file) => useDetector(itemOf(file), true));
  fileField("picture", (file) => usePicture(itemOf(file)));
  dropTarget(stage, (file) => usePicture(itemOf(file)));
  steps.addEventListener("change", refresh);
  cameraButton.addEventListener("click", () => (camera ? stopCamera() : startCamera()));
  new ResizeObserver(paint).observe(stage);
  usePicture(course.samples[0]);
  useDetector(course.detectors[0]);
}

enqueue(start);
