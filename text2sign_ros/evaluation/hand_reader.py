"""A reader of hand shapes: which letter a hand shows, learnt from single frames of real takes only.

A reader of whole motions can tell signs by anything that goes with them. This one sees a hand's shape, how the palm is
turned, the relations between the fingers, and how fast the tips of index and little finger usually go
about the wrist in the take (which alone tells J from I, and Z from D); it does not see where the hand is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.corpora.base import Example, Kind
from text2sign_ros.errors import Text2SignError
from text2sign_ros.evaluation.finger_relations import palm_frame, relations
from text2sign_ros.evaluation.recogniser import descend
from text2sign_ros.progress import progress_bar

STEPS = 1000
"""Training steps that suffice."""
_BATCH = 256
_LEARNING_RATE = 2e-3
_MOST_FRAMES = 12  # read in a motion; a held letter hardly changes
_RAISED, _FORMING = 0.8, 4
"""Frames are read in which the wrist is at least this part of its greatest height above rest, but not so many of the
first ones of a hand that comes from rest."""
_TURN_DEGREES = 10.0
_TOGETHER_DEGREES, _FINGER_DEGREES, _JOINT_DEGREES = (4.0, 2.0, 9.0), (4.0, 2.0, 2.0), (5.0, 3.0, 3.0)
_LENGTH, _NOISE, _TEMPO = 0.08, 0.003, 0.25
"""Standard deviations in training: of the angles of hand, fingers and joints, of a bone's length and the tempo
(relative), and of the tracker (metres). Less of it, and a reader knows the recording sessions: two of A, with the thumb
across the fist, made it read another of S as A, and it read U in R where fingers cross by half as much as elsewhere."""

_FIRST, _SECOND = np.triu_indices(21, 1)
_MOVING = (8, 20)  # tips of index and little finger: J and Z are drawn with them
_INDEX, _MIDDLE = slice(5, 9), slice(9, 13)
_SWAY_DEGREES = 10.0
_ORDER_MM = {"r": (-14.0, -2.0), "u": (6.0, 22.0)}
"""Order of the tips of index and middle finger, as recordings have it (nearly all of them)."""
_NEAR = 0.01  # metres; the direction between points that are nearer than this hardly counts


class HandReaderError(Text2SignError):
    """A motion can't be read, or takes can't be trained on."""


class HandReader(nn.Module):
    """Hand in one frame -> letter.

    Args:
        letters: what can be read.
        width: of the hidden layers.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, letters: Sequence[str], width: int = 256) -> None:
        super().__init__()
        self.letters = tuple(letters)
        size = _features(np.zeros((1, 21, 3), np.float32), np.zeros((1, 2), np.float32)).shape[1]
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.layers = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(size, width), nn.GELU(),
            nn.Dropout(0.3), nn.Linear(width, width), nn.GELU(),
            nn.Dropout(0.3), nn.Linear(width, len(self.letters)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:  # (B, F) -> (B, letters) logits
        return self.layers((x - self.mean) / self.std)

    def read(self, motions: Sequence[np.ndarray], confidences: Sequence[np.ndarray] | None = None) -> list[str]:
        """The letter that the right hand shows in each motion: the likeliest in the mean over its raised frames.

        Args:
            motions: each (T, 79, 3) metres at 25 fps, a take or from rest to the end of a letter.
            confidences: each (T, 79); a frame in which the hand was not observed is left out. None: all were.

        Raises:
            HandReaderError: a motion has another shape, numbers that are not finite, or no frame with a hand.
        """
        return [self.letters[i] for i in self.scores(motions, confidences).argmax(axis=1)]

    @torch.no_grad()
    def scores(self, motions: Sequence[np.ndarray], confidences: Sequence[np.ndarray] | None = None) -> np.ndarray:
        """(motions, letters) mean log-probability of each letter; arguments and errors as for ``read``."""
        self.eval()
        rows = []
        for number, motion in enumerate(motions):
            try:
                hand, drawn = _hand(motion, None if confidences is None else confidences[number])
            except HandReaderError as error:
                raise HandReaderError(f"motion {number} {error}") from error
            rows.append(self(torch.from_numpy(_features(hand, drawn))).log_softmax(dim=1).mean(dim=0).numpy())
        return np.stack(rows) if rows else np.zeros((0, len(self.letters)), np.float32)


def letters_among(takes: Sequence[Example]) -> list[Example]:
    """The takes that show one letter."""
    return [take for take in takes if take.unit is not None and take.unit.kind == Kind.LETTER]


def folds(takes: Sequence[Example], count: int) -> list[tuple[list[Example], list[Example]]]:
    """Split takes ``count`` times into those to train on and those held out, so that every take is held out once.

    The recording blocks of each letter are held out in turn, each as a whole.
    """
    blocks = {text: sorted({take.block for take in takes if take.text == text}) for text in {t.text for t in takes}}
    fold = {block: i % count for of_text in blocks.values() for i, block in enumerate(of_text)}
    return [
        ([take for take in takes if fold[take.block] != i], [take for take in takes if fold[take.block] == i])
        for i in range(count)
    ]


def train(takes: Sequence[Example], *, steps: int = STEPS, seed: int = 0) -> HandReader:
    """Train on the takes of letters among ``takes``, each letter and each of its blocks drawn equally often.

    In every step the hands get other bone lengths, and hand, fingers and joints are turned a little.

    Raises:
        HandReaderError: there are no takes of letters.
    """
    chosen = letters_among(takes)
    if not chosen:
        raise HandReaderError("there are no takes of letters; give some")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found = [_hand(take.clip.positions, take.clip.confidence) for take in chosen]
    frames = [len(hand) for hand, _ in found]
    hands, ways = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
    letters, target = np.unique(np.repeat([take.text for take in chosen], frames), return_inverse=True)
    _, block = np.unique(np.repeat([take.block for take in chosen], frames), return_inverse=True)
    blocks = np.array([len(np.unique(block[target == letter])) for letter in range(len(letters))])
    chance = 1.0 / (np.bincount(block)[block] * blocks[target])
    chance /= chance.sum()

    model = HandReader(letters.tolist())
    some = rng.choice(len(target), 4096, p=chance)
    seen = torch.from_numpy(_features(*_varied(hands[some], ways[some], rng)))
    model.mean.copy_(seen.mean(dim=0))
    model.std.copy_(seen.std(dim=0).clamp(min=0.02))
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps, pct_start=0.1)
    bar = progress_bar(range(steps), desc="hand reader")
    model.train()
    for _ in bar:
        batch = rng.choice(len(target), _BATCH, p=chance)
        shown, said = _recrossed(hands[batch], letters[target[batch]], rng)
        x = torch.from_numpy(_features(*_varied(shown, ways[batch], rng)))
        loss = F.cross_entropy(model(x), torch.from_numpy(np.searchsorted(letters, said)), label_smoothing=0.05)
        descend(loss, model, optimizer, schedule)
        bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
    return model.eval()


def _hand(motion: np.ndarray, confidence: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The right hand (T', 21, 3) of the frames to read, and how far its ``_MOVING`` tips go about its root in
    all of them, metres, the same in all frames (T', 2): a J begins as an I."""
    motion = np.asarray(motion, np.float32)
    if motion.ndim != 3 or motion.shape[1:] != (skeleton.NUM_KEYPOINTS, 3) or len(motion) < 2:
        raise HandReaderError(
            f"has shape {motion.shape}; give (frames, {skeleton.NUM_KEYPOINTS}, 3), at least 2 frames"
        )
    if not np.isfinite(motion).all():
        raise HandReaderError("has numbers that are not finite; remove such frames before reading")
    keypoints, wrist = skeleton.HAND["right"], skeleton.INDEX["right_wrist"]
    hand = motion[:, keypoints] - motion[:, keypoints.start, None]
    height = motion[:, wrist, 2] - skeleton.REST_POSE[wrist, 2]
    good = height >= _RAISED * height.max()
    if not good[0]:  # on the way from rest the hand is not formed yet
        good[: good.argmax() + _FORMING] = False
    if confidence is not None:
        good &= (np.asarray(confidence)[:, keypoints] > 0).all(axis=1)
    if not good.any():
        raise HandReaderError("has no frame with an observed, raised right hand; leave it out")
    low, high = np.percentile(hand[good][:, _MOVING], (5, 95), axis=0)
    drawn = np.linalg.norm(high - low, axis=-1)
    at = np.flatnonzero(good)
    at = at[np.linspace(0, len(at) - 1, min(len(at), _MOST_FRAMES)).round().astype(int)]
    return hand[at], np.repeat(drawn[None], len(at), axis=0)


def _features(hand: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Right hands (B, 21, 3) and the ways of their tips (B, 2) -> (B, F) float32.

    That is the vectors between all keypoints in the palm's frame, relative to their lengths, so that near fingers count
    as much as distant ones; the palm's axes; relations between the fingers; and the ways.
    """
    axes = palm_frame(hand)
    local = hand @ np.swapaxes(axes, -1, -2)
    way = local[:, _FIRST] - local[:, _SECOND]
    way = way / (np.linalg.norm(way, axis=-1, keepdims=True) + _NEAR)
    between = relations(hand)
    parts = (
        way.reshape(len(hand), -1),
        axes.reshape(len(hand), -1),
        between.order_mm / 10,
        np.log(between.tip_gap_mm + 10),
        np.log(between.finger_gap_mm + 10),
        between.spread_degrees / 10,
        np.log(1000 * drawn + 5.0),
    )
    return np.concatenate(parts, axis=1).astype(np.float32)


def _recrossed(hand: np.ndarray, letter: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half of the hands that show R or U show the other: R is U with the index finger across the middle finger.

    Otherwise a reader learns what else differs between their recordings, and reads R in fingers that do not cross,
    above all if both lean toward the little finger. So all are given another lean, too.
    """
    hand, letter = hand.copy(), letter.copy()
    for shown, other in (("r", "u"), ("u", "r")):
        both = np.flatnonzero(letter == shown)
        hand[both] = _sideways(
            hand[both], (_INDEX, _MIDDLE), rng.normal(scale=np.radians(_SWAY_DEGREES), size=len(both))
        )
        chosen = both[rng.random(len(both)) < 0.5]
        hand[chosen] = with_order(hand[chosen], rng.uniform(*_ORDER_MM[other], len(chosen)))
        letter[chosen] = other
    return hand, letter


def with_order(hand: np.ndarray, order_mm: np.ndarray) -> np.ndarray:
    """Right hands (B, 21, 3) with the index finger turned sideways in its knuckle until its tip lies so far (B,) on its
    own side of the middle finger's, millimetres (see ``finger_relations``)."""
    for _ in range(3):  # the angle is small, but not so small that once is enough
        missing = (order_mm - relations(hand).order_mm[:, 0]) / 1000
        length = np.linalg.norm(hand[:, _INDEX.stop - 1] - hand[:, _INDEX.start], axis=-1)
        hand = _sideways(hand, (_INDEX,), missing / np.maximum(length, _NEAR))
    return hand


def _sideways(hand: np.ndarray, fingers: Sequence[slice], angle: np.ndarray) -> np.ndarray:
    """Right hands (B, 21, 3) with fingers turned in their knuckles, in the plane of the palm, by angles (B,), radians;
    positive is toward the thumb."""
    turned = hand.copy()
    turn = Rotation.from_rotvec(-palm_frame(hand)[:, 2] * angle[:, None]).as_matrix().astype(hand.dtype)
    for finger in fingers:
        knuckle = hand[:, finger.start, None]
        turned[:, finger] = knuckle + (hand[:, finger] - knuckle) @ np.swapaxes(turn, 1, 2)
    return turned


def _varied(hand: np.ndarray, drawn: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hands of other people, held a little differently, as another tracker sees them."""
    count = len(hand)
    bones = np.array(skeleton.HAND_BONES[:20]) - skeleton.HAND["left"].start
    parent = np.zeros(21, int)
    parent[bones[:, 1]] = bones[:, 0]
    bone = (hand[:, 1:] - hand[:, parent[1:]]).reshape(count, 5, 4, 3)
    length = np.linalg.norm(bone, axis=-1, keepdims=True)
    # Fingers bend more than they go sideways, where a small angle makes R of U.
    angle = rng.normal(size=(count, 5, 4, 3)) * np.radians(_JOINT_DEGREES)
    angle += rng.normal(size=(count, 5, 1, 3)) * np.radians(_FINGER_DEGREES)
    angle[:, 1:] += rng.normal(size=(count, 1, 1, 3)) * np.radians(_TOGETHER_DEGREES)
    angle[:, :, 0] *= 0.3  # the palm hardly bends
    angle = (angle.reshape(count, 20, 3) @ palm_frame(hand)).reshape(angle.shape)
    bone = bone + np.cross(angle, bone)
    bone *= length * (1 + rng.normal(scale=_LENGTH, size=length.shape)) / np.linalg.norm(bone, axis=-1, keepdims=True)
    varied = np.zeros(hand.shape, np.float32)
    varied[:, 1:] = np.cumsum(bone, axis=2).reshape(count, 20, 3)
    turn = Rotation.from_rotvec(rng.normal(scale=_TURN_DEGREES, size=(count, 3)), degrees=True).as_matrix()
    varied = varied @ turn.astype(np.float32) + rng.normal(scale=_NOISE, size=hand.shape).astype(np.float32)
    return varied, drawn * np.exp(rng.normal(scale=_TEMPO, size=(count, 1)))
