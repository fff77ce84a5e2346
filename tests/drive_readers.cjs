/**
 * Reads pages of the book as people do who have no mouse, no screen or no scripts, and prints as JSON
 * what it saw of each.
 */

const { job, run, settled } = require("./browser.cjs");

/** Press Tab from the top to the end of a page; return what that missed or led to unseen, and what it reached. */
async function byKeyboard(page) {
  await settled(page);
  await page.evaluate(() => {
    globalThis.reached = new Set();
    globalThis.unseen = new Set();
  });
  for (let more = true; more; ) {
    await page.keyboard.press("Tab");
    more = await page.evaluate(async () => {
      await Promise.all(document.getAnimations().map((each) => each.finished)); // a link that comes in
      const focus = document.activeElement;
      const { left, top, right, bottom } = focus.getClientRects()[0];
      const [x, y] = [(left + right) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2];
      const there = document.elementFromPoint(x, y); // null beyond the window
      if (!focus.contains(there) && !there?.contains(focus)) unseen.add(focus.outerHTML.slice(0, 200));
      const isNew = !reached.has(focus);
      reached.add(focus);
      return isNew; // else the way has begun again
    });
  }
  return page.evaluate(() => {
    const scrolls = (each) =>
      each.scrollWidth > each.clientWidth && /auto|scroll/.test(getComputedStyle(each).overflowX);
    const wanted = [...document.querySelectorAll("main *")].filter(
      (each) =>
        each.checkVisibility({ visibilityProperty: true }) &&
        (each.matches("a[href], button, input, select, summary") || scrolls(each)),
    );
    const missed = wanted.filter((each) => !reached.has(each)).map((each) => each.outerHTML.slice(0, 200));
    const controls = [...reached].filter((each) => each.closest(".living-figure")).map(({ id }) => id);
    return { reached: reached.size, missed, unseen: [...unseen], controls };
  });
}

/** Return what is cut off or folded on paper, and the theme while a dark page is printed and after it. */
async function onPaper(page) {
  await page.setViewportSize({ width: 700, height: 990 }); // A4 between its margins
  await page.emulateMedia({ media: "print" });
  const seen = await page.evaluate(() => {
    const { dataset } = document.documentElement;
    dataset.theme = "dark";
    dispatchEvent(new Event("beforeprint"));
    const themes = [dataset.theme];
    const shown = (selector) => [...document.querySelectorAll(`.bd-article ${selector}`)].filter((each) => each.checkVisibility());
    const cut = shown("pre, table").filter((each) => each.scrollWidth > each.clientWidth + 1);
    const folded = [...document.querySelectorAll(".bd-article details > :not(summary)")];
    const hidden = folded.filter((each) => !each.checkVisibility());
    dispatchEvent(new Event("afterprint"));
    themes.push(dataset.theme);
    const lost = [...cut, ...hidden].map((each) => each.outerHTML.slice(0, 200));
    return { themes, lost, controls: shown(".living-figure input").length };
  });
  await page.emulateMedia({ media: "screen" });
  return seen;
}

/** Return what a page offers whose scripts do not run. */
async function withoutScripts(page) {
  const visible = async (selector) => {
    const found = await page.locator(selector).all();
    const shown = await Promise.all(found.map((each) => each.isVisible()));
    return shown.filter(Boolean).length;
  };
  return {
    dead: await visible(".bd-header-article button:not(.dropdown-toggle)"),
    contents: await visible(".bd-sidebar-primary a"),
    figures: await page.locator(".living-figure > p").allTextContents(),
    background: await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor),
  };
}

run(async (browser) => {
  const common = { viewport: { width: 390, height: 900 }, reducedMotion: "reduce" };
  const contexts = [await browser.newContext(common)];
  contexts.push(await browser.newContext({ ...common, javaScriptEnabled: false }));
  for (const context of contexts) context.setDefaultTimeout(120_000); // machines of two busy cores
  const [scripted, plain] = await Promise.all(contexts.map((context) => context.newPage()));
  const pages = [];
  for (const name of job.pages) {
    await scripted.goto(job.book + name);
    const keyboard = await byKeyboard(scripted);
    const paper = await onPaper(scripted);
    await scripted.setViewportSize(common.viewport);
    await plain.goto(job.book + name);
    pages.push({ name, keyboard, paper, plain: await withoutScripts(plain) });
  }
  return pages;
});
