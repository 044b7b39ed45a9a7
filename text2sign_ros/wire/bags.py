"""Bags of ``ros2 bag`` with the topics of a signer: written as MCAP, read as MCAP or SQLite."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from text2sign_ros.errors import Text2SignError
from text2sign_ros.wire.recording import TYPES, Message

SUFFIXES = (".mcap", ".db3")
"""Of a bag that is a file; a bag may be a folder as well."""
_DEPTH = {"layout": 1, "status": 1, "captions": 100, "trajectory": 100}


class BagError(Text2SignError):
    """A file that is no bag, or has no motion of a signer, or several."""


def write(path: Path, sent: Iterable[Message], node: str = "/signer") -> None:
    """Write an MCAP file as ``ros2 bag record`` does, with the definitions of the messages; whole or not at all.

    Args:
        path: the file.
        sent: the messages in the order of time.
        node: whose topics they are.

    Raises:
        ModuleNotFoundError: the extra ``files`` is not installed.
    """
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        # Of version 8, which writes QoS as numbers: every distribution reads these. The file names itself in its index.
        bag = Writer(Path(folder) / path.stem, version=8, storage_plugin=StoragePlugin.MCAP)
        bag.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with bag as writer:
            connections = {}
            for topic, kind in TYPES.items():
                name, qos = f"{node}/{topic}", [_qos(topic)]
                connections[topic] = writer.add_connection(name, kind, typestore=store, offered_qos_profiles=qos)
            for message in sent:
                writer.write(connections[message.topic], message.time_ns, message.data)
        os.replace(Path(folder) / path.stem / f"{path.stem}.mcap", path)


def _qos(topic: str):
    """As the node offers it: reliable, and transient local but for the chunks."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    unlimited = QosTime(0, 0)
    durability = QosDurability.VOLATILE if topic == "trajectory" else QosDurability.TRANSIENT_LOCAL
    return Qos(
        *(QosHistory.KEEP_LAST, _DEPTH[topic], QosReliability.RELIABLE, durability, unlimited, unlimited),
        *(QosLiveliness.SYSTEM_DEFAULT, unlimited, False),
    )


def read(path: Path, trajectory: str = "") -> Iterator[Message]:
    """The messages of a signer in a bag, in the order in which they were recorded.

    Args:
        path: a folder or a file of ``SUFFIXES``.
        trajectory: the topic of the motion; empty: the only one of its type. The others are those beside it.

    Raises:
        BagError: it is no bag, or has no such topic, or several and none is named.
        ModuleNotFoundError: the extra ``files`` is not installed.
    """
    from rosbags.rosbag2 import Reader

    if not path.exists():
        raise BagError(f"{path} does not exist")
    try:
        with Reader(path) as bag:
            kinds = {connection.topic: connection.msgtype for connection in bag.connections}
            beside = _named(path, kinds, trajectory).rpartition("/")[0]
            wanted = {f"{beside}/{topic}": topic for topic in TYPES} | {_named(path, kinds, trajectory): "trajectory"}
            chosen = [c for c in bag.connections if TYPES.get(wanted.get(c.topic, "")) == c.msgtype]
            for connection, time_ns, data in bag.messages(chosen):
                yield Message(wanted[connection.topic], time_ns, bytes(data))
    except (BagError, ModuleNotFoundError):
        raise
    except Exception as error:  # rosbags and what it reads with raise all kinds of exceptions for broken files
        raise BagError(f"{path} is not a readable bag: {type(error).__name__}: {error}") from error


def _named(path: Path, kinds: dict[str, str], trajectory: str) -> str:
    """The topic of the motion."""
    found = sorted(topic for topic, kind in kinds.items() if kind == TYPES["trajectory"])
    if trajectory:
        if trajectory not in found:
            raise BagError(f"{path} has no motion on {trajectory}; it has some on {', '.join(found) or 'no topic'}")
        return trajectory
    if not found:
        raise BagError(f"{path} has no topic of type {TYPES['trajectory']}, but {', '.join(sorted(kinds)) or 'none'}")
    if len(found) > 1:
        raise BagError(f"{path} has several motions: {', '.join(found)}; name one with --topic")
    return found[0]
