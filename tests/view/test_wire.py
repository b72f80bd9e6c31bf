"""P6: what the homeserver sees of right and wrong PINs, of something to come and of nothing, and of a decoy.

Counts, sizes and order are compared exactly. Delays are left to chance by the machine, so that they are compared by
ranks within a round, in which everybody types at the same time; right and wrong, something and nothing change hands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.rig.homeserver import RigHomeserver
from tests.view.episodes import TIMED, Episode, Stage, Typed, stage
from tests.view.ranks import ALPHA, p_value

APPOINTMENTS = {"A": 1, "B": 5, "C": 1, "D": 1, "E": 5}
RIGHT, WRONG, ODD = Typed.RIGHT, Typed.WRONG, Typed.ODD
EVER_ASKED = {
    "GET joined_rooms",
    "GET rooms/messages",
    "GET rooms/state",
    "GET sync",
    "POST createRoom",
    "POST keys/claim",
    "POST keys/query",
    "POST keys/signatures/upload",
    "POST keys/upload",
    "PUT rooms/redact",
    "PUT rooms/send/m.room.encrypted",
    "PUT sendToDevice/m.room.encrypted",
}

Rounds = list[list[Episode]]


async def test_p6_right_wrong_decoy_and_nothing_are_one_on_the_wire(
    homeserver: RigHomeserver, tmp_path: Path
) -> None:
    async with stage(homeserver, tmp_path, APPOINTMENTS) as on:
        await compare(on, rounds=4)


@pytest.mark.nightly
async def test_p6_delays_compared_over_many_rounds(homeserver: RigHomeserver, tmp_path: Path) -> None:
    async with stage(homeserver, tmp_path, APPOINTMENTS) as on:
        await compare(on, rounds=40)
        # alone, so that nobody else's answer wakes the bot: what is not checked is ready at once, a PIN after its check
        alone = []
        for _ in range(20):
            odd, right = await on.round({"C": ODD}), await on.round({"A": RIGHT})
            alone.append([*odd, *right])
        for kind in TIMED:
            p = delays_differ(alone, kind, lambda e: e.typed is ODD)
            assert p > ALPHA, f"the time of a check shows in the moment of {kind}: p = {p:.1e}"


async def compare(on: Stage, *, rounds: int) -> None:
    await on.round(dict.fromkeys(APPOINTMENTS, RIGHT))  # Olm sessions of both directions are begun
    seen: Rounds = [await on.round(dict.fromkeys(APPOINTMENTS, typed)) for typed in (WRONG, RIGHT)]
    for number in range(rounds):
        on.nothing_to_come(("A", "B") if number % 2 else ("D", "E"))
        seen.append(await on.round({"A": RIGHT, "B": WRONG, "C": ODD, "D": RIGHT, "E": WRONG}))
        seen.append(await on.round({"A": WRONG, "B": RIGHT, "C": ODD, "D": WRONG, "E": RIGHT}))
        seen.append(await on.round({"A": RIGHT, "B": RIGHT, "C": ODD, "D": RIGHT, "E": RIGHT}))
    episodes = [episode for one in seen for episode in one]
    assert {(e.appointments, e.typed) for e in episodes} >= {
        (n, t) for n in (0, 1, 5) for t in (RIGHT, WRONG)
    }
    assert len({e.signs for e in episodes}) == 1, differences(episodes)
    kinds = [sign.kind for sign in episodes[0].signs]
    assert kinds == [
        "PUT rooms/redact",
        "GET rooms/state",
        "POST keys/query",
        "PUT sendToDevice/m.room.encrypted",
        "PUT rooms/send/m.room.encrypted",
        "PUT rooms/redact",
    ]
    await decoy(on)
    assert {asked.kind for asked in on.tap.asked} <= EVER_ASKED, (
        "no media, no receipts, no typing, no presence"
    )
    checked = [[e for e in one if e.typed is not ODD] for one in seen]
    for kind in TIMED:
        p = delays_differ(checked, kind, lambda e: e.typed is RIGHT)
        assert p > ALPHA, f"right or wrong shows in the moment of {kind}: p = {p:.1e}"
        p = delays_differ(
            [[e for e in one if e.typed is RIGHT] for one in seen], kind, lambda e: bool(e.appointments)
        )
        assert p > ALPHA, f"something or nothing shows in the moment of {kind}: p = {p:.1e}"


def delays_differ(seen: Rounds, kind: str, is_first: Callable[[Episode], bool]) -> float:
    """The p-value of "these and the others do not differ"."""
    blocks = [
        ([e.delays[kind] for e in one if is_first(e)], [e.delays[kind] for e in one if not is_first(e)])
        for one in seen
    ]
    return p_value([block for block in blocks if all(block)])


async def decoy(on: Stage) -> None:
    """Two nudges; behind one of them nothing is left to tell when the patient asks."""
    on.nothing_to_come(("A", "B"))
    signs = {}
    for patient in ("B", "E"):
        since = len(on.tap.asked)
        talk, _ = on.talks[patient]
        appointment = await on.people.news(patient)
        (nudge,) = await talk.wait_nudges(1)
        await on.practice.settled()
        if patient == "B":
            on.practice.query(
                "UPDATE appointment SET past_after = '2000-01-01T00:00:00.000000Z' WHERE id = ?", appointment
            )
        signs[patient] = on.seen_of(patient, since=since, typed=(), said=(nudge.event,))
    assert signs["B"] == signs["E"]
    assert [sign.kind for sign in signs["B"]][-1] == "PUT rooms/send/m.room.encrypted"
    after = await on.round({"B": RIGHT, "E": RIGHT, "D": WRONG}, before=("show",))
    assert len({e.signs for e in after}) == 1, differences(after)
    held = await on.round({"B": RIGHT, "E": RIGHT, "D": WRONG}, before=("my data",))
    assert len({e.signs for e in held}) == 1, differences(held)
    said = [await on.talks[patient][0].from_bot() for patient in ("B", "E")]
    assert [message.wire_size for message in said[0]][-1] == [message.wire_size for message in said[1]][-1]


def differences(episodes: Sequence[Episode]) -> str:
    """The kinds of sequence that were seen, and whose they are."""
    kinds: dict[object, list[str]] = {}
    for e in episodes:
        kinds.setdefault(e.signs, []).append(f"{e.patient} {e.typed}")
    return "\n".join(f"{whose}: {signs}" for signs, whose in kinds.items())
