"""What a part of the command says when it is done."""

from typing import NamedTuple


class Answer(NamedTuple):
    """text: for people; content: the same for programs, as JSON can express it; status: of exit."""

    text: str
    content: dict
    status: int = 0
