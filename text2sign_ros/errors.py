"""The root of this package's exceptions for bad input."""


class Text2SignError(ValueError):
    """Something given to text2sign is not usable; the message says what and how to mend it."""
