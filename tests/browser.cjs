/**
 * What the programs that use pages in a browser share; each is called as
 *
 *   node PROGRAM MODULES JOB.json
 *
 * MODULES: where npm has installed playwright-core and axe-core. JOB: what to do, made by `browser.py`
 * for a test; with `screenshots`, a folder, what the pages look like is left there.
 */

const { createRequire } = require("node:module");
const fs = require("node:fs");
const path = require("node:path");

const [modules, jobFile] = process.argv.slice(2);
const installed = createRequire(path.join(path.resolve(modules), "x.js"));
const { chromium } = installed("playwright-core");
const AXE = fs.readFileSync(installed.resolve("axe-core/axe.min.js"), "utf8");
const job = JSON.parse(fs.readFileSync(jobFile));

const FLAGS = [
  ..."--disable-gpu --disable-quic --no-first-run --disable-background-networking".split(" "),
  ..."--disable-component-update --disable-sync".split(" "),
];

/** Wait until a key reaches what scrolls on a page of the book; the theme sees to it after a change of width. */
function settled(page) {
  return page.waitForFunction(() => {
    const scrolling = [...document.querySelectorAll("pre, .pst-scrollable-table-container")];
    return scrolling.every((each) => each.scrollWidth <= each.clientWidth || each.tabIndex === 0);
  });
}

/** Start a browser, do some work with it and print as JSON what that returns; flags: more of them. */
async function run(work, flags = []) {
  const args = [...FLAGS, ...flags];
  const options = { executablePath: job.chromium, args, chromiumSandbox: false };
  const browser = await chromium.launch(options); // headless, with a profile of its own
  try {
    console.log(JSON.stringify(await work(browser)));
  } finally {
    await browser.close();
  }
}

module.exports = { AXE, job, run, settled };
