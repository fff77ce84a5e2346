"""Files that anyone may have written: text of bounded size, names that stay in their folder."""

import codecs
import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.numbers_in_text import shown

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

DECLARED_ENCODING = re.compile(
    rb"""\s*<\?xml\s[^>]{0,99}?encoding\s*=\s*["']([A-Za-z][\w.-]{0,39})["'][^>]{0,99}\?>"""
)
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file; raise AnnotationError where it is absent or over max_bytes."""
    path = Path(path)
    try:
        if not path.is_file():
            raise AnnotationError(f"{path}: no such file; is the path right?")
        size = path.stat().st_size
        if size > max_bytes:
            raise AnnotationError(
                f"{path}: {size:,} bytes, more than the {max_bytes:,} that such a file may have; "
                "split it, or is it another file?"
            )
        return path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror})") from None


def read_text(path: Path, max_bytes: int) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with its mark; raise AnnotationError.

    Line ends become a newline.
    """
    content = read_bytes(path, max_bytes)
    encoding = next(
        (name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8"
    )
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path}: not text in {encoding} (byte {error.start}: {error.reason}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise AnnotationError(f"{path}: holds zero bytes, so it is no text; save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_names(path: Path, max_bytes: int) -> list[str]:
    """Return the class names in a text file, one a line; the number of a line is the class's id.

    Raises AnnotationError for an empty line before the last name: is it a class or none?
    """
    text = read_text(path, max_bytes).rstrip()
    lines = [line.strip() for line in text.split("\n")] if text else []
    if "" in lines:
        raise AnnotationError(
            f"{path}, line {lines.index('') + 1}: empty, so that the classes behind it cannot be "
            "counted; remove it, or write the class"
        )
    return lines


def read_json(path: Path, max_bytes: int, fix: str) -> Any:
    """Return what a JSON file holds; fix: ends the message of the AnnotationError it raises."""
    text = read_text(path, max_bytes)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}: no JSON that can be read ({error}); {fix}") from None


def parse_xml(path: Path, max_bytes: int) -> Element:
    """Return the root of an XML file in the encoding that it declares; raise AnnotationError.

    Nothing outside it is opened, and no entity is expanded.
    """
    content = read_bytes(path, max_bytes)
    try:
        declared = DECLARED_ENCODING.match(content)
        if declared and (encoding := _text_encoding(declared[1].decode())):
            # The parser knows a few encodings; Python knows that of Chinese and Japanese tools too.
            return fromstring(content[declared.end() :].decode(encoding))
        return fromstring(content)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise AnnotationError(
            f"{path}: not safe, well-formed XML ({error!r}); write it again"
        ) from None


def _text_encoding(name):
    """Return the name of an encoding whose ASCII is ASCII, None of any other."""
    try:
        return name if "<a>".encode(name) == b"<a>" else None
    except (LookupError, UnicodeError):  # LookupError too where it is none of text
        return None


def find_inside(root: Path, name: str, where: str) -> Path:
    """Return the path of a file that an annotation names, in the folder root.

    where: opens the message. Raises AnnotationError for a name that leads out of root, absolutely,
    by `..` or by a link, or that no file can have. The file need not exist.
    """
    fix = "write it relative to the image folder (--images)"
    parts = name.split("/")
    drive = name[1:2] == ":"
    if not name.strip() or name.startswith("/") or ".." in parts or "\\" in name or drive:
        raise AnnotationError(f"{where}: file name {shown(name)} may lead elsewhere; {fix}")
    path = Path(root) / name
    try:
        real, folder = os.path.realpath(path), os.path.realpath(root)
        path.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        raise AnnotationError(f"{where}: {shown(name)} cannot be a file name; {fix}") from None
    if os.path.commonpath([real, folder]) != folder or real == folder:
        raise AnnotationError(
            f"{where}: {shown(name)} leads out of {root}; {fix}, not through a link"
        )
    return path


def find_by_last_parts(root: Path, name: str, where: str) -> Path | None:
    """Return what a path of another machine means in the folder root, None where nothing is there.

    Of `/home/ann/set/a.jpg`, as many of the last parts count as lead to a file or folder.
    where: opens the message. Raises AnnotationError for a link that leads out of root.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    for start, part in enumerate(parts):
        tail = parts[start:]
        if ".." not in tail and part[1:2] != ":" and os.path.exists(Path(root, *tail)):
            return find_inside(root, "/".join(tail), where)
    return None
