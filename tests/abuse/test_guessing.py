"""Codes guessed from many accounts. Rules of ``bot.services.redeem_code``, ``converse`` and ``storage.keyring``."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.domain.codes import ALPHABET, PUBLIC, ParsedCode, parse_code
from bot.domain.conversation import Outcome
from bot.domain.messages import OpenSentence
from bot.domain.values import Secret
from bot.errors import MustWait, WrongSecret
from bot.services.invite_recipient import InviteRecipient
from bot.services.purge import Purge
from bot.services.redeem_code import RedeemCode
from storage import keyring as keyrings
from storage.small_repositories import WRONG_CODES_IN_ALL
from storage.wrap import RFC_9106_SECOND, hash_secret
from tests.services.kit import HOUR, PIN, WRONG_PIN, Person, Practice

WRONG, WAIT = [OpenSentence.CODE_WRONG.value], [OpenSentence.CODE_WAIT.value]
CONSENT = ["reply.consent"]
CROWD = 24
PATIENCE = 60


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


def forged(public: str) -> str:
    """A code of the right form with that public part, and some secret."""
    body = public + "0123" + "".join(secrets.choice(ALPHABET) for _ in range(9))
    return next(body + last for last in ALPHABET if isinstance(parse_code(body + last), ParsedCode))


def guess(office: Practice, public: str, accounts: int, *, name: str = "eve") -> list[Person]:
    """A wrong code from each of so many accounts."""
    people = [office.person(f"{name}{number}") for number in range(accounts)]
    redeem = RedeemCode(office.uow, office.keys)
    for person in people:
        code = parse_code(forged(public))
        assert isinstance(code, ParsedCode)
        outcome = redeem(code, person.room, person.phone, office.now).outcome
        assert outcome is Outcome.CODE_WRONG
    return people


@dataclass
class Hashing:
    """What is seen of Argon2id: how often it ran, how many at once; ``hold`` is asked inside."""

    secrets: list[str] = field(default_factory=list)
    at_once: int = 0
    most: int = 0
    hold: Callable[[str], None] = lambda _: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(secret: Secret, *arguments: Any) -> Any:
            with self._lock:
                self.secrets.append(secret.reveal())
                self.at_once += 1
                self.most = max(self.most, self.at_once)
            try:
                self.hold(secret.reveal())
                return real(secret, *arguments)
            finally:
                with self._lock:
                    self.at_once -= 1

        return run


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    """Looks on; what is computed stays what it is."""
    seen = Hashing()
    for name in ("hash_secret", "relink_verifier"):
        monkeypatch.setattr(keyrings, name, seen.around(getattr(keyrings, name)))
    return seen


def as_slow_as_in_use(_: str) -> None:
    """The tests' profile is over before two could meet."""
    hash_secret(Secret("x"), b"\0" * 16, RFC_9106_SECOND)


# -- the limit over all senders -------------------------------------------------------------------------------------


async def test_rule_6_many_wrong_codes_slow_all_who_sent_one(office: Practice) -> None:
    public = office.invite().public
    people = guess(office, public, WRONG_CODES_IN_ALL)
    late = office.person("late")
    assert await late.say(forged(public)) == WRONG, "an account's first code is looked at"
    for person in (*people[:3], people[-1], late):
        assert await person.say(forged(public)) == WAIT
    office.clock.moment += HOUR / 2
    assert await people[0].say(forged(public)) == WAIT
    office.clock.moment += HOUR / 2
    assert await people[0].say(forged(public)) == WRONG


async def test_rule_6_a_few_wrong_codes_slow_nobody_else(office: Practice) -> None:
    public = office.invite().public
    people = guess(office, public, WRONG_CODES_IN_ALL - 2)
    assert await people[0].say(forged(public)) == WRONG


async def test_rule_6_open_invitations_are_untouched(office: Practice) -> None:
    """During the flood and after it: whoever has a right code gets in, at once or after one wait."""
    mine, yours, theirs = office.invite("P-1"), office.invite("P-2"), office.invite("P-3")
    before = office.everything()["invitation"]
    guess(office, mine.public, WRONG_CODES_IN_ALL + 5)
    assert office.everything()["invitation"] == before
    assert await office.person("anna").say(mine.code.reveal()) == CONSENT
    slow = office.person("slow")
    assert await slow.say(forged(yours.public)) == WRONG
    assert await slow.say(yours.code.reveal()) == WAIT
    office.clock.moment += HOUR
    assert await slow.say(yours.code.reveal()) == CONSENT
    guess(office, theirs.public, WRONG_CODES_IN_ALL, name="more")
    assert await office.person("third").say(theirs.code.reveal()) == CONSENT


async def test_rule_6_the_limit_survives_a_restart(office: Practice) -> None:
    public = office.invite().public
    people = guess(office, public, WRONG_CODES_IN_ALL)
    office.start_bot()
    assert await people[0].say(forged(public)) == WAIT
    office.clock.moment += HOUR
    assert await people[0].say(forged(public)) == WRONG


async def test_rule_6_a_clock_set_back_starts_the_wait_again_once(office: Practice) -> None:
    public = office.invite(days=1000).public
    people = guess(office, public, WRONG_CODES_IN_ALL)
    office.clock.moment -= 365 * 24 * HOUR
    assert await people[0].say(forged(public)) == WAIT, "no shorter"
    office.clock.moment += HOUR / 2
    assert await people[0].say(forged(public)) == WAIT
    office.clock.moment += HOUR / 2
    assert await people[0].say(forged(public)) == WRONG, "and not a year longer"


async def test_a_senders_own_wait_ends_though_the_clock_was_set_back(office: Practice) -> None:
    public = office.invite(days=1000).public
    eve = office.person("eve")
    for _ in range(3):
        assert await eve.say(forged(public)) == WRONG
    office.clock.moment -= 365 * 24 * HOUR
    assert await eve.say(forged(public)) == WAIT
    office.clock.moment += HOUR / 60
    assert await eve.say(forged(public)) == WRONG


async def test_rule_6_where_the_count_cannot_be_kept_nothing_is_looked_at(
    office: Practice, hashing: Hashing
) -> None:
    invited = office.invite()
    anna = office.person("anna")
    office.execute("ALTER TABLE guess RENAME TO away")
    assert await anna.say(invited.code.reveal()) == [OpenSentence.OUT_OF_ORDER.value]
    assert hashing.secrets == []
    office.execute("ALTER TABLE away RENAME TO guess")
    assert await anna.say(invited.code.reveal()) == CONSENT


async def test_wrong_codes_are_forgotten_after_a_day(office: Practice) -> None:
    guess(office, office.invite().public, 3)
    office.clock.moment += 23 * HOUR
    Purge(office.home.uow, office.keys)(office.now)
    assert len(office.everything()["guess"]) == 4
    office.clock.moment += 2 * HOUR
    Purge(office.home.uow, office.keys)(office.now)
    assert office.everything()["guess"] == []


# -- Argon2id -------------------------------------------------------------------------------------------------------


async def test_rule_7_argon2id_runs_for_a_code_that_is_open_to_the_sender_only(
    office: Practice, hashing: Hashing
) -> None:
    taken, old, revoked, fit = (office.invite(f"P-{n}", days=days) for n, days in enumerate((9, 1, 9, 9)))
    assert await office.person("first").say(taken.code.reveal()) == CONSENT
    InviteRecipient(office.home.uow, office.registrar).revoke(revoked.recipient, now=office.now)
    office.clock.moment += 24 * HOUR
    hashing.secrets.clear()
    for number, public in enumerate(("0" * PUBLIC, taken.public, old.public, revoked.public)):
        assert await office.person(f"eve{number}").say(forged(public)) == WRONG
    assert hashing.secrets == []
    eve = office.person("eve")
    for _ in range(3):
        assert await eve.say(forged(fit.public)) == WRONG
    assert await eve.say(forged(fit.public)) == WAIT
    assert len(hashing.secrets) == 3


async def test_rule_4_a_pin_during_a_wait_costs_no_argon2id(office: Practice, hashing: Hashing) -> None:
    anna = await office.enrolled()
    recipient = anna.recipient
    for _ in range(4):
        with pytest.raises(WrongSecret):
            office.keys.unlock(recipient, Secret(WRONG_PIN))
    hashing.secrets.clear()
    for _ in range(5):
        with pytest.raises(MustWait):
            office.keys.unlock(recipient, Secret(PIN))
        with pytest.raises(MustWait):
            office.keys.rewrap(recipient, Secret(PIN), Secret(PIN))
    assert hashing.secrets == []
    office.clock.moment += HOUR
    office.keys.unlock(recipient, Secret(PIN))


async def test_rule_4_argon2id_runs_at_most_twice_at_once(office: Practice, hashing: Hashing) -> None:
    """PINs, codes and codes that re-pin, each from threads of their own, all at the same time."""
    anna, invited = await office.enrolled("P-1"), office.invite("P-2")
    relink = InviteRecipient(office.home.uow, office.registrar).relink(
        "P-1", recipient=None, valid=24 * HOUR, now=office.now
    )
    hashing.secrets.clear()
    with office.home.uow() as uow:
        code_of, invitation = uow.recipients.get(invited.recipient), uow.invitations.get(relink.public)
    assert code_of is not None
    assert invitation is not None
    recipient, wrong = anna.recipient, Secret("0" * 13)

    def unlock(number: int) -> None:
        match number % 3:
            case 0:
                office.keys.unlock(recipient, Secret(PIN))
            case 1:
                assert not office.keys.check_code(invitation, wrong)
            case _:
                with pytest.raises(WrongSecret):
                    office.keys.unlock(code_of, wrong)

    hashing.hold = as_slow_as_in_use
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(unlock, range(12)))
    assert (len(hashing.secrets), hashing.most) == (12, 2), "two, and never more"


async def test_rule_7_a_crowd_that_guesses_leaves_a_place_for_pins_and_every_thread_for_talk(
    office: Practice, hashing: Hashing
) -> None:
    """More wrong codes than there are threads hang in Argon2id: a patient asks, types the PIN, and is answered."""
    anna = await office.enrolled("P-1")
    public = office.invite("P-2").public
    typed = [(office.person(f"eve{n}"), forged(public)) for n in range(CROWD)]
    hashed = {code[PUBLIC:-1] for _, code in typed}
    let_go = threading.Event()
    hashing.hold = lambda secret: _wait(let_go) if secret in hashed else None
    handle = office.converse.handle
    crowd = asyncio.gather(*(handle(person.message(code)) for person, code in typed))
    try:
        for text in ("help", "show", PIN):
            await asyncio.wait_for(handle(anna.message(text)), PATIENCE)
        assert not crowd.done()
        assert sum(secret in hashed for secret in hashing.secrets) <= 1, "codes come one after the other"
        assert PIN in hashing.secrets
    finally:
        let_go.set()
        await crowd
    assert hashing.most <= 2
    assert sum(secret in hashed for secret in hashing.secrets) == CROWD


def _wait(event: threading.Event) -> None:
    assert event.wait(2 * PATIENCE)
