"""Text: normalisation, the segmenters that cut a text for a model, and the sentence encoder."""

from text2sign_ros.text.encoder import SentenceEncoder, TextEmbedding
from text2sign_ros.text.errors import TextError
from text2sign_ros.text.markup import Manner
from text2sign_ros.text.normalise import Boundary, Word, normalise
from text2sign_ros.text.omissions import Omissions
from text2sign_ros.text.segments import Plan, Segment, Segmenter, Segments, Unit, plan
from text2sign_ros.text.senses import Senses
from text2sign_ros.text.sentences import SentenceSegmenter
from text2sign_ros.text.units import UnitSegmenter, Vocabulary, VocabularyError

__all__ = [
    "Boundary",
    "Manner",
    "Omissions",
    "Plan",
    "Segment",
    "Segmenter",
    "Segments",
    "Senses",
    "SentenceEncoder",
    "SentenceSegmenter",
    "TextEmbedding",
    "TextError",
    "Unit",
    "UnitSegmenter",
    "Vocabulary",
    "VocabularyError",
    "Word",
    "normalise",
    "plan",
]
