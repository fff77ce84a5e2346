"""Tags of boxes: filled labels that look for a free corner of their box when they are drawn."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

LONGEST_TAG = 40  # characters; a longer one would leave the picture no room
GAP, RIM = 2, 1.5  # points: from the edge of a box to the text of its tag; of colour around it
# Where a tag may stand: outside the box it hides nothing of the object, so that comes first.
PLACES = [
    (side, edge, outside)
    for outside in (True, False)
    for edge in ("top", "bottom")
    for side in ("left", "right")
]


class Tag(Annotation):
    """A tag that moves to a corner of its box where no earlier tag lies, each time it is drawn."""

    def __init__(self, ax: Axes, box_px: np.ndarray, text: str, color: np.ndarray) -> None:
        """Add a tag to axes.

        box_px: (4,) `(xmin, ymin, xmax, ymax)` in pixels of the image. color: (4,) RGBA, 0 to 1.
        """
        # WCAG's relative luminance: above 0.18, black on the colour has more contrast than white.
        rgb = color[:3]
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        inches = ax.get_position().width * ax.figure.get_figwidth()
        super().__init__(
            text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…",
            (0, 0),
            xytext=(0, 0),
            textcoords="offset points",
            color="black" if linear @ [0.2126, 0.7152, 0.0722] > 0.18 else "white",
            fontsize=np.clip(2.5 * inches, 7, 10),
            bbox={"facecolor": color, "edgecolor": "white", "linewidth": 0.5, "pad": RIM},
            annotation_clip=False,
        )
        ax.add_artist(self)
        self.set_clip_on(False)
        self.taken = Bbox.null()  # on the canvas, where it was drawn last
        self.box_px = np.sort(box_px.reshape(2, 2), axis=0).ravel()  # a box may be reversed
        # Where it stands until it is drawn; a layout leaves room for it there.
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()  # of the image, unless set
        xmin, ymin, _, _ = self.box_px
        side = "left" if xmin - left < (right - left) / 2 else "right"
        self._stand(side, "top", ymin - top > (bottom - top) / 10)

    def draw(self, renderer: RendererBase) -> None:
        """Draw the tag at the first place that is free, or else at the first in sight."""
        tags = [tag for tag in self.axes.texts if isinstance(tag, Tag)]
        earlier = [tag.taken for tag in tags[: tags.index(self)]]  # just drawn, in this order
        view, in_sight = self.axes.bbox.padded(1), []
        for place in PLACES:
            self._stand(*place)
            extent = self.get_window_extent(renderer)
            if view.contains(*extent.min) and view.contains(*extent.max):
                in_sight.append(place)
                if extent.count_overlaps(earlier) == 0:
                    break
        else:
            self._stand(*(in_sight or PLACES)[0])
        rims = renderer.points_to_pixels(2 * RIM)  # of this tag and of one beside it
        self.taken = self.get_window_extent(renderer).padded(rims)
        super().draw(renderer)

    def _stand(self, side, edge, outside):
        """Take a place at what the axes show of the box."""
        low, high = np.sort([self.axes.get_xlim(), self.axes.get_ylim()]).T
        xmin, ymin, xmax, ymax = np.clip(self.box_px, [*low, *low], [*high, *high])
        self.xy = xmin if side == "left" else xmax, ymin if edge == "top" else ymax
        above = outside == (edge == "top")
        self.xyann = 0, GAP if above else -GAP
        self.set(ha=side, va="bottom" if above else "top")
