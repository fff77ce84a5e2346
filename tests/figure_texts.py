"""For tests: what of a figure's titles cannot be read, once it is laid out."""

from itertools import combinations

from matplotlib.figure import Figure


def unreadable(figure: Figure) -> list[str]:
    """Return the titles of a figure that leave it, and those that touch another one."""
    figure.draw_without_rendering()
    texts = [figure._suptitle, *(ax.title for ax in figure.axes)]
    extents = {each.get_text(): each.get_window_extent() for each in texts if each is not None}
    left, bottom, right, top = figure.bbox.extents
    found = {
        text
        for text, box in extents.items()
        if box.x0 < left or box.y0 < bottom or box.x1 > right or box.y1 > top
    }
    for (text, box), (other, beside) in combinations(extents.items(), 2):
        found |= {text, other} if box.padded(3).overlaps(beside) else set()
    return sorted(found)
