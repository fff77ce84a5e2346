"""Make the book: the stored lessons as pages to read without a kernel and without a network.

    python tools/book.py [--out build/book]

jupyter-book makes the pages, in an environment of its own that `make book` sets up. Nothing is
executed. The page that detects goes with the book where `make web` has built it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from single_shot import command
from single_shot.files import appearing_folder
from utils.compat import core_count
from utils.files import InputError

import yaml
from book_lessons import DETECTOR, LESSONS, living, page_of, read_figures, scripts, write_lesson
from book_theme import mend
from sync import ROOT, lesson_paths, notebook_paths

SETTINGS = ROOT / "tools" / "book"
WEB = ROOT / "build" / "web"
JUPYTER_BOOK = ROOT / "build" / "book-env" / "bin" / "jupyter-book"
# Pages that are no lessons, with their titles in the navigation.
TEXTS = {
    "notebooks/README.md": "All lessons, notes for teachers",
    "notebooks/glossary.md": "Glossary",
    "notebooks/faq.md": "Questions people ask",
    "single_shot/labels/README.md": "Labels that are read",
    "benchmarks/README.md": "Benchmarks",
}
FILES = ("data/ledger.csv",)  # what pages link to that is no page
FIGURES_PAGE = """# Figures to move

They answer to a mouse, a finger and the keyboard. Each belongs to a lesson, which explains it.
"""
ANSWERS_PAGE = """# Worked answers

To the exercises of every lesson; try first.

"""
CODE_PAGE = """# Code that lessons show

The modules of the library whose code stands in lessons, whole and with their docstrings.

"""


def write_text(folder, place, text):
    """Write the source of a page of text."""
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_texts(folder, figures, titles, modules):
    """Write the pages that are no notebooks: those of the project, figures, answers and code.

    figures: from `read_figures`; titles: {name of a lesson: its title}; modules: their paths.
    """
    for place in TEXTS:
        text = (ROOT / place).read_text(encoding="utf-8")
        write_text(folder, place, text.replace("](solutions/)", "](solutions/README.md)"))
    for place in FILES:
        write_text(folder, place, (ROOT / place).read_text(encoding="utf-8"))
    parts = [FIGURES_PAGE, scripts(figures, "")]
    for name, figure in figures.items():
        lesson = f"[{titles[figure['lesson']]}](notebooks/{figure['lesson']}.ipynb)"
        parts += [f"## {figure['title']}", living(name, figure), f"Lesson {lesson}"]
    write_text(folder, "figures.md", "\n\n".join(parts))
    answers = [f"- [{title}]({name}.ipynb)" for name, title in titles.items()]
    write_text(folder, "notebooks/solutions/README.md", ANSWERS_PAGE + "\n".join(answers))
    code = [f"- [`{path}`](../{page_of(path)})" for path in modules]
    write_text(folder, "source/README.md", CODE_PAGE + "\n".join(code))
    for path in modules:
        text = (ROOT / path).read_text(encoding="utf-8")
        write_text(folder, page_of(path), f"# {path}\n\n````python\n{text}````\n")


def contents(titles, modules):
    """Return the table of contents as jupyter-book reads it; arguments as of `write_texts`."""

    def part(place, title, **below):
        return {"file": place.rpartition(".")[0], "title": title, **below}

    lessons = [part(f"notebooks/{name}.ipynb", titles[name]) for name in titles]
    answers = [part(f"notebooks/solutions/{name}.ipynb", titles[name]) for name in titles]
    code = [part(page_of(path), str(path)) for path in modules]
    beside = [
        part("figures.md", "Figures to move"),
        part("notebooks/solutions/README.md", "Worked answers", sections=answers),
        *(part(place, title) for place, title in TEXTS.items()),
        part("source/README.md", "Code that lessons show", sections=code),
    ]
    parts = [
        {"caption": "Lessons", "chapters": lessons},
        {"caption": "Beside the lessons", "chapters": beside},
    ]
    return {"format": "jb-book", "root": "index", "parts": parts}


def write_sources(folder, detector):
    """Write all that jupyter-book needs into a folder; return its table of contents.

    detector: whether the book has the page that detects.
    """
    shutil.copytree(SETTINGS, folder, dirs_exist_ok=True)
    (folder / "figures").rename(folder / "static" / "figures")
    for name in ("pictures", "notebooks/solutions"):
        (folder / name).mkdir(parents=True)
    figures = read_figures()
    with ThreadPoolExecutor(core_count()) as pool:
        paths = notebook_paths(LESSONS)
        written = [*pool.map(lambda path: write_lesson(path, folder, figures, detector), paths)]
    titles = {path.stem: title for path, (title, _) in zip(lesson_paths(LESSONS), written)}
    modules = sorted(set().union(*(shown for _, shown in written)))
    write_texts(folder, figures, titles, modules)
    toc = contents(titles, modules)
    write_text(folder, "_toc.yml", yaml.safe_dump(toc, sort_keys=False))
    return toc


def make_pages(folder):
    """Have jupyter-book make the pages of the sources in a folder; return where they lie.

    Raises InputError where it is not installed, or finds fault with the sources.
    """
    options = ["build", str(folder), "--quiet", "--warningiserror", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": "", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    try:
        done = subprocess.run(
            [JUPYTER_BOOK, *options], env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise InputError(f"{JUPYTER_BOOK}: not found; `make book` installs it") from None
    if done.returncode:
        raise InputError(f"jupyter-book finds fault:\n{done.stdout}{done.stderr}")
    return folder / "_build" / "html"


def build(out):
    """Make the book; return its size in bytes.

    out: appears when it is complete, in place of an older one.
    """
    with tempfile.TemporaryDirectory() as temporary, appearing_folder(out) as folder:
        sources = Path(temporary)
        write_sources(sources, WEB.is_dir())
        shutil.copytree(make_pages(sources), folder, dirs_exist_ok=True)
        for page in folder.rglob("*.html"):
            if "_static" not in page.parts:  # where the theme has a page that is none
                text = mend(page.read_text(encoding="utf-8"), page.name)
                page.write_text(text, encoding="utf-8")
        shutil.copytree(sources / "pictures", folder / "pictures")
        for path in notebook_paths(LESSONS):  # for readers to take away, as they are
            shutil.copy(path, folder / "_sources" / path.relative_to(ROOT))
        if WEB.is_dir():
            shutil.copytree(WEB, folder / DETECTOR)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def main(arguments=None):
    """Make the book and say how to open it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "book", metavar="FOLDER")
    out = parser.parse_args(arguments).out
    try:
        size = build(out)
    except InputError as error:
        print(error, file=sys.stderr)
        return command.UNUSABLE
    print(f"{out / 'index.html'}: {size / 1e6:.0f} MB; open it in a browser")
    return command.DONE


if __name__ == "__main__":
    sys.exit(main())
