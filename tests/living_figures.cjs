/**
 * Calls functions of the living figures without a browser.
 *
 *   node living_figures.cjs FOLDER < CALLS.json
 *
 * FOLDER: of the scripts. CALLS: a list of names such as "boxes.iou", each with its arguments.
 * Prints a list of what they return.
 */

const fs = require("node:fs");
const path = require("node:path");

const [folder] = process.argv.slice(2);
const files = fs.readdirSync(folder).filter((name) => name.endsWith(".js") && name !== "common.js");
for (const name of ["common.js", ...files]) require(path.resolve(folder, name));

const results = JSON.parse(fs.readFileSync(0)).map(([name, ...given]) => {
  const [part, method] = name.split(".");
  return SingleShot[part][method](...given);
});
console.log(JSON.stringify(results));
