"""Export: each graph does what its network does, and the files hold weights once and nothing of this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from text2sign_ros.export import graphs
from text2sign_ros.export.bundle import TOLERANCE
from text2sign_ros.inference.samplers import SAMPLERS, alphas_cumprod, sample, solver_table
from text2sign_ros.networks.duration import DurationPredictor
from text2sign_ros.networks.hand_vae import HandVAE
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.networks.unet import UNet, UNetConfig

pytestmark = pytest.mark.filterwarnings("ignore:.*(LeafSpec|The axis name)")  # of torch's exporter
CONFIG = UNetConfig(channels=(16, 24, 32), context_dim=24, text_dim=12, max_tokens=6, heads=2)
ALPHA_BAR = alphas_cumprod(1000, 0.00085, 0.012)


@pytest.fixture(scope="module")
def networks() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    made = {
        "unet": UNet(CONFIG),
        "decoder": SignVAE(SignVAEConfig(channels=16, blocks=1)),
        "duration": DurationPredictor(CONFIG.text_dim, 8),
    }
    for network in made.values():
        network.eval().requires_grad_(False)
        for parameter in network.parameters():  # those that start as zero would hide mistakes
            parameter.copy_(0.15 * torch.randn_like(parameter))
    made["decoder"].code_mean.normal_()
    made["decoder"].code_std.uniform_(0.5, 2.0)
    made["decoder"].mean.normal_()
    return made


@pytest.fixture(scope="module")
def folder(networks, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    graphs.export_unet(networks["unet"], folder / "unet.onnx")
    graphs.export_decoder(networks["decoder"], folder / "decoder.onnx")
    graphs.export_duration(networks["duration"], CONFIG.max_tokens, CONFIG.text_dim, folder / "duration.onnx")
    graphs.fuse(folder / "unet.onnx", folder / "decoder.onnx", CONFIG, folder)
    return folder


def _run(path: Path, **feed: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == set(feed)
    return session.run(None, feed)


def _torch(network, *arrays: np.ndarray) -> np.ndarray:
    return network(*map(torch.from_numpy, arrays)).numpy()


def _step_inputs(batch: int, codes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(codes)
    at = np.arange(codes)
    count = codes - 5
    roles = np.stack((at < count, at < 3, np.where((at >= 3) & (at < count), (at - 2) / (count - 3), 0)))
    values = {
        "x": rng.standard_normal((batch, CONFIG.latent_dim, codes)),
        "time": rng.uniform(0, 999, batch),
        "roles": np.broadcast_to(roles, (batch, *roles.shape)),
        "tokens": rng.standard_normal((batch, CONFIG.max_tokens, CONFIG.text_dim)),
        "mask": np.broadcast_to(np.arange(CONFIG.max_tokens) < 4, (batch, CONFIG.max_tokens)),
        "sentence": rng.standard_normal((batch, CONFIG.text_dim)),
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in values.items()}


@pytest.mark.parametrize(("batch", "codes"), [(1, 32), (2, 64), (3, 128), (2, 12)])
def test_the_step_is_that_of_the_u_net(networks, folder: Path, batch: int, codes: int) -> None:
    feed = _step_inputs(batch, codes)
    (got,) = _run(folder / "unet.onnx", **feed)
    want = _torch(graphs.Step(networks["unet"]), *(feed[name] for name in graphs.UNET_INPUTS))
    assert np.abs(want).max() > 0.1
    np.testing.assert_allclose(got, want, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("batch", [1, 3])
def test_hands_with_codes_of_their_own_are_decoded_by_the_graph_too(tmp_path: Path, batch: int) -> None:
    torch.manual_seed(0)
    vae = HandVAE(SignVAEConfig(hand_dim=6, channels=16, blocks=1)).eval().requires_grad_(False)
    for parameter in vae.parameters():
        parameter.copy_(0.15 * torch.randn_like(parameter))
    graphs.export_decoder(vae, tmp_path / "decoder.onnx")
    codes = np.random.default_rng(0).standard_normal((batch, 20, 9), np.float32)
    (got,) = _run(tmp_path / "decoder.onnx", codes=codes)
    np.testing.assert_allclose(got, vae.from_codes(torch.from_numpy(codes)), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("batch", "codes"), [(1, 32), (2, 128), (1, 7)])
def test_the_decoder_is_that_of_the_vae(networks, folder: Path, batch: int, codes: int) -> None:
    rng = np.random.default_rng(0)
    feed = rng.standard_normal((batch, CONFIG.latent_dim, codes), np.float32)
    (got,) = _run(folder / "decoder.onnx", codes=feed)
    assert got.shape == (batch, 2 * codes, 79, 3)
    np.testing.assert_allclose(got, networks["decoder"].from_codes(torch.from_numpy(feed)), atol=TOLERANCE, rtol=0)


def test_the_duration_is_that_of_the_predictor(networks, folder: Path) -> None:
    feed = _step_inputs(3, 32)
    (got,) = _run(folder / "duration.onnx", tokens=feed["tokens"], mask=feed["mask"])
    np.testing.assert_allclose(got, _torch(networks["duration"], feed["tokens"], feed["mask"]), atol=TOLERANCE)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("codes", "steps"), [(32, 1), (64, 5), (128, 3)])
def test_the_fused_graph_samples_and_keeps_what_is_given(
    networks, folder: Path, sampler: str, codes: int, steps: int
) -> None:
    feed = _step_inputs(1, codes)
    noise, table = feed["x"], solver_table(sampler, ALPHA_BAR, steps)
    prefix = np.random.default_rng(9).standard_normal(noise.shape, np.float32)
    text = {name: feed[name] for name in ("roles", "tokens", "mask", "sentence")}
    names = ("codes", "positions")
    session = onnxruntime.InferenceSession(str(folder / "fused.onnx"), providers=["CPUExecutionProvider"])
    inputs = {"noise": noise, "prefix": prefix, "table": table}
    got = dict(zip(names, session.run(names, inputs | text), strict=True))

    given = feed["roles"][:, 1:2]

    def denoise(x: np.ndarray, time: float) -> np.ndarray:
        step = text | {"x": (1 - given) * x + given * prefix, "time": np.array([time], np.float32)}
        return _torch(graphs.Step(networks["unet"]), *(step[name] for name in graphs.UNET_INPUTS))

    # What is given does not mix with the rest within a step, so putting it back before each step is putting it back
    # after each.
    want = (1 - given) * sample(denoise, noise, table) + given * prefix
    scale = max(1.0, np.abs(want).max())
    np.testing.assert_allclose(got["codes"], want, atol=TOLERANCE * scale, rtol=0)
    np.testing.assert_array_equal(got["codes"][:, :, :3], prefix[:, :, :3])
    decoded = networks["decoder"].from_codes(torch.from_numpy(got["codes"]))
    np.testing.assert_allclose(got["positions"], decoded, atol=TOLERANCE * scale, rtol=0)


def test_the_fused_graph_shares_the_weights_of_its_parts(folder: Path) -> None:
    model = onnx.load(folder / "fused.onnx", load_external_data=False)
    external = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    places = {entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"}
    assert places == {"unet.weights", "decoder.weights"}
    weights = sum((folder / name).stat().st_size for name in places)
    inside = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    assert inside < 0.2 * weights
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(f"{name}.onnx" for name in ("unet", "step", "decoder", "duration", "fused")), *_weights(folder)]
    )


def _weights(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.weights")]


def test_no_file_tells_where_it_was_made(folder: Path) -> None:
    here = [str(Path(__file__).parents[1]), str(folder), str(Path.home()), str(Path(torch.__file__).parents[1])]
    for path in folder.glob("*.onnx"):
        content = path.read_bytes()
        for trace in (*(text.encode() for text in here), b"site-packages", b".py", b"Traceback", b"stack_trace"):
            assert trace not in content, (path.name, trace)
