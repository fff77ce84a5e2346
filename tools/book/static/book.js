// What the theme leaves to do; runs on every page.

// Browsers refuse to fetch from the file system, and the search would fetch the start of each page it finds.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// The keyboard reaches a table that scrolls; the theme sees to code.
const tables = new ResizeObserver((changes) => {
  for (const { target } of changes) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
});
addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".pst-scrollable-table-container").forEach((table) => tables.observe(table));
});

// Paper is light.
let onScreen;
addEventListener("beforeprint", () => {
  onScreen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => (document.documentElement.dataset.theme = onScreen));

// The theme leaves the contents of the book where they were, though another page is open.
addEventListener("load", () => {
  const contents = document.querySelector(".bd-sidebar-primary");
  const place = contents?.querySelector('a.current[href="#"]')?.getBoundingClientRect();
  if (place && (place.top < 0 || place.bottom > innerHeight)) contents.scrollTop += place.top - innerHeight / 2;
});
