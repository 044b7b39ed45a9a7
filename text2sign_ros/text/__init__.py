"""Text: normalising, planning signs and segments, and the sentence encoder."""

from text2sign_ros.text.encoder import SentenceEncoder, TextEmbedding
from text2sign_ros.text.errors import TextError
from text2sign_ros.text.markup import Manner
from text2sign_ros.text.normalise import Boundary, Word, normalise
from text2sign_ros.text.omissions import Omissions
from text2sign_ros.text.plan import Plan, Segment, Segments, Unit, Vocabulary, VocabularyError, plan

__all__ = [
    "Boundary",
    "Manner",
    "Omissions",
    "Plan",
    "Segment",
    "Segments",
    "SentenceEncoder",
    "TextEmbedding",
    "TextError",
    "Unit",
    "Vocabulary",
    "VocabularyError",
    "Word",
    "normalise",
    "plan",
]
