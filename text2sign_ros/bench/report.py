"""The results of a bench as Markdown tables, and as docs/performance.md with its plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from text2sign_ros import palette
from text2sign_ros.clip import write_whole

_INTRODUCTION = """\
# Performance: `models/{bundle}`

This page is written by

    text2sign bench --bundle models/{bundle} --markdown docs/performance.md

on an otherwise idle machine (`--json` for one object with all measurements, `--quick` for fewer runs of everything).
Times are medians after warm-up, by a monotonic clock, on one inference thread; p50 and p99 are percentiles over
texts."""

_NODE = """\
The node runs as a process of its own; another one, the bench, talks to it over DDS. *First chunk*: from publishing
a text to receiving its first chunk, both in the bench's process, for texts of one sign that the node has not received
before, each sent when the node has been idle for a moment. The bundle holds the embeddings of its signs and letters,
so where it signs one at a time, as `models/asl` does, the text encoder is not even loaded. *Cold start*: from
starting the process to its line "ready"; Python, ROS 2, the bundle's hashes, its networks and their warm-up are in
it. *CPU share*: CPU time over wall time while a long text plays in real time with the default parameters."""

_BACKENDS = """\
*First chunk ready*: from a new text of one sign to the first message's bytes, within the process. *256 frames*: the
text encoder on a text that it has not seen, sampling of one segment, decoding. *Real-time factor*: that time over
the 10.24 s that the motion lasts."""

_LENGTH = """\
A clip of up to 256 frames is one segment; a longer one is a chain of them, each going on from the last codes of the
one before (which take their place in it, hence {steps} steps for 236 new frames). The least-squares line:
{ms_per_frame:.4f} ms a frame and {ms_at_zero:.1f} ms besides, R² = {r2:.5f}."""

_STREAM = """\
A text is signed sign by sign, not 256 frames at a time: each sign is a segment in the shortest bucket that holds it
and the codes before it, with planning, durations, smoothing and limits. What that costs compared with the clip:"""

_UNET = """\
One step of the U-Net (`step.onnx`) on one thread. *Arithmetic*: multiplications and additions in its matrix products
(convolutions included). *Peak*: the best that ONNX Runtime reaches here in one product of square matrices (GFLOP/s by
size: {peaks}). *Products*: share of the time, by ONNX Runtime's own profile, that goes into matrix
products, and the speed reached in them; the rest goes into the other operators and into calling them all.
Profiling itself takes time, so its total is longer."""

_BOTTLENECK = """\
The bottleneck: at {frames} frames the products would take {ideal:.1f} ms at the peak's speed. They take about
{products:.1f} ms, being small ({calls} of them, {mflop:.0f} MFLOP each on average), and the other {others} operators
about {rest:.1f} ms, {each:.0f} µs each. Were the products at the peak, the step would still reach no more than
{most:.0f} % of it."""

_PYTORCH = """\
The same architecture and size in eager PyTorch {torch} on one thread, 256 frames: the network that the bundle's was
distilled from, without guidance (one pass a step; with guidance it would be two), the decoder included and the text
encoder left out. Both samplers are the bench's own, DDPM after Ho et al. 2020 (algorithm 2), DDIM after Song et al.
2021.{note}"""

_EXTRAPOLATED = """\

The time of 1,000 steps is **extrapolated** from the first 50."""


def table(results: Mapping[str, Any]) -> str:
    """Markdown: the targets, and everything that was measured."""
    return "\n\n".join(_sections(results))


def write(results: Mapping[str, Any], path: Path) -> None:
    """Write the page to ``path`` (.md) and its plot beside it (.png)."""
    head, *sections = _sections(results)
    picture = path.with_suffix(".png")
    plot(results, picture)
    shown = f"![cost against length]({picture.name})"
    at = next(i for i, section in enumerate(sections) if section.startswith("## Cost against length"))
    page = [_INTRODUCTION.format(**results), head, *sections[: at + 1], shown, *sections[at + 1 :]]
    with write_whole(path) as file:
        file.write(("\n\n".join(page) + "\n").encode())


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Milliseconds against frames, with the fitted line: over all lengths, and over those up to 1,024 frames."""
    from matplotlib.figure import Figure

    length, steps = results["length"], results["steps"]
    frames, ms = length["frames"], length["ms"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    wide, close = figure.subplots(1, 2)
    fitted = [length["ms_at_zero"] + length["ms_per_frame"] * n for n in frames]
    for axes, count in ((wide, len(frames)), (close, max(2, sum(n <= 1024 for n in frames)))):
        axes.plot(frames[:count], fitted[:count], color=palette.GREY, label=f"line, R² = {length['r2']:.5f}")
        axes.plot(frames[:count], ms[:count], "o", color=palette.COOL, label=f"measured, {steps} steps")
        axes.set(xlabel="frames (25 a second)", ylabel="milliseconds", ylim=(0, None), xlim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    wide.set_title(f"Text encoder, sampling and decoding\n{results['backend']}")
    close.set_title("The short ones\n(up to 256 frames are one segment)")
    with write_whole(path) as file:
        figure.savefig(file, format="png", dpi=110)


def _sections(results: Mapping[str, Any]) -> list[str]:
    machine, node = results["machine"], results["node"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "numpy", "onnxruntime"))
    sections = [
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}; {versions}; load average "
        f"{machine['load']:.2f}. Default preset: {results['steps']} steps on {results['backend']}.",
        "## Targets",
        _table(["", "measured", "target", ""], _targets(results)),
    ]
    if results["quick"]:
        sections.append("**A quick run**: few runs of everything, a short text; not for quoting.")
    sections += [f"**Not measured: {name}**: {why}" for name, why in results["missing"].items()]
    if node:
        first = node["first_chunk_ms"]
        rows = [
            ["first chunk, p50 / p99", f"{first['p50']:.1f} / {first['p99']:.1f} ms ({node['texts']} texts)"],
            ["cold start", f"{node['cold_start_s']:.2f} s"],
            ["resident memory after its texts", f"{node['rss_mb']:.0f} MB"],
            ["torch in the process", "yes" if node["torch_in_node"] else "no"],
            ["CPU share while streaming", f"{100 * node['cpu_share_streaming']:.1f} % of a core"],
        ]
        sections += ["## The node", _NODE, _table(["", ""], rows)]
    rows = [
        [
            name,
            steps,
            f"{row['first_chunk_ready_ms']['p50']:.1f} / {row['first_chunk_ready_ms']['p99']:.1f}",
            f"{row['clip256_ms']:.1f}",
            f"{row['real_time_factor']:.4f}",
        ]
        for name, by_steps in results["backends"].items()
        for steps, row in by_steps.items()
    ]
    head = ["backend", "steps", "first chunk ready, p50 / p99, ms", "256 frames, ms", "real-time factor"]
    sections += ["## Backends and steps", _BACKENDS, _table(head, rows)]
    if results["backends_unavailable"]:
        sections.append(f"Not available on this machine: {', '.join(results['backends_unavailable'])}.")
    length = results["length"]
    rows = [[f"{n:,}", f"{ms:.1f}", f"{ms / n:.3f}"] for n, ms in zip(length["frames"], length["ms"], strict=True)]
    sections += [
        "## Cost against length\n\n" + _LENGTH.format(**length, steps=results["steps"]),
        _table(["frames", "ms", "ms a frame"], rows),
    ]
    sections += ["## A long text", _STREAM, _table(["", ""], _stream(results))]
    peaks = ", ".join(f"{speed:.0f} at {size}" for size, speed in results["matmul_gflops"].items())
    sections += ["## The U-Net and this machine's peak", _UNET.format(peaks=peaks), *_unet(results["unet"])]
    if results["pytorch"]:
        sections += _pytorch(results)
    rows = [[frames, f"{ms:.3f}"] for frames, ms in results["encode_ms"].items()]
    sections += ["## Encoding a message", _table(["frames in the chunk", "ms"], rows)]
    return sections


def _targets(results: Mapping[str, Any]) -> list[list[str]]:
    """The project's targets, what was measured, and whether each is met."""
    first, speedup = results["first_chunk_ms"], results["speedup"]
    targets: list[tuple[str, float | None, float, str, bool]] = [
        ("first chunk over DDS, p50", first["p50"], 30, "ms", False),
        ("first chunk over DDS, p99", first["p99"], 80, "ms", False),
        ("256 frames in 4 steps", results["clip256_ms"]["4"], 60, "ms", False),
        ("real-time factor", results["real_time_factor"], 0.006, "", False),
        ("times as fast as DDPM, 1,000 steps", speedup["ddpm1000"], 300, "", True),
        ("times as fast as DDIM, 50 steps", speedup["ddim50"], 12, "", True),
        ("U-Net's share of the matrix product's peak", results["unet_share_of_peak"], 0.6, "", True),
        ("resident memory", results["rss_mb"], 230, "MB", False),
        ("cold start", results["cold_start_s"], 1.2, "s", False),
    ]
    stream = results["stream"]
    if results["node"]:
        long = results["node"]["long"]
        where = f"over {long['words']:,} words"
        targets += [
            (f"growth of the node's memory {where}", long["rss_growth_mb"], 5, "MB", False),
            (f"gaps {where}", long["gaps"], 0, "", False),
            (f"late chunks {where}", long["late"], 0, "", False),
        ]
    inside = stream["velocity_step_inside"]
    name = "largest step of velocity at a seam, against the 99th percentile inside segments"
    targets.append((name, stream["velocity_step_seam"], round(inside, 3), "m/s", False))
    rows = []
    for name, value, target, unit, at_least in targets:
        status = "" if value is None else "met" if (value >= target if at_least else value <= target) else "**not met**"
        measured = "not measured" if value is None else f"{value:.4g} {unit}"
        rows.append([name, measured, f"{'≥' if at_least else '≤'} {target:g} {unit}", status])
    return rows


def _stream(results: Mapping[str, Any]) -> list[list[str]]:
    stream, clip = results["stream"], results["real_time_factor"]
    factor = stream["real_time_factor"]
    return [
        ["words", f"{stream['words']:,}"],
        ["frames", f"{stream['frames']:,} in {stream['pieces']:,} pieces"],
        ["real-time factor of the stream", f"{factor:.4f} ({factor / clip:.1f} times that of the clip, {clip:.4f})"],
        ["slowest piece", f"{stream['slowest_piece_ms']:.0f} ms"],
    ]


def _unet(unet: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            frames,
            f"{row['ms']:.2f}",
            f"{row['gflop']:.3f}",
            f"{row['gflop'] / row['ms'] * 1e3:.0f}",
            f"{100 * row['share_of_peak']:.0f} %",
            f"{row['calls']}",
            f"{100 * row['products_share']:.0f} %",
            f"{row['products_gflops']:.0f}",
        ]
        for frames, row in unet.items()
    ]
    head = [
        *("frames", "ms a step", "arithmetic, GFLOP", "GFLOP/s", "share of peak"),
        *("operators run", "products' share", "GFLOP/s in products"),
    ]
    longest, row = next(iter(unet.items()))
    operators = [
        [name, f"{part['calls']}", f"{part['ms']:.2f}", f"{100 * part['ms'] / row['profiled_ms']:.0f} %"]
        for name, part in row["operators"].items()
    ]
    return [
        _table(head, rows),
        _bottleneck(longest, row),
        f"Where the time of a step at {longest} frames goes ({row['profiled_ms']:.2f} ms with profiling on):",
        _table(["operator", "calls", "ms", "share"], operators),
    ]


def _bottleneck(frames: str, row: Mapping[str, Any]) -> str:
    ms, products = row["ms"], row["ms"] * row["products_share"]
    ideal, rest, others = ms * row["share_of_peak"], ms - products, row["calls"] - row["products_calls"]
    return _BOTTLENECK.format(
        frames=frames,
        ideal=ideal,
        products=products,
        calls=row["products_calls"],
        mflop=1e3 * row["gflop"] / row["products_calls"],
        others=others,
        rest=rest,
        each=1e3 * rest / others,
        most=100 * ideal / (ideal + rest),
    )


def _pytorch(results: Mapping[str, Any]) -> list[str]:
    eager, speedup = results["pytorch"], results["speedup"]
    note = _EXTRAPOLATED if eager["extrapolated"] else ""
    rows = [
        ["DDPM, 1,000 steps", f"{eager['ddpm1000_ms']:,.0f}", f"{speedup['ddpm1000']:.0f}"],
        ["DDIM, 50 steps", f"{eager['ddim50_ms']:,.0f}", f"{speedup['ddim50']:.1f}"],
    ]
    return [
        "## Compared with PyTorch",
        _PYTORCH.format(torch=eager["torch"], note=note),
        _table(["sampler", "ms", f"the bundle's {results['steps']} steps are faster by"], rows),
        f"A step of the U-Net takes {eager['unet_ms_per_step']:.1f} ms in PyTorch and "
        f"{results['unet_ms_per_step']:.1f} ms in ONNX Runtime.",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
