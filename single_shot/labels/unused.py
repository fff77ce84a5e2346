"""The pictures below a source that nothing which was read mentions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from single_shot.labels.annotations import Annotations, Finding
from single_shot.labels.pictures import pictures_in
from single_shot.labels.set_names import set_of

SAMPLE_BYTES = 4096  # compared in the middle of two files of one name and size
# Folders and files in which tools draw; no picture there is one to label.
OF_TOOLS = (
    *("segmentationclass", "segmentationobject", "segmentationclasspng", "trimaps"),
    *("masks_machine", "masks_human", "visualization", "visualizations", "preview", "previews"),
    *("thumbnails", "thumbs", "__macosx", "contact_sheet.png", "findings.png", "borders.png"),
)


def unused_line(
    source: Path, parts: Sequence[Annotations], findings: Iterable[Finding], unused: Sequence[str]
) -> list[str]:
    """Return a line on the pictures below a folder that no part and no finding names, if any.

    unused: sets that were told to be left out; theirs are not counted, nor are copies of pictures
    that are used, hidden files and what tools draw.
    """
    known = {item.image for part in parts for item in part.items}
    known |= {each.image for each in findings}
    used = {image for image in known if isinstance(image, Path)}
    if not used or not source.is_dir():
        return []
    told = {set_of(name) for name in unused} - {None}
    by_name: dict = {}
    for path in used:
        by_name.setdefault(path.name, []).append(path)
    rest = [path for path in pictures_in(source, "**/*") if path not in used and path.is_file()]
    rest = [path for path in rest if not _is_told(path.relative_to(source), told)]
    rest = [path for path in rest if not any(_same(path, o) for o in by_name.get(path.name, ()))]
    if not rest:
        return []
    example = rest[0].relative_to(source)
    return [f"not used: {len(rest)} pictures that no labels read here name, such as {example}"]


def _is_told(path, told):
    """Whether a picture is one of a set that is not used, or was drawn by a tool."""
    drawn = any(part.lower() in OF_TOOLS for part in path.parts)
    return drawn or any(set_of(part) in told for part in path.parts[:-1])


def _same(path, other):
    """Whether two files have the same size, and the same bytes in their middle."""
    size = path.stat().st_size
    return other.is_file() and size == other.stat().st_size and _middle(path) == _middle(other)


def _middle(path):
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - SAMPLE_BYTES) // 2)
        return file.read(SAMPLE_BYTES)
