"""A template of a model card, filled in from a bundle, for its author to complete."""

from __future__ import annotations

from text2sign_ros.inference.bundle import Bundle, UnitSettings

CARD = "MODEL_CARD.md"


def template(bundle: Bundle) -> str:
    """The text of the card, in Markdown."""
    settings = bundle.segmenter
    if isinstance(settings, UnitSettings):
        words = (
            f"Its vocabulary has {len(settings.signs)} signs, {len(settings.vocabulary.names) - len(settings.signs)} "
            f"alternatives of these and {len(settings.letters)} letters. A word outside it is "
            "spelled, letter by letter; a letter that it lacks is left out with a warning."
        )
    else:
        words = (
            "It has no vocabulary and no glosses: clauses go to the model as they are written, case, punctuation and "
            "numbers included, and its text encoder's tokenizer takes any word. A word that was not in training is "
            "signed too, whatever the model makes of it, without a warning. Characters that the tokenizer has no token "
            "for, emoji and control characters are left out with a warning."
        )
    return (
        f"# Model card: {bundle.name}\n\n"
        "**Nobody who signs has validated this model.** To be filled in: what data it was trained on, with their "
        "licences and the consent of the people recorded; how it was evaluated; what it cannot do.\n\n"
        f"{words}\n\n"
        f"{bundle.fps:g} frames a second, 79 keypoints, segments of at most {bundle.longest_segment} frames. Face: "
        f"{bundle.face}.\n"
    )
