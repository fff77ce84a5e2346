/** The camera, asked for only when a person wants it. */

import { pictureOf } from "./picture.js";
import { Refusal } from "./refusal.js";

const REASONS = {
  NotAllowedError: "The camera was not allowed; allow it in the browser's settings for this page.",
  NotFoundError: "No camera was found; connect one.",
  NotReadableError: "The camera is in use by another program; close that one.",
};

/** Return an open camera: `picture` returns what it sees, `stop` ends it. Throws Refusal. */
export async function openCamera() {
  if (!navigator.mediaDevices) {
    throw new Refusal("The browser gives the camera only to pages of https addresses or of localhost.");
  }
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
  } catch (error) {
    throw new Refusal(REASONS[error.name] ?? `The camera cannot be used (${error.message}).`);
  }
  return {
    picture: () => pictureOf(video, video.videoWidth, video.videoHeight, "what the camera sees"),
    stop: () => video.srcObject.getTracks().forEach((track) => track.stop()),
  };
}
