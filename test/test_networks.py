"""Networks: what may influence what, and what must not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from text2sign_ros import skeleton
from text2sign_ros.networks.aligner import Aligner, AlignerConfig, info_nce
from text2sign_ros.networks.duration import DurationPredictor
from text2sign_ros.networks.features import Features
from text2sign_ros.networks.hand_vae import HandVAE
from text2sign_ros.networks.pose_vae import PoseVAE, SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.networks.unet import NUM_ROLES, UNet, UNetConfig
from text2sign_ros.networks.vaes import build
from text2sign_ros.networks.whitening import Whitening

VAES = {"one code": SignVAEConfig(channels=32), "codes of the hands": SignVAEConfig(hand_dim=6, channels=32)}
UNET = UNetConfig(channels=(16, 24, 32), context_dim=24, text_dim=12, max_tokens=6, heads=2, plan_width=16)
ALIGNER = AlignerConfig(text_dim=12, max_tokens=6, max_codes=16, width=32, heads=2, shared_dim=512)


def _random(network: nn.Module) -> nn.Module:
    """Random weights everywhere: layers that start as zero would hide what depends on what."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter))
    return network.eval()


@pytest.fixture(params=VAES)
def vae(request: pytest.FixtureRequest) -> PoseVAE:
    return _random(build(VAES[request.param]))


@pytest.fixture
def unet() -> UNet:
    return _random(UNet(UNET))


@pytest.fixture
def aligner() -> Aligner:
    return _random(Aligner(ALIGNER))


# ---------------------------------------------------------------------------------------------------------- SignVAE


def test_vae_shapes(vae: PoseVAE) -> None:
    mean, log_variance = vae.encode(torch.randn(2, 24, 79, 3))
    assert mean.shape == log_variance.shape == (2, 20, 12)
    assert vae.decode(mean).shape == (2, 24, 79, 3)


def test_a_prefix_decodes_to_exactly_the_frames_of_the_whole(vae: PoseVAE) -> None:
    codes = torch.randn(1, 20, 40)
    whole = vae.from_codes(codes)
    for count in (1, 7, 25):
        torch.testing.assert_close(vae.from_codes(codes[:, :, :count]), whole[:, : 2 * count], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [*VAES.values(), *(SignVAEConfig(hand_dim=hand, channels=16, stride=4, blocks=1) for hand in (0, 6))],
)
def test_codes_older_than_the_context_do_not_matter(config: SignVAEConfig) -> None:
    vae = _random(build(config))
    context, last = vae.context_codes, 40
    codes = torch.randn(1, 20, last + 1, requires_grad=True)
    frames = vae.from_codes(codes)[:, last * config.stride :]
    (gradient,) = torch.autograd.grad(frames.abs().sum(), codes)
    reached = torch.nonzero(gradient[0].abs().sum(dim=0) > 0)[:, 0].tolist()
    assert min(reached) >= last - context
    assert min(reached) <= last - context + 1  # and the context is not much longer than needed


def test_hands_are_coded_from_their_wrists_and_the_face_from_the_nose() -> None:
    vae = SignVAE(VAES["one code"])
    pose = torch.from_numpy(skeleton.REST_POSE.copy())[None, None]
    moved = pose + torch.tensor([0.1, 0.2, 0.3])
    change = (vae.offsets(moved) - vae.offsets(pose)).unflatten(2, (79, 3))[0, 0].abs().sum(dim=1)
    assert (change[:11] > 0.5).all() and (change[11:] < 1e-6).all()


def test_statistics_are_undone(vae: PoseVAE) -> None:
    codes = torch.randn(1, 20, 8)
    plain = vae.decode(3.0 * codes + 1.0)
    vae.code_mean.fill_(1.0)
    vae.code_std.fill_(3.0)
    torch.testing.assert_close(vae.from_codes(codes), plain)
    positions = torch.randn(1, 16, 79, 3)
    torch.testing.assert_close(vae.to_codes(positions) * 3.0 + 1.0, vae.encode(positions)[0])


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand_depends_on_its_own_codes_alone(side: str) -> None:
    vae = _random(HandVAE(VAES["codes of the hands"]))
    codes = torch.randn(1, 20, 8)
    own = slice(8, 14) if side == "left" else slice(14, 20)
    changed = codes.clone()
    changed[:, own] += 1.0
    moved = (vae.from_codes(changed) - vae.from_codes(codes)).abs().amax(dim=(0, 1, 3)) > 1e-6
    hand = torch.zeros(79, dtype=torch.bool)
    hand[skeleton.HAND[side]] = True
    hand[skeleton.INDEX[f"{side}_hand_root"]] = False
    assert moved.tolist() == hand.tolist()


# ----------------------------------------------------------------------------------------------------------- Features


def _turn() -> Tensor:
    return torch.matrix_exp(torch.tensor([[0.0, -0.7, 0.4], [0.7, 0.0, -0.9], [-0.4, 0.9, 0.0]]))


def _signing() -> Tensor:
    """(2, 5, 79, 3): rest poses, distorted at random."""
    torch.manual_seed(0)
    return torch.from_numpy(skeleton.REST_POSE.copy()) + 0.01 * torch.randn(2, 5, 79, 3)


def test_features_lead_back_to_any_pose() -> None:
    positions = _signing()
    torch.testing.assert_close(Features().inverse(*Features()(positions)), positions, atol=1e-6, rtol=0)


def test_the_shape_of_a_hand_is_the_same_wherever_it_is_and_however_it_is_turned() -> None:
    positions = _signing()
    hand = skeleton.HAND["right"]
    moved = positions.clone()
    moved[:, :, hand] = positions[:, :, hand] @ _turn() + torch.tensor([0.3, -0.2, 0.5])
    (body, hands), (moved_body, moved_hands) = Features()(positions), Features()(moved)
    torch.testing.assert_close(moved_hands[2:, :, 6:], hands[2:, :, 6:], atol=1e-6, rtol=0)
    assert (moved_hands[2:, :, :6] - hands[2:, :, :6]).abs().max() > 0.5  # the axes of the palm have turned
    assert ((moved_body - body).abs().amax(dim=(0, 1)) > 1e-6).nonzero()[:, 0].tolist() == [114, 115, 116]  # its root


def test_a_left_hand_has_the_features_of_the_right_hand_it_mirrors() -> None:
    rest = torch.from_numpy(skeleton.REST_POSE.copy())[None, None]
    left, right = Features()(rest)[1].chunk(2)
    torch.testing.assert_close(left, right, atol=1e-6, rtol=0)


# ------------------------------------------------------------------------------------------------------------ U-Net


def _inputs(codes: int = 16, exist: int = 11, given: int = 3) -> dict[str, Tensor]:
    """Two examples with ``exist`` codes of which the first ``given`` are clean."""
    generator = torch.Generator().manual_seed(1)
    at = torch.arange(codes)
    progress = ((at - given + 1).clamp(min=0) / (exist - given)) * (at < exist)
    roles = torch.stack(((at < exist).float(), (at < given).float(), progress)).expand(2, NUM_ROLES, codes)
    return {
        "x": torch.randn(2, 20, codes, generator=generator),
        "time": torch.tensor([10.0, 900.0]),
        "roles": roles.contiguous(),
        "tokens": torch.randn(2, 6, 12, generator=generator),
        "mask": torch.tensor([[1.0, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]]),
        "sentence": torch.randn(2, 12, generator=generator),
        "use_text": torch.ones(2),
    }


@torch.no_grad()
def _change(unet: UNet, changed: dict[str, Tensor], exist: int = 11) -> float:
    """How much the predicted noise of codes that exist differs for changed inputs."""
    before, after = unet(**_inputs()), unet(**(_inputs() | changed))
    return float((before - after)[:, :, :exist].abs().max())


def test_what_lies_in_the_padding_does_not_matter(unet: UNet) -> None:
    x = _inputs()["x"]
    x[:, :, 11:] = 100.0
    assert _change(unet, {"x": x}) == 0.0


@torch.no_grad()
@pytest.mark.parametrize("exist", [9, 11, 16])
def test_a_longer_bucket_changes_nothing(unet: UNet, exist: int) -> None:
    short = _inputs(exist=exist)
    longer = {name: nn.functional.pad(short[name], (0, 16)) for name in ("x", "roles")}
    torch.testing.assert_close(unet(**(short | longer))[:, :, :exist], unet(**short)[:, :, :exist])


def test_every_code_that_exists_matters(unet: UNet) -> None:
    for at in range(11):
        x = _inputs()["x"]
        x[:, :, at] += 1.0
        assert _change(unet, {"x": x}) > 1e-4


def test_it_knows_which_codes_are_given(unet: UNet) -> None:
    roles = _inputs()["roles"]
    roles[:, 1, 2] = 0.0
    assert _change(unet, {"roles": roles}) > 1e-4


def test_masked_tokens_do_not_matter_and_others_do(unet: UNet) -> None:
    tokens = _inputs()["tokens"]
    tokens[:, 4:] = 50.0
    assert _change(unet, {"tokens": tokens}) < 1e-5
    tokens = _inputs()["tokens"]
    tokens[:, 2] += 1.0
    assert _change(unet, {"tokens": tokens}) > 1e-4


def test_the_order_of_tokens_matters(unet: UNet) -> None:
    assert _change(unet, {"tokens": _inputs()["tokens"][:, [1, 0, 2, 3, 4, 5]]}) > 1e-4


def test_withheld_text_leaves_no_trace(unet: UNet) -> None:
    without = {"use_text": torch.zeros(2)}
    other = {"tokens": torch.randn(2, 6, 12), "sentence": torch.randn(2, 12)}
    with torch.no_grad():
        torch.testing.assert_close(unet(**(_inputs() | without)), unet(**(_inputs() | without | other)))
    assert _change(unet, without) > 1e-4
    assert _change(unet, {"sentence": torch.randn(2, 12)}) > 1e-4


def test_time_matters_to_each_example_apart(unet: UNet) -> None:
    with torch.no_grad():
        before, after = unet(**_inputs()), unet(**(_inputs() | {"time": torch.tensor([11.0, 900.0])}))
    assert (before - after)[0].abs().max() > 1e-4
    torch.testing.assert_close(before[1], after[1])


@torch.no_grad()
def test_the_noise_follows_from_v(unet: UNet) -> None:
    """Where the layers predict v = 0, the noise is sigma x (Salimans & Ho 2022, appendix D)."""
    last = unet.leave[-1]
    last.weight.zero_()
    last.bias.zero_()
    inputs = _inputs()
    exists, signal = inputs["roles"][:, :1], torch.from_numpy(UNET.schedule).float()[inputs["time"].long()]
    torch.testing.assert_close(unet(**inputs), (1 - signal).sqrt()[:, None, None] * inputs["x"] * exists)


@torch.no_grad()
def test_the_plan_is_of_the_text_alone_and_linear_between_its_moments(unet: UNet) -> None:
    inputs = _inputs()
    plan = unet.predict(**inputs)[1]
    torch.testing.assert_close(unet.predict(**(inputs | {"x": torch.zeros_like(inputs["x"])}))[1], plan)
    new = (inputs["roles"][:, :1] - inputs["roles"][:, 1:2]).expand_as(plan)
    assert plan[new == 0].abs().max() == 0 < plan[new == 1].abs().min()
    assert (unet.predict(**(inputs | {"use_text": torch.zeros(2)}))[1] == 0).all()
    moments = torch.linspace(0.0, 1.0, UNET.plan_knots)[None]
    at = unet.plan(inputs["sentence"][:1], moments)
    between = unet.plan(inputs["sentence"][:1], (moments[:, 1:] + moments[:, :-1]) / 2)
    torch.testing.assert_close(between, (at[..., 1:] + at[..., :-1]) / 2)


@torch.no_grad()
def test_whitening_gives_every_direction_the_same_variance() -> None:
    torch.manual_seed(0)
    embeddings = (
        torch.randn(2000, 6) @ torch.diag(torch.tensor([3.0, 1.0, 1.0, 0.5, 1.0, 1e-4])) @ torch.randn(6, 6) + 2
    )
    whitening = Whitening(6)
    torch.testing.assert_close(whitening(embeddings), embeddings)
    whitening.fit(embeddings)
    white = whitening(embeddings)
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(6), atol=1e-3, rtol=0)
    covariance = white.T @ white / len(white)
    assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 1e-2
    variance = covariance.diagonal().sort().values
    assert variance[0] < 1e-3 and (variance[1:] > 0.3).all()  # what hardly varies is not blown up to noise


# ---------------------------------------------------------------------------------------------------------- aligner


def _pairs() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    codes, tokens = torch.randn(4, 20, 16, generator=generator), torch.randn(4, 6, 12, generator=generator)
    return codes, torch.ones(4, 16), tokens, torch.ones(4, 6), torch.randn(4, 12, generator=generator)


@torch.no_grad()
def test_embeddings_have_unit_length_in_the_shared_space(aligner: Aligner) -> None:
    codes, new, tokens, mask, sentence = _pairs()
    for embedded in (aligner.embed_pose(codes, new), aligner.embed_text(tokens, mask, sentence)):
        assert embedded.shape == (4, 512)
        torch.testing.assert_close(embedded.norm(dim=1), torch.ones(4))


@torch.no_grad()
def test_the_aligner_ignores_what_is_masked(aligner: Aligner) -> None:
    codes, new, tokens, mask, sentence = _pairs()
    new[:, :5] = new[:, 12:] = 0.0
    mask[:, 4:] = 0.0
    pose, text = aligner.embed_pose(codes, new), aligner.embed_text(tokens, mask, sentence)
    codes[:, :, :5] = codes[:, :, 12:] = 9.0
    tokens[:, 4:] = 9.0
    torch.testing.assert_close(aligner.embed_pose(codes, new), pose)
    torch.testing.assert_close(aligner.embed_text(tokens, mask, sentence), text)


def test_matching_pairs_cost_less_and_equal_texts_are_no_rivals(aligner: Aligner) -> None:
    text = nn.functional.normalize(torch.randn(4, 512), dim=1)
    text[1] = text[0]
    same = torch.eye(4)
    same[0, 1] = same[1, 0] = 1.0

    def loss(pose: Tensor) -> Tensor:
        return info_nce(aligner.scores(pose, text), same)

    with torch.no_grad():
        matching = float(loss(text))
        assert matching < float(loss(text.roll(2, dims=0)))
    # With the shared text as a positive, each of the two may match either: no gradient pulls the equal ones apart.
    pose = text.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(pose), pose)
    torch.testing.assert_close(gradient[0], gradient[1])
    pose = torch.stack((text[0], text[0] + 0.1 * text[2], text[2], text[3]))
    with torch.no_grad():
        assert float(loss(pose)) > matching


# --------------------------------------------------------------------------------------------------------- duration


@torch.no_grad()
def test_duration_adds_up_over_tokens_and_each_takes_time() -> None:
    duration = _random(DurationPredictor(text_dim=12, width=8))
    tokens = torch.randn(1, 6, 12)
    each = torch.stack([duration(tokens, torch.eye(6)[i : i + 1]) for i in range(6)])
    assert (each > 0).all()
    torch.testing.assert_close(duration(tokens, torch.ones(1, 6)), each.sum(dim=0))
    order = torch.from_numpy(np.random.default_rng(0).permutation(6))
    torch.testing.assert_close(duration(tokens[:, order], torch.ones(1, 6)), each.sum(dim=0))
