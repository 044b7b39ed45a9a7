"""The command `text2sign`: sign, play, vocabulary, corpus, train, export, evaluate, bench, robot."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# Import nothing else here: `--help` and the messages about missing extras must work without third-party packages.
from text2sign_ros import extras
from text2sign_ros.errors import Text2SignError
from text2sign_ros.resources import default_bundle, version

if TYPE_CHECKING:
    from text2sign_ros.clip import SignClip
    from text2sign_ros.inference.engine import Utterance
    from text2sign_ros.inference.signer import Signer
    from text2sign_ros.motion.chunks import Chunk
    from text2sign_ros.motion.limits import Limits
    from text2sign_ros.motion.timeline import Part
    from text2sign_ros.training.config import TrainConfig
    from text2sign_ros.training.train import Run
    from text2sign_ros.wire.recording import Message

    Writer = Callable[["_Signed", Path], None]

_SUFFIXES = (".npz", ".pose", ".mcap", ".png", ".mp4", ".bvh", ".glb")


class UsageError(Text2SignError):
    """The command line asks for something impossible."""


class _Signed(NamedTuple):
    """A text that was signed."""

    utterance: Utterance
    chunks: list[Chunk]
    clip: SignClip
    parts: list[Part]


class _Version(argparse.Action):
    """Reads the version only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"text2sign_ros {version()}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, or 1 after one line on stderr that says what is wrong."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="text2sign: %(message)s")
    logging.getLogger("text2sign_ros").setLevel(logging.INFO)
    try:
        return options.run(options) or 0
    except BrokenPipeError:  # what reads the output, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end
        return 1
    except (Text2SignError, OSError) as error:
        print(f"text2sign: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        remedy = extras.remedy(error, options.command)
        if remedy is None:
            raise
        print(f"text2sign: {options.command} needs {error.name}, which is not installed: {remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="text2sign", description=__doc__)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the package's version and exit")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")

    sign = commands.add_parser("sign", help="sign a text into a file")
    source = sign.add_mutually_exclusive_group(required=True)
    source.add_argument("text", nargs="?", help="what to sign")
    source.add_argument("--batch", type=Path, metavar="FILE", help="sign every line of a file; line 7 goes to 0007.npz")
    sign.add_argument(
        "--out", type=Path, required=True, help=f"file to write ({', '.join(_SUFFIXES)}); with --batch, a folder"
    )
    sign.add_argument("--bundle", type=Path, help="folder of the model; default: models/asl")
    sign.add_argument("--preset", help="sampling steps: fastest (1), fast (2) or best (4); default: the bundle's own")
    sign.add_argument("--seed", type=int, default=0, help="the same seed gives the same motion (default: 0)")
    sign.add_argument(
        "--backend",
        default="auto",
        help="what runs the networks: cpu, cuda, onnxruntime_tensorrt, tensorrt, auto: the best available (default)",
    )
    _add_cache(sign)
    sign.add_argument(
        "--senses", action="store_true", help="choose among several signs of a word by its sentence (docs/markup.md)"
    )
    sign.add_argument("--threads", type=int, default=1, help="threads of the inference engine (default: 1)")
    for name, unit in (("velocity", "m/s"), ("acceleration", "m/s^2"), ("jerk", "m/s^3")):
        sign.add_argument(
            f"--max-{name}",
            type=float,
            default=0.0,
            metavar="LIMIT",
            help=f"limit for every keypoint, {unit}; signing slows down to keep it; 0, the default, is no limit",
        )
    sign.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object per text: what was done, and which frames show which sign",
    )
    sign.set_defaults(run=_sign)

    play = commands.add_parser("play", help="play a file on the topics of a signer (needs ROS 2)")
    play.add_argument(
        "file",
        type=Path,
        help="what `text2sign sign` wrote (.npz, .pose, .mcap); a bag of `ros2 bag record` (a folder, .mcap, .db3); "
        "or a .pose file of MediaPipe Holistic, which is lifted to metres",
    )
    play.add_argument("--topic", default="", metavar="NAME", help="the motion's topic, where a bag has several")
    play.add_argument("--loop", action="store_true", help="start again at the end")
    play.add_argument(
        "--ros-args",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="...",
        help="arguments of ROS 2, the last ones: -p use_sim_time:=true, -r __ns:=/left; parameters: docs/files.md",
    )
    play.set_defaults(run=_play)

    vocabulary = commands.add_parser("vocabulary", help="list the signs of a bundle")
    vocabulary.add_argument("--bundle", type=Path, help="folder of the model; default: models/asl")
    vocabulary.add_argument(
        "--search",
        metavar="WORDS",
        help="only signs with this text, a form of it, this beginning, or else a similar one",
    )
    vocabulary.add_argument("--json", action="store_true", help="print a JSON object per sign")
    vocabulary.set_defaults(run=_vocabulary)

    corpus = commands.add_parser(
        "corpus", help="look at recordings to train on, convert or make them; check the grammar of sentences"
    )
    actions = corpus.add_subparsers(required=True, metavar="ACTION")
    inspect = actions.add_parser("inspect", help="say what a folder of recordings holds, and what is wrong with it")
    inspect.add_argument(
        "path", type=Path, metavar="PATH", help="the folder; its format is recognised (docs/corpora.md)"
    )
    inspect.add_argument("--out", type=Path, metavar="PNG", help="write a picture of six sequences")
    inspect.set_defaults(run=_inspect_corpus)
    convert = actions.add_parser("convert", help="write recordings in another format")
    convert.add_argument("path", type=Path, metavar="PATH", help="the folder; its format is recognised")
    convert.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    convert.add_argument(
        "--format", required=True, help="npz or pose: clips and sentences.csv; skels: Progressive Transformers' files"
    )
    convert.set_defaults(run=_convert_corpus)
    for action in (inspect, convert):
        action.add_argument(
            "--lift", default="geometric", help="how depth is made where there is none: geometric (default) or flat"
        )
        action.add_argument(
            "--fps",
            type=float,
            default=0.0,
            help="frames per second, where the files do not say; 0: as the reader assumes",
        )
    grammar = actions.add_parser("grammar", help="check a grammar, count what it holds and show examples")
    grammar.add_argument("--file", type=Path, help="default: config/grammar/asl.yaml")
    grammar.add_argument("--bundle", type=Path, help="folder of the model whose signs there are; default: models/asl")
    grammar.add_argument("--split", default="train", help="whose examples are shown: train, val or test")
    grammar.add_argument("--examples", type=int, default=10, help="how many")
    grammar.add_argument("--text", help="show what this text means instead")
    grammar.add_argument("--seed", type=int, default=0)
    grammar.set_defaults(run=_grammar)
    prepare = actions.add_parser("prepare", help="make a corpus's files from what its authors published")
    corpora = prepare.add_subparsers(required=True, metavar="CORPUS")
    asl_cafe = corpora.add_parser(
        "asl_cafe", help="from clones of github.com/traduttore/traduttore-model and github.com/tamtridung/ASL_SignWish"
    )
    asl_cafe.add_argument("--traduttore", type=Path, required=True, metavar="DIR", help="clone of traduttore-model")
    asl_cafe.add_argument("--signwish", type=Path, required=True, metavar="DIR", help="clone of ASL_SignWish")
    asl_cafe.add_argument("--out", type=Path, required=True, help="folder to make, for example data/asl_cafe")
    asl_cafe.set_defaults(run=_prepare_asl_cafe)

    train = commands.add_parser("train", help="train the networks of a bundle; resumes where it was stopped")
    train.add_argument("--config", type=Path, required=True, help="for example config/train/asl.yaml")
    train.add_argument("--out", type=Path, required=True, help="folder of the run, for example runs/asl")
    train.add_argument(
        "--stage", action="append", help="vae, aligner, diffusion or distillation; may be repeated; default: all"
    )
    train.set_defaults(run=_train)

    export = commands.add_parser("export", help="make a bundle from a training run or from another bundle")
    source = export.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, dest="folder", help="folder of the run")
    source.add_argument("--bundle", type=Path, help="folder of a bundle, for --precision or --tensorrt")
    export.add_argument("--out", type=Path, help="folder of the new bundle, for example models/asl")
    export.add_argument("--max-units", type=int, help="signs and letters generated together (default: 1)")
    export.add_argument("--precision", help="fp16 or int8: the same bundle with smaller weights")
    export.add_argument(
        "--tensorrt", action="store_true", help="build the bundle's engines for this machine's GPU into the cache"
    )
    _add_cache(export)
    export.set_defaults(run=_export)

    evaluate = commands.add_parser(
        "evaluate", help="measure a bundle: can its signing be read, and does it move like people"
    )
    evaluate.add_argument("--bundle", type=Path, required=True, help="folder of the bundle")
    evaluate.add_argument("--data", type=Path, required=True, help="folder of asl_cafe")
    evaluate.add_argument(
        "--work", type=Path, default=Path("runs/evaluation"), help="folder for what is kept between runs"
    )
    evaluate.add_argument("--sentences", type=int, default=120, help="unseen sentences to sign (default: 120)")
    evaluate.add_argument("--takes", type=int, default=8, help="how often each sign is signed on its own (default: 8)")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    evaluate.add_argument(
        "--write-read-rates",
        action="store_true",
        help="write how often each sign and letter is read into the bundle, for `text2sign vocabulary`",
    )
    evaluate.set_defaults(run=_evaluate)
    bench = commands.add_parser("bench", help="measure how fast signing is on this machine")
    bench.add_argument("--bundle", type=Path, help="folder of the bundle; default: models/asl")
    _add_cache(bench)
    bench.add_argument("--quick", action="store_true", help="less of everything: under a minute")
    bench.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    bench.add_argument(
        "--markdown", type=Path, help="write a page and its plot as well, for example docs/performance.md"
    )
    bench.set_defaults(run=_bench)

    robot = commands.add_parser("robot", help="describe a robot that is to sign")
    actions = robot.add_subparsers(required=True, metavar="ACTION")
    inspect = actions.add_parser("inspect", help="say what was understood of a robot's description")
    controllers = actions.add_parser("controllers", help="print the parameters of ros2_control for it")
    for action, run in ((inspect, _inspect), (controllers, _controllers)):
        action.add_argument("robot", metavar="FILE_OR_NAME", help="a description, or the name of a shipped one: gr3")
        action.set_defaults(run=run)
    inspect.add_argument("--urdf", type=Path, help="the model, where the description names a topic as its source")
    inspect.add_argument(
        "--out", type=Path, help="PNG to write: the robot at rest, and how far its hands open and close"
    )
    return parser


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for TensorRT's engines; default: $XDG_CACHE_HOME/text2sign_ros or ~/.cache/text2sign_ros",
    )


def _sign(options: argparse.Namespace) -> None:
    _check(options)
    from text2sign_ros.inference.signer import Signer

    write = _writer(options.out.suffix)
    signer = Signer(
        _bundle(options),
        preset=options.preset,
        backend=options.backend,
        cache=options.cache,
        threads=options.threads,
        senses=options.senses,
    )
    if options.batch is None:
        _sign_one(signer, options.text, options.out, write, options)
        return
    try:
        numbered = enumerate(options.batch.read_text(encoding="utf-8").splitlines(), start=1)
    except UnicodeDecodeError as error:
        raise UsageError(f"{options.batch} is not UTF-8 text: {error}") from error
    lines = [(number, line) for number, line in numbered if line.strip()]
    if not lines:
        raise UsageError(f"{options.batch} has no text to sign")
    refused = [number for number, line in lines if not _sign_line(signer, number, line, write, options)]
    if refused:
        raise UsageError(f"{len(refused)} of {len(lines)} texts could not be signed; the others are in {options.out}")


def _sign_line(signer: Signer, number: int, line: str, write: Writer, options: argparse.Namespace) -> bool:
    """Sign one line of a batch; False, with a line on stderr, if it can't be signed."""
    from text2sign_ros.motion.limits import LimitsError
    from text2sign_ros.text import TextError

    try:
        _sign_one(signer, line, options.out / f"{number:04d}.npz", write, options)
    except (TextError, LimitsError) as error:
        print(f"text2sign: line {number}: {error}", file=sys.stderr)
        return False
    return True


def _check(options: argparse.Namespace) -> None:
    if options.batch is not None and options.out.suffix in _SUFFIXES:
        raise UsageError(f"--out {options.out} is a file; --batch needs a folder, for one clip per line")
    if options.batch is None and options.out.suffix not in _SUFFIXES:
        raise UsageError(f"--out {options.out} must end in one of {', '.join(_SUFFIXES)}")
    if options.seed < 0:
        raise UsageError(f"--seed is {options.seed}; it must not be negative")
    if options.threads < 1:
        raise UsageError(f"--threads is {options.threads}; it must be at least 1")
    _limits(options)  # raises if no motion can keep them


def _limits(options: argparse.Namespace) -> Limits:
    from text2sign_ros.motion.limits import Limits

    return Limits(options.max_velocity, options.max_acceleration, options.max_jerk)


def _writer(suffix: str) -> Writer:
    """The function that writes files of this suffix; its imports happen now, before anything is signed."""
    from text2sign_ros.motion.timeline import captions

    if suffix in (".png", ".mp4"):
        from text2sign_ros import drawing

        draw = drawing.contact_sheet if suffix == ".png" else drawing.video
        return lambda signed, path: draw(signed.clip, captions(signed.parts), path)
    if suffix == ".mcap":
        import rosbags.rosbag2  # noqa: F401

        from text2sign_ros.wire import bags, recording

        return lambda signed, path: bags.write(
            path, recording.messages_of(signed.utterance, signed.chunks, time.time_ns())
        )
    if suffix in (".bvh", ".glb"):
        from text2sign_ros.viewer import export

        save = export.bvh if suffix == ".bvh" else export.glb
        return lambda signed, path: save(signed.clip, captions(signed.parts), path)
    if suffix == ".pose":
        import pose_format  # noqa: F401
    return lambda signed, path: signed.clip.save(path)


def _sign_one(signer: Signer, text: str, out: Path, write: Writer, options: argparse.Namespace) -> None:
    import numpy as np

    from text2sign_ros.clip import SignClip
    from text2sign_ros.inference.engine import Style, Utterance, sign
    from text2sign_ros.motion.timeline import complete
    from text2sign_ros.wire.captions import seconds

    began = time.perf_counter()
    utterance = Utterance(text, Style(seed=options.seed, limits=_limits(options)))
    plan, chunks = signer.plan(text), []
    for chunk in sign(signer, plan, utterance.style):
        utterance.first_chunk = utterance.first_chunk or time.perf_counter() - began
        chunks.append(chunk)
    utterance.work = total = time.perf_counter() - began
    utterance.warnings = plan.warnings
    for warning in plan.warnings:
        print(f"text2sign: warning: {warning}", file=sys.stderr)
    positions = np.concatenate([chunk.positions for chunk in chunks])
    parts = complete(part for chunk in chunks for part in chunk.parts)
    clip = SignClip(positions, np.ones(positions.shape[:2], np.float32), signer.fps)
    write(_Signed(utterance, chunks, clip, parts), out)
    summary = {
        "text": text,
        "out": str(out),
        "segments": [segment.text for segment in plan.segments],
        "frames": len(clip),
        "fps": clip.fps,
        "keypoints": positions.shape[1],
        "first_segment_ms": round(1000 * utterance.first_chunk, 1),
        "total_ms": round(1000 * total, 1),
        "real_time_factor": round(total / clip.duration, 4),
        "backend": signer.backend,
        "steps": signer.steps,
        "seed": options.seed,
        "warnings": list(plan.warnings),
        "parts": seconds(parts, clip.fps),
    }
    if options.json:
        print(json.dumps(summary))
    else:
        said = " | ".join(segment.text for segment in plan.segments)
        print(f"{out}: {len(clip)} frames, {clip.duration:.1f} s, signed in {total:.2f} s: {said}")


def _play(options: argparse.Namespace) -> int:
    from text2sign_ros.motion.chunks import ChunkError
    from text2sign_ros.wire import bags, recording

    path: Path = options.file
    is_bag = path.is_dir() or path.suffix in bags.SUFFIXES
    if options.topic and not is_bag:
        raise UsageError(f"--topic names a topic of a bag, and {path} is none")
    if not is_bag and path.suffix not in (".npz", ".pose"):
        raise UsageError(f"can't play {path}: it must be a folder or end in .npz, .pose, {', '.join(bags.SUFFIXES)}")
    clip = None if is_bag else _clip(path)

    def read() -> Iterator[Message]:
        return bags.read(path, options.topic) if clip is None else recording.messages_of_clip(clip)

    try:
        seconds = recording.check(read())
    except (recording.NotPlayableError, ChunkError) as error:
        raise UsageError(f"{path} can't be played: {error}") from error
    try:
        from text2sign_ros.ros import play_node
    except ModuleNotFoundError as error:
        if error.name != "rclpy" and not str(error.name).endswith("_msgs"):
            raise
        raise UsageError("play needs ROS 2: source its setup file, or install its wheels (README.md)") from error
    print(f"{path}: {seconds:.1f} s")
    return play_node.run(read, ["--ros-args", *options.ros_args] if options.ros_args else [], loop=options.loop)


def _clip(path: Path) -> SignClip:
    """A clip of ours, or what MediaPipe Holistic has seen."""
    from text2sign_ros.clip import OtherLayoutError, SignClip

    try:
        return SignClip.load(path)
    except OtherLayoutError:
        if path.suffix != ".pose":
            raise
        from text2sign_ros.corpora import pose_files

        return pose_files.read(path)


def _vocabulary(options: argparse.Namespace) -> None:
    from text2sign_ros.inference.bundle import Bundle, UnitSettings
    from text2sign_ros.inference.vocabulary import load, search

    if options.search is not None and not options.search.strip():
        raise UsageError("--search needs a word")
    bundle = Bundle.load(_bundle(options))
    if not isinstance(bundle.segmenter, UnitSettings):
        raise UsageError(f"{bundle.folder} signs whole sentences as they are written: it has no vocabulary")
    found = [(entry, "") for entry in load(bundle.folder)]
    if options.search is not None:
        found = search([entry for entry, _ in found], options.search, bundle.segmenter.forms)
        if not found:
            raise UsageError(f"{bundle.name} has no sign like {options.search!r}: it would be spelled")
    known = bundle.segmenter.vocabulary
    rows = [
        {"number": ("", *known.alternatives.get(entry.text, ())).index(entry.alternative) + 1}
        | vars(entry)
        | ({"found": how} if how else {})
        for entry, how in found
    ]
    if options.json:
        print("\n".join(json.dumps(row) for row in rows))
        return
    columns = {"text": 24, "alternative": 26, "takes": 6, "read_rate": 10, "corpus": 16}
    print("".join(name.replace("_", " ").ljust(width) for name, width in columns.items()) + "licence")
    for row in rows:
        shown = {**row, "read_rate": "" if row["read_rate"] is None else f"{row['read_rate']:.0%}"}
        if row["alternative"]:
            shown["alternative"] = f"{row['number']} {row['alternative']}"
        cells = (str(shown[name]).ljust(width - 1) + " " for name, width in columns.items())
        print(f"{''.join(cells)}{row['licence']}")


def _grammar(options: argparse.Namespace) -> None:
    from text2sign_ros.corpora.base import SPLITS
    from text2sign_ros.corpora.expansion import Expansion, summary
    from text2sign_ros.corpora.grammar import read
    from text2sign_ros.inference.vocabulary import load
    from text2sign_ros.resources import share

    if options.split not in SPLITS:
        raise UsageError(f"--split is {options.split!r}; it must be one of {', '.join(SPLITS)}")
    signs = [entry.name for entry in load(_bundle(options)) if entry.kind == "sign"]
    expansion = Expansion(read(options.file or share() / "config" / "grammar" / "asl.yaml", signs))
    if options.text is not None:
        pair = expansion.meaning(options.text)
        if pair is None:
            raise UsageError(f"the grammar has no wording for {options.text!r}")
        print(f"{pair.text} -> {' | '.join(pair.names)} ({', '.join(pair.wordings)})")
        return
    for name, value in summary(expansion, signs, sample=1000, seed=options.seed).items():
        print(f"{name.replace('_', ' ')}: {json.dumps(value) if isinstance(value, dict) else value}")
    for pair in expansion.pairs(options.split, options.examples, options.seed):
        print(f"{pair.text} -> {' | '.join(pair.names)}" + (f" (unseen {pair.unseen})" if pair.unseen else ""))


def _prepare_asl_cafe(options: argparse.Namespace) -> None:
    from text2sign_ros.corpora.prepare_asl_cafe import prepare

    counts = prepare(options.traduttore, options.signwish, options.out)
    print(f"{options.out}: " + ", ".join(f"{name} {count} takes" for name, count in counts.items()))


def _inspect_corpus(options: argparse.Namespace) -> None:
    from text2sign_ros.corpora import inspection

    if options.out and options.out.suffix != ".png":
        raise UsageError(f"--out {options.out} must end in .png")
    found = inspection.inspect(options.path, how=options.lift, fps=options.fps)
    print("\n".join(inspection.lines(found)))
    if options.out:
        from text2sign_ros import drawing

        clip, captions = inspection.together(found)
        drawing.contact_sheet(clip, captions, options.out, notice=f"{found.about}, lift {options.lift}", columns=9)
        print(f"{options.out}: {len(captions)} sequences")


def _convert_corpus(options: argparse.Namespace) -> None:
    from text2sign_ros.corpora.conversion import convert

    counts = convert(options.path, options.out, options.format, how=options.lift, fps=options.fps)
    print(f"{options.out}: " + ", ".join(f"{count} {split}" for split, count in counts.items()))


def _train(options: argparse.Namespace) -> None:
    from text2sign_ros.training import config, train

    _run(config.load(options.config), options.out).train(tuple(options.stage or train.STAGES))


def _run(config: TrainConfig, folder: Path) -> Run:
    """The training run of that folder, which gets the text encoder that the configuration names."""
    from text2sign_ros.export.text_encoder import export_text_encoder
    from text2sign_ros.training.train import Run

    source = Path(config.encoder) if config.encoder else None
    return Run(config, folder, export_encoder=lambda out: export_text_encoder(source, out))


def _export(options: argparse.Namespace) -> None:
    if options.tensorrt == bool(options.out) or (options.tensorrt and (options.folder or options.precision)):
        raise UsageError("export needs --out for a new bundle, or --bundle and --tensorrt alone for engines")
    if options.cache and not options.tensorrt:
        raise UsageError("--cache is where --tensorrt puts engines; a bundle goes to --out")
    if bool(options.bundle and not options.tensorrt) != bool(options.precision):
        raise UsageError(
            "--precision and --bundle go together; a run is exported in the precision that it was trained in"
        )
    if options.tensorrt:
        from text2sign_ros.inference.backends import default_cache
        from text2sign_ros.inference.backends.engines import require_cache
        from text2sign_ros.inference.backends.tensorrt import TensorRTBackend
        from text2sign_ros.inference.bundle import Bundle

        bundle, cache = Bundle.load(options.bundle), options.cache or default_cache()
        require_cache(cache)  # before engines are built, which takes minutes
        backend = TensorRTBackend(options.bundle, bundle, cache=cache)
        print(f"{cache}: engines for {backend.name}")
        backend.close()
        return
    if options.bundle:
        from text2sign_ros.export.precision import derive

        print(f"{options.out}: {derive(options.bundle, options.out, options.precision)}")
        return
    from text2sign_ros.export.bundle import export_bundle
    from text2sign_ros.export.writing import check_target
    from text2sign_ros.inference.bundle import MAX_UNITS
    from text2sign_ros.training import config

    run = _run(config.load(options.folder / "config.yaml"), options.folder)
    check_target(options.out, options.folder)  # before what is missing is trained
    if options.max_units is not None and not 1 <= options.max_units <= MAX_UNITS:
        raise UsageError(f"--max-units is {options.max_units}; max_units must be from 1 to {MAX_UNITS}")
    export_bundle(run.trained, options.out, max_units=options.max_units)
    print(f"{options.out}: exported and equal to torch")


def _evaluate(options: argparse.Namespace) -> None:
    from text2sign_ros.evaluation.evaluate import evaluate
    from text2sign_ros.evaluation.tables import tables
    from text2sign_ros.export.vocabulary import set_read_rates

    if options.sentences < 10 or options.takes < 2:
        raise UsageError("--sentences must be at least 10 and --takes at least 2 for meaningful results")
    if options.write_read_rates:
        set_read_rates(options.bundle, {})  # what keeps it from being written is said now, not after the measurements
    figures = evaluate(options.bundle, options.data, options.work, sentences=options.sentences, takes=options.takes)
    print(json.dumps(figures) if options.json else tables(figures))
    if options.write_read_rates:
        set_read_rates(options.bundle, figures["read_rates"])


def _inspect(options: argparse.Namespace) -> None:
    from text2sign_ros.retarget import description, inspection, model

    about = description.load(options.robot)
    text = options.urdf.read_text(encoding="utf-8") if options.urdf else None
    print("\n".join(inspection.report(model.build(about, text))))
    if options.out:
        from text2sign_ros.retarget.portrait import portrait

        portrait(about, options.out, text)


def _controllers(options: argparse.Namespace) -> None:
    from text2sign_ros.retarget import controllers, description

    print(controllers.parameters(description.load(options.robot)), end="")


def _bench(options: argparse.Namespace) -> None:
    from text2sign_ros import bench
    from text2sign_ros.bench import report

    figures = bench.run(_bundle(options), quick=options.quick, cache=options.cache)
    if options.markdown:
        report.write(figures, options.markdown)
    print(json.dumps(figures) if options.json else report.table(figures))


def _bundle(options: argparse.Namespace) -> Path:
    return options.bundle or default_bundle()


if __name__ == "__main__":
    sys.exit(main())
