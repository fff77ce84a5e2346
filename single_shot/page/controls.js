/** The controls of the page: what is built from course.json, and what they report. */

/** Add a radio button to a group, in place of one for the same `file`; taking it calls choose(item). */
export function addTo(group, item, content, choose) {
  const input = Object.assign(document.createElement("input"), { type: "radio", name: group.id });
  input.value = item.file;
  input.addEventListener("change", () => choose(item));
  const label = document.createElement("label");
  label.append(input, content);
  radioOf(group, item.file)?.parentElement.remove();
  group.append(label);
}

function radioOf(group, file) {
  return [...group.querySelectorAll("input")].find((input) => input.value === file);
}

/** Mark the item of a file in a group, or none. */
export function mark(group, file) {
  for (const input of group.querySelectorAll("input")) input.checked = input.value === file;
}

/** Give a slider its value and call change() whenever it moves; return a function that reads it. */
export function slider(id, value, change) {
  const input = document.getElementById(id);
  const output = document.getElementById(`${id}-value`);
  const show = () => (output.value = Number(input.value).toFixed(2));
  input.value = value;
  show();
  input.addEventListener("input", () => {
    show();
    change();
  });
  return () => Number(input.value);
}

/** Call choose(file) for a file that is chosen in a field. */
export function fileField(id, choose) {
  const input = document.getElementById(id);
  input.addEventListener("change", () => {
    if (input.files.length) choose(input.files[0]);
    input.value = ""; // or the same file, mended meanwhile, could not be chosen again
  });
}

/** Call choose(file) for a file that is dropped anywhere; `stage` shows that it will be taken. */
export function dropTarget(stage, choose) {
  const lit = (on) => stage.classList.toggle("target", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    lit(true);
  });
  document.addEventListener("dragleave", (event) => lit(event.relatedTarget !== null));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    lit(false);
    if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  });
}
