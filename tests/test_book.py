"""The book: its sources, what is mended on its pages, and what a browser makes of them.

The sources are checked always, the pages once `make book` has made them, in Chromium where it is
installed with what `make web` brings: one page of each kind in two ways, or with
SINGLE_SHOT_BOOK=all every page in four, which takes minutes.
"""

import html
import importlib.util
import io
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote

from utils.files import InputError

import nbformat
import numpy as np
import pytest
import yaml
from browser import needs_browser, seen_by
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "build" / "book"
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
ANSWERS = sorted((ROOT / "notebooks" / "solutions").glob("[0-9]*.ipynb"))
PAGE_BYTES = 2e6  # with all that it loads, nothing compressed
WAYS = ((390, "light"), (390, "dark"), (1280, "light"), (1280, "dark"))
# One page of each kind.
KINDS = (
    "index.html",
    "figures.html",
    "search.html",
    "notebooks/06_losses.html",
    "notebooks/README.html",
    "notebooks/solutions/07_data.html",
    "source/utils/boxes.html",
)


def load(name):
    """Import a module of tools/, beside which its neighbours lie."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return module


@pytest.fixture(scope="module")
def lessons():
    return load("book_lessons")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The folder that jupyter-book is given, pictures left as they are, and its contents."""
    book, folder = load("book"), tmp_path_factory.mktemp("sources")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(book.write_lesson.__globals__, "move_pictures", lambda *arguments: None)
        return folder, book.write_sources(folder, detector=True)


def files_of(contents):
    """Return the names of all pages of a table of contents, in their order."""
    names = [contents["file"]] if "file" in contents else []
    for key in ("parts", "chapters", "sections"):
        for part in contents.get(key, []):
            names += files_of(part)
    return names


def texts_of(path):
    """Return the texts of a source: of the cells of a lesson, or the whole."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return [cell.source for cell in cells if cell.cell_type == "markdown"]
    return [re.sub(r"^(````).*?^\1", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)]


def test_every_page_is_in_the_contents_once_and_in_order(sources):
    folder, contents = sources
    files = files_of(contents)
    written = [
        str(path.relative_to(folder).with_suffix(""))
        for path in folder.rglob("*")
        if path.suffix in (".ipynb", ".md")
    ]
    assert sorted([*files, contents["root"]]) == sorted(written)
    own = [*LESSONS, *ANSWERS, *(ROOT / "notebooks").glob("*.md")]
    assert {str(path.relative_to(ROOT).with_suffix("")) for path in own} <= {*files}
    assert files[: len(LESSONS)] == [f"notebooks/{path.stem}" for path in LESSONS]
    answers = [name for name in files if re.match(r"notebooks/solutions/\d", name)]
    assert answers == [f"notebooks/solutions/{path.stem}" for path in ANSWERS]
    assert yaml.safe_load((folder / "_toc.yml").read_text()) == contents


def test_every_link_of_the_sources_leads_to_a_page_or_a_file_of_the_book(sources):
    folder, _ = sources
    links = 0
    for path in [*folder.rglob("*.ipynb"), *folder.rglob("*.md")]:
        found = [re.findall(r"\]\(([^)#\s]+)|href=\"([^\"#]+)\"", text) for text in texts_of(path)]
        for target in (first or second for pairs in found for first, second in pairs):
            if re.match("https://|mailto:", target):
                continue
            place = os.path.relpath((path.parent / target).resolve(), folder)
            made = place == "detector/index.html" or place.startswith("_static/figures/")
            assert made or (folder / place).is_file(), f"{path.name}: {target}"
            links += 1
    assert links > 300


def test_figures_stand_in_their_lessons_and_on_a_page_of_their_own(sources, lessons):
    folder, _ = sources
    figures, place = lessons.read_figures(), r'class="living-figure" data-figure="(\w+)"'
    assert re.findall(place, (folder / "figures.md").read_text()) == [*figures]
    found = {}
    for path in LESSONS:
        notebook = nbformat.read(folder / path.relative_to(ROOT), as_version=4)
        for cell in notebook.cells:
            for name in re.findall(place, cell.source):
                found[name] = path.stem
                assert f"# {figures[name]['section']}\n" in cell.source
        names = [name for name in figures if found.get(name) == path.stem]
        loaded = re.findall(r"_static/figures/(\w+)\.js", str(notebook))
        assert loaded == (["common", *names] if names else [])
    assert found == {name: figure["lesson"] for name, figure in figures.items()}
    for name in ["common", *figures]:
        assert (folder / "static" / "figures" / f"{name}.js").is_file()


def test_a_figure_for_a_heading_that_is_not_there_is_named(lessons):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("## Ways\n\nText.")])
    figure = {"title": "T </script>", "lesson": "01", "section": "Ways"}
    lessons.add_figures(notebook, "01", {"iou": figure}, "../")
    (said,) = re.findall(r'description">(.*?)</script>', notebook.cells[0].source)
    assert json.loads(said) == figure
    with pytest.raises(InputError, match="iou: 01 has no heading 'Means'"):
        lessons.add_figures(notebook, "01", {"iou": figure | {"section": "Means"}}, "../")


def test_lessons_say_where_code_is_at_home_and_where_the_detector_runs(sources):
    folder, _ = sources
    for path in LESSONS:
        texts = texts_of(folder / path.relative_to(ROOT))
        shown = {
            name.rpartition(".")[0]
            for cell in nbformat.read(path, as_version=4).cells
            for name in cell.metadata.get("single_shot", {}).get("source", [])
        }
        linked = re.findall(r"In the library: (.+)", "\n".join(texts))
        assert bool(shown) == bool(linked)
        detector = 'href="../detector/index.html"' in texts[0]
        assert detector == (path.stem in ("00_tour", "09_inference"))
    source = (folder / "source" / "utils" / "boxes.md").read_text()
    assert (ROOT / "utils" / "boxes.py").read_text() in source


def test_pictures_lose_bytes_and_nothing_else(lessons, tmp_path):
    random = np.random.default_rng(0)
    pixels = np.full((90, 120, 4), 255, np.uint8)
    pixels[20:60, 30:90, :3] = random.integers(0, 256, (40, 60, 3))
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    data = lessons.as_web_picture(png.getvalue(), 'A "box" & <more>', tmp_path, "../")
    (path,) = tmp_path.glob("*.webp")
    assert np.array_equal(np.asarray(Image.open(path).convert("RGBA")), pixels)
    assert path.stat().st_size < len(png.getvalue())
    assert f'src="../{tmp_path.name}/{path.name}" width="120" height="90"' in data
    assert html.unescape(re.search('alt="(.*?)"', data)[1]) == 'A "box" & <more>'


def test_a_page_of_another_theme_is_not_taken():
    with pytest.raises(InputError, match=r"a.html: no .*fontawesome.*tools/book_theme.py"):
        load("book_theme").mend("<html></html>", "a.html")


def test_nothing_that_the_book_adds_comes_from_another_host():
    for path in (ROOT / "tools" / "book").rglob("*"):
        if path.suffix in (".css", ".js", ".md", ".yml"):
            assert "://" not in path.read_text().replace("http://www.w3.org/", ""), path.name


def test_without_jupyter_book_the_builder_says_so(monkeypatch, tmp_path):
    book = load("book")
    monkeypatch.setattr(book, "JUPYTER_BOOK", tmp_path / "jupyter-book")
    with pytest.raises(InputError, match="jupyter-book: not found; `make book` installs it"):
        book.make_pages(tmp_path)


# --- the pages ------------------------------------------------------------------------------------


def why_no_book():
    """Return why there are no pages to test, or ""."""
    for path in [*LESSONS, *ANSWERS]:
        copy = BOOK / "_sources" / path.relative_to(ROOT)
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            return "`make book` has not been run, or not since lessons changed"
    return ""


made = pytest.mark.skipif(bool(why_no_book()), reason=why_no_book())


def pages():
    """Return the names of all pages of the book, without that of the detector."""
    names = sorted(str(path.relative_to(BOOK)) for path in BOOK.rglob("*.html"))
    return [name for name in names if not name.startswith(("_", "detector/"))]


@made
def test_pages_hold_all_that_lessons_do():
    for path in [*LESSONS, *ANSWERS]:
        page = (BOOK / path.relative_to(ROOT).with_suffix(".html")).read_text()
        outputs = [
            output
            for cell in nbformat.read(path, as_version=4).cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        alts = [html.unescape(alt) for alt in re.findall(r'<img [^>]*alt="([^"]*)"', page)]
        missing = {output.metadata["image/png"]["alt"] for output in outputs} - {*alts}
        assert not missing, path.name
        texts = "\n".join(texts_of(path))
        assert page.count("<summary>") >= texts.count("<summary>")
        formulas = len(re.findall(r"(?<![\\`$])\$\$.+?\$\$", texts, re.DOTALL))
        assert page.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">') >= (
            formulas
        )


@made
def test_no_page_loads_too_much_or_from_another_host():
    for name in pages():
        text = (BOOK / name).read_text()
        loaded = re.findall(r'(?:<link[^>]*href|<(?:script|img|iframe)[^>]*src)="([^"]*)"', text)
        assert len(loaded) > 10
        files = [BOOK / name]
        for address in {*loaded} - {"#"}:
            files.append((BOOK / name).parent / address.partition("?")[0])
            assert files[-1].is_file(), address
        assert sum(path.stat().st_size for path in files) <= PAGE_BYTES, name


@made
def test_every_link_and_anchor_of_the_pages_is_there():
    texts = {name: (BOOK / name).read_text() for name in pages()}
    anchors = {name: {*re.findall(r' id="([^"]+)"', text)} for name, text in texts.items()}
    links = 0
    for name, text in texts.items():
        for link in map(html.unescape, re.findall(r' href="([^"]*)"', text)):
            if re.match("https?://", link):
                continue
            place, _, anchor = link.partition("#")
            target = (BOOK / name).parent / unquote(place.partition("?")[0])
            target = os.path.relpath(target if place else BOOK / name, BOOK)
            assert (BOOK / target).is_file(), (name, link)
            assert not anchor or unquote(anchor) in anchors.get(target, {anchor}), (name, link)
            links += 1
    assert links > 5000


@made
def test_pages_follow_one_another_to_the_last():
    def neighbour(name, rel):
        link = re.search(f'<link rel="{rel}" [^>]*href="([^"]*)"', (BOOK / name).read_text())
        return link and os.path.normpath(Path(name).parent / link[1])

    way = ["index.html"]
    while following := neighbour(way[-1], "next"):
        assert neighbour(following, "prev") == way[-1]
        way.append(following)
    assert sorted(way) == sorted({*pages()} - {"search.html"})


@made
@needs_browser
def test_pages_serve_keyboards_paper_and_browsers_without_scripts(tmp_path):
    figures = json.loads((ROOT / "utils" / "figures" / "living.json").read_text())
    every = os.environ.get("SINGLE_SHOT_BOOK") == "all"
    job = {"book": f"{BOOK.as_uri()}/", "pages": pages() if every else KINDS}
    controls = set()
    for page in seen_by("drive_readers.cjs", job, tmp_path):
        name, keyboard, paper, plain = (page[key] for key in ("name", "keyboard", "paper", "plain"))
        assert keyboard["missed"] == keyboard["unseen"] == [], name
        assert keyboard["reached"] > 5, name
        here = [
            f"living-{key}-{control['name']}"
            for key, each in figures.items()
            if name in ("figures.html", f"notebooks/{each['lesson']}.html")
            for control in each["controls"]
        ]
        assert keyboard["controls"] == here, name
        controls |= {*here}
        assert paper == {"themes": ["light", "dark"], "lost": [], "controls": 0}, name
        assert plain["dead"] == 0 and plain["contents"] > len(LESSONS), name
        assert plain["background"] == "rgb(255, 255, 255)", name
        assert len(plain["figures"]) == len({control.split("-")[1] for control in here}), name
        assert all("needs JavaScript" in text for text in plain["figures"]), name
    assert len(controls) == sum(len(each["controls"]) for each in figures.values())


@made
@needs_browser
def test_a_browser_shows_pages_from_the_file_system(tmp_path):
    every = os.environ.get("SINGLE_SHOT_BOOK") == "all"
    ways = [{"width": width, "scheme": scheme} for width, scheme in (WAYS if every else WAYS[::3])]
    job = {
        "book": f"{BOOK.as_uri()}/",
        "pages": pages() if every else KINDS,
        "ways": ways,
        "word": "anchor",
    }
    seen = seen_by("drive_book.cjs", job, tmp_path)
    assert [page["name"] for page in seen["pages"]] == [*job["pages"]]
    for page in seen["pages"]:
        assert page["troubles"] == page["empty"] == [], page["name"]
        assert page["bytes"] <= PAGE_BYTES, page["name"]
        assert len(page["looks"]) == len(ways)
        for look in page["looks"]:
            assert look["violations"] == [], (page["name"], look)
            assert look["passes"] > 20 and look["wide"] <= look["width"], page["name"]
    assert seen["found"]["troubles"] == []
    assert any(title.startswith("Anchors: boxes") for title in seen["found"]["titles"])
    assert 0 <= seen["line"] < 900  # in sight
