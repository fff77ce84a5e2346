"""Web pages of executed lessons, to read without a kernel and without a network.

A page holds its pictures with their alt text. Links between lessons lead to pages, all others to
files of the project. Widgets need a kernel and are left out; a picture stands beside each.
"""

import html
import os
import re
from pathlib import Path

from single_shot.files import write_whole

import nbformat
from jinja2 import DictLoader
from latex2mathml.converter import convert
from nbconvert import HTMLExporter

# Colours: at least 4.5 : 1 against their background (WCAG 2.2, 1.4.3), in both schemes.
STYLE = """<style>
:root { color-scheme: light dark }
body { max-width: 52rem; margin: 0 auto; padding: 1rem; font: 16px/1.5 sans-serif }
img, table { max-width: 100% }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; padding: .5rem 0 }
td, th { padding: .3rem 1rem .3rem 0; text-align: left; vertical-align: top }
a { color: #0b57a4 }
.failed { color: #b3261e }
@media (prefers-color-scheme: dark) {
  body.index { background: #16181c; color: #e6e6e6 }
  body.index a { color: #8ab8ff }
  body.index .failed { color: #ff9d94 }
}
</style>
"""
LESSON_STYLE = """<style>
:root { color-scheme: light }
body.jp-Notebook { background: #fff; overflow: auto }
.jp-InputPrompt, .jp-OutputPrompt { color: #595959 !important; opacity: 1 !important }
.jp-RenderedHTMLCommon { max-width: 75ch }
.highlight .c1, .highlight .c { color: #2f6363 }
.highlight .mi, .highlight .mf { color: #006400 }
.highlight .o, .highlight .ow { color: #8a1fd1 }
.highlight pre, .jp-OutputArea-output pre { overflow-x: auto }
@media (max-width: 40rem) { .jp-InputPrompt, .jp-OutputPrompt { display: none } }
</style>
"""
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Single Shot: lessons</title>
{style}</head><body class="index">
<h1>Single Shot</h1><p>Run with profile <b>{profile}</b>.</p>
<table><thead><tr><th>Lesson</th><th>Time</th><th>Result</th></tr></thead>
{rows}
</table></body></html>
"""
ROW = '<tr><td><a href="{0}.html">{1}</a></td><td>{2:.0f} s</td><td class="{3}">{3} {4}</td></tr>'
# Code, in which a dollar is a dollar; a displayed formula; one in a line.
FORMULA = re.compile(r"(```.*?```|`[^`]*`)|\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)
# nbconvert's template drops the alt text that `figures.show` stores with a picture, and loads
# scripts for formulas, diagrams and widgets from other hosts, which these pages do without.
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_css -%}{{ resources.style }}{%- endblock -%}
{%- block body_header -%}{{ super() }}{{ resources.navigation }}{%- endblock -%}
{%- block body_footer -%}{{ resources.navigation }}{{ super() }}{%- endblock -%}
{%- block data_widget_view scoped -%}{%- endblock -%}
{%- block data_png scoped -%}
{%- set alt = output | get_metadata('alt', 'image/png') -%}
{%- set image = '<img alt="' ~ (alt | escape_html) ~ '" ' if alt else '<img ' -%}
{{ super() | replace('<img ', image, 1) }}
{%- endblock data_png -%}
"""


def title_of(notebook, default):
    """Return the first heading of a notebook."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)$", "\n".join(texts), re.MULTILINE)
    return heading.group(1).strip() if heading else default


def with_pages(names, output, paths):
    """Return which lessons have a page in the folder, or will have one: `paths` are to be run."""
    coming = {path.stem for path in paths}
    return [name for name in names if name in coming or (output / f"{name}.html").exists()]


def navigation(names, name, up=""):
    """Return the links of a page to the one before, the index and the next one.

    names: of the lessons that have pages, in order; name: of this one; up: from the page's folder
    to the lessons'.
    """
    place = names.index(name)
    links = [f'<a href="{up}index.html">All lessons</a>']
    if up:
        links.insert(0, f'<a href="{up}{name}.html">The lesson</a>')
    else:
        if place > 0:
            links.insert(0, f'<a rel="prev" href="{names[place - 1]}.html">Previous</a>')
        if place + 1 < len(names):
            links.append(f'<a rel="next" href="{names[place + 1]}.html">Next</a>')
    return f"<nav>{' '.join(links)}</nav>"


def with_links_to_pages(notebook, source, output, names):
    """Return a copy of a notebook whose relative links lead where its page is read.

    source: path of the notebook; output: of the page; names: of the lessons that have pages.
    """

    def replaced(match):
        target, fragment = match.group(1), match.group(2) or ""
        path = (source.parent / target).resolve()
        if "://" in target or target.startswith("mailto:"):
            return match.group()
        if path.suffix == ".ipynb" and path.stem in names:
            solutions = path.parent.name == "solutions"
            home = output.parent.parent if output.parent.name == "solutions" else output.parent
            page = home / ("solutions" if solutions else "") / f"{path.stem}.html"
        elif path.name == "README.md" and path.parent.name == "notebooks":
            page = output.parent.parent if output.parent.name == "solutions" else output.parent
            page = page / "index.html"
        else:
            page = path
        return f"]({os.path.relpath(page, output.parent)}{fragment})"

    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", replaced, cell.source)
    return notebook


def without_formulas(notebook):
    """Return a copy of a notebook with a word for every formula, and the MathML of each word.

    Browsers draw MathML by themselves. It must not go through nbconvert, which would take its
    elements apart.
    """
    drawn = {}

    def replaced(match):
        code, displayed, inline = match.groups()
        if code:
            return code
        word = f"formula{len(drawn):04d}"
        drawn[word] = convert(displayed or inline, display="block" if displayed else "inline")
        return word

    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = FORMULA.sub(replaced, cell.source)
    return notebook, drawn


def write_page(notebook, source, output, names):
    """Write the web page of a notebook, pictures with their alt text inside.

    source: path of the notebook; output: of the page; names: of the lessons that have pages.
    """
    exporter = HTMLExporter(
        embed_images=True,
        extra_loaders=[DictLoader({"lesson.html.j2": TEMPLATE})],
        template_file="lesson.html.j2",
    )
    up = "../" if output.parent.name == "solutions" else ""
    resources = {
        "metadata": {"path": str(source.parent), "name": title_of(notebook, source.stem)},
        "style": STYLE + LESSON_STYLE,
        "navigation": navigation(names, source.stem, up),
    }
    linked, drawn = without_formulas(with_links_to_pages(notebook, source, output, names))
    page, _ = exporter.from_notebook_node(linked, resources)
    write_whole(output, re.sub(r"formula\d{4}", lambda match: drawn[match.group()], page))


def write_pages(notebook, path, output, names=()):
    """Write an executed lesson, its page and that of its solutions, which are not executed."""
    names = list(names) or [path.stem]
    write_whole(output / path.name, nbformat.writes(notebook))
    write_page(notebook, path, output / f"{path.stem}.html", names)
    solutions = path.parent / "solutions" / path.name
    if solutions.exists():
        stored = nbformat.read(solutions, as_version=4)
        write_page(stored, solutions, output / "solutions" / f"{path.stem}.html", names)


def write_index(results, profile, output):
    """Write index.html, with a line for each Result of `run_lessons`."""
    rows = [
        ROW.format(r.lesson, html.escape(r.title), r.seconds, r.verdict, html.escape(r.error))
        for r in results
    ]
    page = INDEX.format(style=STYLE, profile=profile, rows="\n".join(rows))
    write_whole(Path(output) / "index.html", page)
