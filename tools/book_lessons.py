"""A lesson as a source of the book: its pictures, living figures and links to code.

The lessons under notebooks/ stay as they are; `tools/book.py` has jupyter-book make pages of these.
"""

import hashlib
import html
import io
import json
import re
from base64 import b64decode

from utils.files import InputError

import nbformat
from pages import title_of
from PIL import Image
from sync import ROOT, path_of, sources_of

LESSONS = ROOT / "notebooks"
FIGURES = ROOT / "utils" / "figures" / "living.json"
# Lessons that lead to the page on which a detector runs, and where that page lies in the book.
DETECTOR_LESSONS = ("00_tour", "09_inference")
DETECTOR = "detector"
DETECTOR_LINK = """

```{{tip}}
This detector runs in your browser too, on pictures of your own: <a href="{0}">open its page</a>.
From the file system a page may not load a detector; `python3 -m http.server` in the folder of the
book serves it.
```
"""
DIV = """<div class="living-figure" data-figure="{0}"><p>{1}: this figure needs JavaScript.</p>
<script type="application/json" class="living-description">{2}</script></div>
"""
STYLE = '<link rel="stylesheet" href="{0}_static/figures/figures.css">'
SCRIPT = '<script defer src="{0}_static/figures/{1}.js"></script>'


def read_figures():
    """Return {name: description} of the living figures, in the order of the lessons."""
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def number_and_title(path, notebook):
    """Return what the navigation calls a lesson, such as `08b A laboratory of broken runs`."""
    title = title_of(notebook, path.stem).removeprefix("Solutions: ")
    return f"{path.stem.partition('_')[0]} {title}"


def as_web_picture(png, alt, folder, up):
    """Write a picture as lossless WebP, which is a third smaller; return its element for a page.

    folder: of all pictures; up: the way from the page to the folder that holds it.
    """
    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
        path = folder / f"{hashlib.sha256(png).hexdigest()[:16]}.webp"
        image.save(path, lossless=True, method=2)
    place = f'src="{up}{folder.name}/{path.name}" width="{width}" height="{height}"'
    return f'<img {place} alt="{html.escape(alt)}" loading="lazy">'


def move_pictures(notebook, folder, up):
    """Have every picture among a notebook's outputs lie in a folder, with its alt text."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                alt = output.metadata["image/png"]["alt"]
                output.data = {"text/html": as_web_picture(b64decode(png), alt, folder, up)}


def living(name, figure):
    """Return the place of a living figure on a page, with its description inside."""
    description = json.dumps(figure, ensure_ascii=False).replace("</", "<\\/")
    return DIV.format(name, html.escape(figure["title"]), description)


def scripts(names, up):
    """Return what a page with these figures loads, from the root of the book at `up`."""
    return STYLE.format(up) + "".join(SCRIPT.format(up, name) for name in ["common", *names])


def add_figures(notebook, lesson, figures, up):
    """Put living figures at the end of the cells that hold the headings they belong to.

    Raises InputError for a figure whose heading the lesson does not have.
    """
    here = {name: figure for name, figure in figures.items() if figure["lesson"] == lesson}
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    for name, figure in here.items():
        heading = re.compile(rf"^#+ {re.escape(figure['section'])}$", re.MULTILINE)
        cell = next((cell for cell in cells if heading.search(cell.source)), None)
        if cell is None:
            raise InputError(
                f"{FIGURES}: {name}: {lesson} has no heading {figure['section']!r}; name one"
            )
        cell.source += "\n\n" + living(name, figure)
    if here:
        cells[-1].source += "\n\n" + scripts(here, up)


def add_links_to_code(notebook, up):
    """Say after every cell that shows code of a module which one it is; return their paths."""
    cells, modules = [], set()
    for cell in notebook.cells:
        cells.append(cell)
        paths = {path_of(name.rpartition(".")[0]).relative_to(ROOT) for name in sources_of(cell)}
        if paths:
            links = ", ".join(f"[`{path}`]({up}{page_of(path)})" for path in sorted(paths))
            cells.append(nbformat.v4.new_markdown_cell(f"In the library: {links}"))
            modules |= paths
    notebook.cells = cells
    return modules


def page_of(module):
    """Return where the page of a module lies, given its path in the project."""
    return f"source/{module.with_suffix('.md')}"


def write_lesson(path, folder, figures, detector):
    """Write the source of a lesson's or a solution's page.

    folder: of all sources; detector: whether the book has the page that detects.
    Return (title in the navigation, paths of modules that it shows).
    """
    notebook = nbformat.read(path, as_version=4)
    place = path.relative_to(ROOT)
    up = "../" * len(place.parent.parts)
    modules = add_links_to_code(notebook, up)
    move_pictures(notebook, folder / "pictures", up)
    if path.parent == LESSONS:
        add_figures(notebook, path.stem, figures, up)
        if detector and path.stem in DETECTOR_LESSONS:
            notebook.cells[0].source += DETECTOR_LINK.format(f"{up}{DETECTOR}/index.html")
    (folder / place).write_text(nbformat.writes(notebook), encoding="utf-8")
    return number_and_title(path, notebook), modules
