/**
 * Uses the living figures in a browser as a person would, and prints as JSON what it saw.
 */

const path = require("node:path");

const { AXE, job, run } = require("./browser.cjs");

const troubles = [];

/** Return the values of a figure's controls, by name, and what it says. */
function view(page, figure) {
  return page.locator(`.living-figure[data-figure="${figure}"]`).evaluate((place) => {
    const inputs = [...place.querySelectorAll(".controls [id]")];
    const values = Object.fromEntries(inputs.map(({ id, value }) => [id.split("-").at(-1), value]));
    return { values, says: place.querySelector(".says").textContent };
  });
}

/** Reach every control by Tab alone; press its keys; return where, whether it shows, what is said. */
async function byKeyboard(page) {
  const stops = [];
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const { id, labels, value } = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
      const figure = document.activeElement.closest(".living-figure")?.dataset.figure;
      return { id, label: labels?.[0]?.textContent, value, outlined, figure };
    });
    if (!stop.figure) break;
    const before = (await view(page, stop.figure)).says;
    for (const key of job.keys) await page.keyboard.press(key);
    stops.push({ ...stop, before, ...(await view(page, stop.figure)) });
  }
  return stops;
}

/** Draw a pointer over a drawing, by mouse or finger; points are in its 340 units. */
async function drawn(page, { figure, from, to }, touch) {
  const drawing = page.locator(`.living-figure[data-figure="${figure}"] svg`);
  await drawing.scrollIntoViewIfNeeded();
  const { x, y, width } = await drawing.boundingBox();
  const [start, end] = [from, to].map((point) => ({
    x: x + (point[0] * width) / 340,
    y: y + (point[1] * width) / 340,
  }));
  const middle = { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 };
  const scrolled = await page.evaluate(() => scrollY);
  if (touch) {
    const session = await page.context().newCDPSession(page);
    const send = (type, touchPoints) => session.send("Input.dispatchTouchEvent", { type, touchPoints });
    await send("touchStart", [start]);
    for (const point of [middle, end]) await send("touchMove", [point]);
    await send("touchEnd", []);
  } else {
    await page.mouse.move(start.x, start.y);
    await page.mouse.down();
    await page.mouse.move(middle.x, middle.y);
    await page.mouse.move(end.x, end.y);
    await page.mouse.up();
  }
  const still = scrolled === (await page.evaluate(() => scrollY));
  return { figure, touch, still, ...(await view(page, figure)) };
}

async function drags(page, touch) {
  const found = [];
  for (const each of job.drags) found.push(await drawn(page, each, touch));
  return found;
}

/** Look at the page at a width in both themes: what axe finds, how wide it is, a picture.
 *
 * preload: axe would fetch style sheets, which file: does not allow. */
async function looks(page, width) {
  const found = [];
  for (const theme of ["light", "dark"]) {
    await page.evaluate((name) => (document.documentElement.dataset.theme = name), theme);
    const { violations, passes } = await page.evaluate(() => axe.run({ preload: false }));
    const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
    const wrong = violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]);
    found.push({ width, theme, wide, passes: passes.length, violations: wrong });
    if (job.screenshots) {
      const file = path.join(job.screenshots, `figures_${width}_${theme}.png`);
      await page.screenshot({ path: file, fullPage: true });
    }
  }
  return found;
}

async function open(browser, width, hasTouch) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, hasTouch });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // machines of two busy cores
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("request", (request) => request.url().startsWith("file:") || troubles.push(request.url()));
  await page.goto(job.url);
  await page.evaluate(AXE);
  return page;
}

run(async (browser) => {
  const result = { troubles, looks: [], drags: [] };
  for (const [width, hasTouch] of [[390, true], [1280, false]]) {
    const page = await open(browser, width, hasTouch);
    result.looks.push(...(await looks(page, width)));
    result.drags.push(...(await drags(page, hasTouch)));
  }
  result.keyboard = await byKeyboard(await open(browser, 1280, false));
  return result;
});
