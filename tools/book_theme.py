"""What the pages of the book's theme need to be read from the file system and by everybody."""

import re

from utils.files import InputError

# What is found on every page, and what takes its place.
CHANGES = (
    # Icons come as a font already; the script that draws them once more has 1.5 MB. And browsers
    # refuse to load a font from the file system before a style asks for it.
    (r'<script src="[^"]*/fontawesome/[^"]*"></script>\s*', ""),
    (r'<link rel="preload" as="font"[^>]*>\s*', ""),
    # Without a script nothing chooses between light and dark, and no colour would be set.
    (r'(<html [^>]*)data-theme="auto"', r'\1data-theme="light"'),
    # Names and roles for those who listen to a page.
    (r'<summary>(?=<span class="toctree-toggle)', '<summary aria-label="Pages below">'),
    (r'(class="btn search-button-field[^"]*" title="Search") aria-label="Search"', r"\1"),
    (
        r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand)',
        '<div role="region" aria-label="Book" class="sidebar-primary-item">',
    ),
)


def mend(page, name):
    """Return the HTML of a page without what the theme does wrong.

    name: of the page. Raises InputError where the theme is another one than this was made for.
    """
    for pattern, replacement in CHANGES:
        page, count = re.subn(pattern, replacement, page)
        if not count:
            raise InputError(f"{name}: no {pattern} in it; mend CHANGES in tools/book_theme.py")
    # The corner of a table heads nothing.
    return page.replace('<th class="head"><p></p></th>', "<td></td>")
