"""The base class of this package's exceptions for bad input."""


class Text2SignError(ValueError):
    """Input to text2sign is not usable; the message names the cause and the remedy."""
