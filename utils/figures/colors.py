"""The colours of all figures, and what they say."""

from collections.abc import Iterable

# Okabe and Ito, Color Universal Design, 2008: told apart by colour-blind readers. Those that read
# best on white come first.
PALETTE = (
    "#0072B2",  # blue
    "#D55E00",  # vermillion
    "#009E73",  # bluish green
    "#E69F00",  # orange
    "#CC79A7",  # reddish purple
    "#56B4E9",  # sky blue
    "#F0E442",  # yellow
    "#000000",  # black
)
# What a colour says where boxes are not coloured by class.
OBJECT_COLOR, PREDICTION_COLOR, POSITIVE_COLOR, ANCHOR_COLOR = PALETTE[:4]


def class_colors(class_ids: Iterable[int]) -> list[str]:
    """Return the colour of each class id; colours come again after the last."""
    return [PALETTE[class_id % len(PALETTE)] for class_id in class_ids]
