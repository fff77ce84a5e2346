/** Pictures as a detector needs them: `rgb`, `width`, `height`, and the `canvas` that holds them. */

import { Refusal } from "./refusal.js";

const LONGEST_SIDE = 2048; // pixels; larger photos are shrunk first, or a telephone's memory fills up

/**
 * Return the picture in a file, turned as its EXIF orientation says.
 *
 * blob: the file; name: for messages. Throws Refusal where it is no picture.
 */
export async function readPicture(blob, name) {
  let bitmap;
  try {
    // Pixels as they are stored, as in training: no colour profile is applied.
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch {
    throw new Refusal(`${name}: no picture that this browser can read; choose a JPEG, PNG or WebP file.`);
  }
  const picture = pictureOf(bitmap, bitmap.width, bitmap.height, name);
  bitmap.close();
  return picture;
}

/** Return what an image or a video shows at this moment. */
export function pictureOf(source, sourceWidth, sourceHeight, name) {
  const shrink = Math.min(1, LONGEST_SIDE / Math.max(sourceWidth, sourceHeight));
  const width = Math.max(1, Math.round(sourceWidth * shrink));
  const height = Math.max(1, Math.round(sourceHeight * shrink));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return { rgb, width, height, canvas, name };
}
