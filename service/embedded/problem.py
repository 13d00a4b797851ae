"""What the person at the keyboard can do something about."""


class Problem(Exception):
    """Says what was wanted, what stood in the way and what to do; shown as it is, without a traceback."""
