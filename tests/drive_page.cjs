/**
 * Uses the page in a browser as a person would, and prints as JSON what it saw.
 */

const path = require("node:path");

const { AXE, job, run } = require("./browser.cjs");

const WIDTHS = [390, 1280];
const SCHEMES = ["light", "dark"];
const troubles = [];

/** Open the page in a fresh context; note all that fails, and requests to other hosts. */
async function open(browser, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // machines of two busy cores
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("requestfailed", (request) => troubles.push(`${request.url()}: failed`));
  page.on("response", (response) => {
    if (!response.ok()) troubles.push(`${response.url()}: ${response.status()}`);
  });
  page.on("request", (request) => {
    const { origin } = new URL(request.url().replace(/^blob:/, ""));
    if (origin !== new URL(job.url).origin) troubles.push(`${request.url()}: elsewhere`);
  });
  await page.goto(job.url);
  await quiet(page);
  return page;
}

/** Wait until the page has done all that it was asked for. */
async function quiet(page) {
  await page.waitForSelector('#list[aria-busy="false"]', { state: "attached" });
}

/** Return what is shown: the sentence, whether it is a fault, the rows, the canvas. */
async function view(page) {
  await quiet(page);
  return page.evaluate(() => ({
    text: document.getElementById("status").textContent,
    fault: document.getElementById("status").classList.contains("fault"),
    canvas: document.getElementById("canvas").width,
    rows: [...document.querySelectorAll("#rows tr")].map((row) => [
      row.querySelector("th").textContent,
      ...[...row.querySelectorAll("data")].map((each) => Number(each.value)),
    ]),
  }));
}

async function samplesOfDetectors(page) {
  const found = [];
  for (const detector of job.detectors) {
    await page.check(`#detectors input[value="${detector}"]`);
    for (const sample of job.samples) {
      await page.check(`#samples input[value="${sample}"]`, { force: true });
      for (const { step, score, nms } of job.settings) {
        await page.check(`#steps input[value="${step}"]`);
        await page.locator("#threshold").fill(String(score));
        await page.locator("#nms").fill(String(nms));
        found.push({ detector, sample, step, score, nms, ...(await view(page)) });
      }
    }
  }
  return found;
}

/** Give each file to the field that it is for; return what the page then shows. */
async function filesGiven(page) {
  const found = {};
  for (const [field, file] of job.files) {
    await page.check(`#samples input[value="${job.samples[0]}"]`, { force: true });
    await page.check(`#detectors input[value="${job.detectors[0]}"]`);
    await quiet(page);
    await page.locator(`#${field}`).setInputFiles(file);
    found[path.basename(file)] = await view(page);
  }
  await page.check('#detectors input[value="own"]');
  const offered = await page.locator("#detectors label").allTextContents();
  found.again = { offered, ...(await view(page)) };
  return found;
}

async function dropped(page) {
  await page.evaluate(async (sample) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([await (await fetch(sample)).blob()], "dropped.jpg"));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
  }, job.samples[0]);
  return view(page);
}

/** Go through the page by Tab; move the sliders by an arrow key on the way. */
async function byKeyboard(page) {
  const stops = [];
  for (let presses = 0; presses < 40; presses++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const here = document.activeElement;
      const drawn = here.closest("#samples label")?.querySelector("img") ?? here;
      const { outlineStyle, outlineWidth } = getComputedStyle(drawn);
      const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
      return { id: here.id || here.name || here.tagName, outlined };
    });
    if (stop.id === "BODY") break;
    stops.push(stop);
    if (["threshold", "nms"].includes(stop.id)) Object.assign(stop, await moved(page, stop.id));
  }
  return stops;
}

/** Press keys on a slider; return its values, and the number of rows before and after. */
async function moved(page, id) {
  const values = [await page.locator(`#${id}`).inputValue()];
  const rows = [(await view(page)).rows.length];
  for (const key of ["ArrowLeft", "Home"]) {
    await page.keyboard.press(key);
    values.push(await page.locator(`#${id}`).inputValue());
  }
  rows.push((await view(page)).rows.length);
  return { values, rows, told: await page.locator(`#${id}-value`).textContent() };
}

/** Look at the page in both widths and schemes: what axe finds, how wide it is, a picture. */
async function looks(page, name) {
  const found = [];
  await page.evaluate(AXE);
  for (const width of WIDTHS) {
    for (const colorScheme of SCHEMES) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      const { violations, passes } = await page.evaluate(() => axe.run());
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
      const wrong = violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]);
      found.push({ width, colorScheme, wide, passes: passes.length, violations: wrong });
      if (job.screenshots) {
        const file = path.join(job.screenshots, `${name}_${width}_${colorScheme}.png`);
        await page.screenshot({ path: file, fullPage: true });
      }
    }
  }
  return found;
}

/** Press the button of the camera; return what is shown, then what a second press leaves. */
async function camera(page) {
  await page.click("#camera");
  await page.waitForFunction(() => /what the camera sees|The camera was/.test(document.body.innerText));
  const live = await page.locator("#status").getAttribute("aria-live");
  const button = await page.locator("#camera").textContent();
  if (button.startsWith("Stop")) await page.click("#camera");
  return { live, button, ...(await view(page)) };
}

run(async (browser) => {
  const page = await open(browser);
  const result = { troubles, keyboard: await byKeyboard(page), looks: await looks(page, "found") };
  result.samples = await samplesOfDetectors(page);
  result.dropped = await dropped(page);
  result.refusedCamera = await camera(page);
  result.files = await filesGiven(page);
  result.looks.push(...(await looks(page, "fault")));
  result.camera = await camera(await open(browser, { permissions: ["camera"] }));
  return result;
}, ["--use-fake-device-for-media-stream", "--deny-permission-prompts"]);
