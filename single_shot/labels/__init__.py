"""Labelled pictures that anyone may have made: readers of every format, and all they check."""
