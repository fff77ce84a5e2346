"""What the columns of a CSV file hold, as its header names them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from single_shot.labels.box_forms import BoxForm

CORNERS = ("xmin", "ymin", "xmax", "ymax")
FORM = BoxForm(CORNERS, "corners", pixels=True, rule="corners are pixel edges, counted from 0")
EXTENT = BoxForm(
    ("x", "y", "width", "height"),
    "extent",
    pixels=True,
    rule="x and y are the left and upper edge, counted from 0",
)
CENTRE = BoxForm(
    ("x_center", "y_center", "width", "height"),
    "centre",
    pixels=True,
    rule="x and y are the centre, counted from the left and upper edge",
)
# What the columns are called, after lower case and without `_`, blanks and points.
IMAGE_COLUMNS = (
    *("imgname", "image", "filename", "imagename", "imagepath", "path", "imageid", "filepath"),
    *("img", "file", "imagefile", "imagefilename", "imgpath", "imgid", "fname", "frame"),
)
CLASS_COLUMNS = (
    *("label", "class", "classname", "labelname", "categoryname", "name", "category"),
    *("classlabel", "objectclass", "classid", "labelid", "categoryid"),
)
DIFFICULT_COLUMNS = ("difficult", "isgroupof")
SET_COLUMNS = ("split", "set", "subset")
CORNER_COLUMNS = (
    ("xmin", "x1", "left", "xtl", "bboxxmin", "bboxx1", "xleft"),
    ("ymin", "y1", "top", "ytl", "bboxymin", "bboxy1", "ytop"),
    ("xmax", "x2", "right", "xbr", "bboxxmax", "bboxx2", "xright"),
    ("ymax", "y2", "bottom", "ybr", "bboxymax", "bboxy2", "ybottom"),
)
BOX_SIDES = (
    *(("bboxwidth", "bboxw", "boxwidth", "width", "w"),),
    *(("bboxheight", "bboxh", "boxheight", "height", "h"),),
)
EXTENT_COLUMNS = (("bboxx", "x", "left"), ("bboxy", "y", "top"), *BOX_SIDES)
CENTRE_COLUMNS = (
    ("xcenter", "xcentre", "centerx", "centrex", "cx"),
    ("ycenter", "ycentre", "centery", "centrey", "cy"),
    *BOX_SIDES,
)
SIZE_COLUMNS = (("imagewidth", "imgwidth", "width"), ("imageheight", "imgheight", "height"))


@dataclass(frozen=True)
class Columns:
    """Positions of the columns: image, class (None without one), the four of a box or `bbox`.

    form: the BoxForm of the four. size: width and height of the image, empty without such columns.
    part: of the set that a row's image is in, None without such a column.
    """

    image: int
    label: int | None
    box: tuple
    difficult: int | None
    form: BoxForm
    size: tuple = ()
    part: int | None = None

    @property
    def last(self) -> int:
        """The greatest position."""
        singles = (self.label, self.difficult, self.part)
        return max(self.image, *self.box, *self.size, *(each or 0 for each in singles))


def find_columns(header: Sequence[str]) -> Columns | None:
    """Return the Columns that the cells of a header name, or None where it is none."""
    names = [re.sub(r"[\W_]", "", name.lower()) for name in header]

    def position(known):
        return next((names.index(name) for name in known if name in names), None)

    image, label, difficult = map(position, (IMAGE_COLUMNS, CLASS_COLUMNS, DIFFICULT_COLUMNS))
    layouts = ((CORNER_COLUMNS, FORM), (EXTENT_COLUMNS, EXTENT), (CENTRE_COLUMNS, CENTRE))
    for known, form in (*layouts, ((("bbox",),), EXTENT)):
        box = tuple(map(position, known))
        if image is not None and None not in box:
            size = tuple(map(position, SIZE_COLUMNS))
            size = () if None in size or set(size) & set(box) else size
            return Columns(image, label, box, difficult, form, size, position(SET_COLUMNS))
    return None
