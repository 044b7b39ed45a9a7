"""TextError: raised for a text that cannot be signed."""

from text2sign_ros.errors import Text2SignError


class TextError(Text2SignError):
    """A text cannot be signed at all; the message names the cause and the remedy."""
