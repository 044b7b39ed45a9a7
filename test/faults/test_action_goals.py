"""Goals of the action tts_msgs/action/TTS, from several clients, canceled at random: each ends once, none is lost."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from caller import Call, Caller, tts_msgs
from conftest import Process
from rclpy.qos import qos_profile_action_status_default

from faults.ledger import LONG, TIMEOUT, Ledger
from faults.witness import Witness, memory

GOALS = 3000 if LONG else 60
CLIENTS = 3
UNDER_WAY = 12
"""Goals of one client that have not ended, at most."""
SPEED = 5.0
"""Of the clock: what is signed has to be played."""
TEXTS = [
    "a",
    "no tea",
    "bo",
    "thank you",
    "<set expression(happy)> you",
    "[slow]i[/slow] can",
    "can i get a coffee please",
]
SUCCEEDED, CANCELED, ABORTED = GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_ABORTED


class Client(Caller):
    """Also follows the states of the goals; ``wrong`` is what must not be."""

    def __init__(self, name: str) -> None:
        super().__init__(name, motion=False)
        self.states: dict[bytes, int] = {}
        self.wrong: list[str] = []
        topic, qos = "/signer/tts/_action/status", qos_profile_action_status_default
        self.node.create_subscription(GoalStatusArray, topic, self._on_states, qos)

    def _on_states(self, message: GoalStatusArray) -> None:
        for goal in message.status_list:
            id = goal.goal_info.goal_id.uuid.tobytes()
            before = self.states.get(id, 0)
            if before in (SUCCEEDED, CANCELED, ABORTED) and goal.status != before:
                self.wrong.append(f"a goal ended with {before}, then with {goal.status}")
            self.states[id] = goal.status


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Client]]:
    monkeypatch.syspath_prepend(str(tts_msgs()))
    monkeypatch.setenv("PYTHONPATH", str(tts_msgs()), prepend=":")
    clients = [Client(f"client_{number}") for number in range(CLIENTS)]
    yield clients
    for client in clients:
        client.close()


def _use(client: Client, rng: random.Random, goals: int, progress: Callable[[str], None]) -> Counter[str]:
    """Send goals, and cancel most of them sooner or later; returns what was done how often."""
    done: Counter[str] = Counter()
    cancels: list[tuple[float, Call]] = []
    while len(client.calls) < goals or cancels:
        under_way = sum(not call.results for call in client.calls[-10 * UNDER_WAY :])
        if len(client.calls) < goals and under_way < UNDER_WAY:
            call = client.call(rng.choice(TEXTS) if rng.random() < 0.9 else rng.choice(["", "你好"]))
            done["sent"] += 1
            if rng.random() < 0.6:
                cancels.append((time.monotonic() + rng.choice([0.0, 0.01, 0.1, 0.5, 1.5]), call))
            progress(f"{len(client.calls)} goals of one client")
        for at, call in list(cancels):
            if call.accepted and time.monotonic() >= at:
                call.handle.cancel_goal_async()
                done["canceled"] += 1
                cancels.remove((at, call))
        time.sleep(rng.choice([0.0, 0.005, 0.05]))
    return done


@pytest.mark.timeout(TIMEOUT)
def test_every_goal_ends_once(
    run_signer: Callable[..., Process],
    clients: list[Client],
    witness: Witness,
    close_books: Callable,
    ledger: Ledger,
    progress: Callable[[str], None],
) -> None:
    process = run_signer(
        at_once=True, speed=SPEED, lead_time=0.2, start_delay=0.1, preset="fastest", queue_size=100, max_rate=0.0
    )
    counts = [Counter[str]() for _ in clients]

    def use(number: int) -> None:
        counts[number] += _use(clients[number], random.Random(number), GOALS // CLIENTS, progress)

    users = [threading.Thread(target=use, args=(number,)) for number in range(CLIENTS)]
    witness.connect(process)
    for client in clients:
        client.connect()
    witness.signs()
    before = memory(process)
    for user in users:
        user.start()
    while any(user.is_alive() for user in users):
        witness.send("tea")  # texts come in between
        time.sleep(0.5)
    for user in users:
        user.join()
    for client in clients:
        client.ended(*client.calls, timeout=120.0)
    calls = [call for client in clients for call in client.calls]
    witness.sent += len(calls)
    witness.settle()
    ends = {call.id.bytes: witness.ended[call.id.bytes] for call in calls}
    row = close_books(f"{GOALS} action goals of {CLIENTS} clients, canceled at random", witness, process, before)
    assert len(calls) == len({call.id for call in calls}) == GOALS
    assert all(call.accepted and len(call.results) == 1 for call in calls), "each has one result"
    differ = [(call.status, ends[call.id.bytes], call.error, call.words) for call in calls]
    assert not [each for each in differ if each[0] != each[1]], "the same as on ~/status"
    assert not [wrong for client in clients for wrong in client.wrong]
    for call in calls:
        assert bool(call.error) == (call.status != SUCCEEDED)
        assert " ".join(call.words).startswith(call.text), "of the last word perhaps only the first letters"
    outcomes, asked = Counter(call.status for call in calls), sum(counts, Counter[str]())
    assert set(outcomes) == {SUCCEEDED, CANCELED, ABORTED} and outcomes[CANCELED] <= asked["canceled"]
    ledger.remark(
        f"{GOALS} action goals, {asked['canceled']} times canceled: {outcomes[SUCCEEDED]} succeeded, "
        f"{outcomes[CANCELED]} canceled, {outcomes[ABORTED]} aborted, {GOALS - outcomes.total()} without a result"
    )
    assert row.lost == 0
