"""The library of the lessons. Import it before MXNet: it makes MXNet import and use all cores."""

from utils import compat

compat.prepare()
