/**
 * Opens pages of the book from the file system and prints as JSON what it saw of each.
 */

const { fileURLToPath } = require("node:url");
const fs = require("node:fs");
const path = require("node:path");

const { AXE, job, run, settled } = require("./browser.cjs");

const RULES = {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  preload: false, // it would load styles once more, which a file may not
};

/** Note what goes wrong on a page, and how many bytes it takes to show. */
function watch(page) {
  const seen = { troubles: [], bytes: 0, requests: 0 };
  page.on("console", (message) => message.type() === "error" && seen.troubles.push(message.text()));
  page.on("pageerror", (error) => seen.troubles.push(String(error)));
  page.on("requestfailed", (request) => seen.troubles.push(`${request.url()}: failed`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol === "data:") return;
    seen.requests++;
    if (url.protocol !== "file:") return seen.troubles.push(`${url}: elsewhere`);
    url.search = url.hash = "";
    const file = fileURLToPath(url);
    if (fs.existsSync(file)) seen.bytes += fs.statSync(file).size;
    else seen.troubles.push(`${url}: not there`);
  });
  return seen;
}

/** Look at an open page in one width and scheme: what axe finds, and what is too wide. */
async function look(page, name, { width, scheme }) {
  await page.setViewportSize({ width, height: 900 });
  await page.evaluate((mode) => {
    document.documentElement.dataset.mode = mode;
    document.documentElement.dataset.theme = mode;
  }, scheme);
  await settled(page);
  const { violations, passes } = await page.evaluate((rules) => axe.run(document, rules), RULES);
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
  const wrong = violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]);
  if (job.screenshots) {
    const file = `${name.replaceAll("/", "_")}_${width}_${scheme}.png`;
    await page.screenshot({ path: path.join(job.screenshots, file), fullPage: job.whole ?? false });
  }
  return { width, scheme, wide, passes: passes.length, violations: wrong };
}

/** Open a page, have all its pictures load, and look at it in every way. */
async function visit(context, name) {
  const page = await context.newPage();
  const seen = watch(page);
  await page.goto(job.book + name);
  await page.evaluate(() => {
    for (const image of document.images) image.loading = "eager";
  });
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
  const empty = await page.evaluate(
    () => [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src),
  );
  const looks = [];
  await page.evaluate(AXE);
  for (const way of job.ways) looks.push(await look(page, name, way));
  await page.close();
  return { name, ...seen, empty, looks };
}

/** Search the book for a word; return the titles of the pages that are found. */
async function search(context, word) {
  const page = await context.newPage();
  const seen = watch(page);
  await page.goto(`${job.book}search.html?q=${encodeURIComponent(word)}`);
  await page.waitForSelector("#search-results li a");
  const titles = await page.locator("#search-results li a").allTextContents();
  await page.close();
  return { titles, troubles: seen.troubles };
}

/** Scroll the contents of the book to their end and follow a link to the first lesson; return where its line is. */
async function follow(context) {
  const page = await context.newPage();
  await page.goto(`${job.book}notebooks/README.html`);
  await page.evaluate(() => document.querySelector(".bd-sidebar-primary").scrollTo(0, 1e5));
  await page.locator("article table a").first().click();
  await page.waitForURL(/00_tour/);
  const line = await page.locator('.bd-sidebar-primary a.current[href="#"]').boundingBox();
  await page.close();
  return line.y;
}

run(async (browser) => {
  const viewport = { width: 1280, height: 900 };
  // Without motion a change of colours is through at once.
  const context = await browser.newContext({ viewport, reducedMotion: "reduce" });
  context.setDefaultTimeout(120_000); // machines of two busy cores
  const pages = [];
  for (const name of job.pages) pages.push(await visit(context, name));
  const found = await search(context, job.word);
  return { pages, found, line: await follow(context) };
});
