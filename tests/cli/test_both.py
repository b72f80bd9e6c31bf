"""One definition of each command: run on the command line and as a line of the room, it does and says the same."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.app import Installation
from bot.channels.matrix.session import Seeds
from bot.cli.approvals import VALID
from bot.cli.seat import Seat, seat, taken
from bot.cli.staffroom import COMMANDS
from bot.domain.records import AnswerKind, AnswerState, RecipientState, Room, StoredAnswer
from bot.domain.staff import Member, MemberId, Role
from bot.domain.values import AppointmentId, Language, RecipientId, RoomId, UserId
from bot.services.record_answer import ReadAnswers
from bot.services.tallies import WEEK, Counted, tally
from config.catalogue import load
from storage.answer_box import seal_answer
from tests.cli.error_texts import error_texts
from tests.cli.shell import pli
from tests.cli.staff_room import ADMINISTRATOR, LINES, OTHER, SECRETARY, staff_audit
from tests.cli.staff_room import Room as StaffRoom
from tests.cli.test_commands import ics

BOTH = "the command line", "the room"


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One of the two; ``say`` gives back what was read there, and fails for a refusal unless one is expected."""

    name: str
    say: Callable[..., str]

    def hint(self, shell: str, line: str) -> str:
        """What is to be typed next, in the words of the place."""
        return shell if self.name == BOTH[0] else line


@pytest.fixture(params=BOTH)
def way(request: pytest.FixtureRequest, home: Installation) -> Way:
    """``say(words of the command line, line of the room)``."""
    room = StaffRoom(home)

    def on_the_command_line(shell: str, line: str, *, refused: bool = False) -> str:
        assert line
        done = pli(*_shell_words(shell))
        assert (done.code != 0) is refused, (done.out, done.err)
        return done.out + done.err

    def in_the_room(shell: str, line: str, *, refused: bool = False) -> str:
        reply = room.say(line)
        assert reply.texts, (shell, refused)
        return "\n".join(reply.texts)

    chosen = on_the_command_line if request.param == BOTH[0] else in_the_room
    return Way(name=request.param, say=chosen)


def _shell_words(line: str) -> list[str]:
    return [a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', line)]


def words_of(text: str) -> set[str]:
    """Without ids and codes, which are drawn anew each time, and without what only draws."""
    plain = unicodedata.normalize("NFC", text)
    found = re.findall(r"[^\s:·•]+", plain)
    return {w for w in found if not re.fullmatch(r"[rwa]-[a-z0-9]{16}|([0-9A-Z]{4}-){4}[0-9A-Z]{4}", w)}


# What is to be typed next has the room's own words there.
HINTS = {word for command in COMMANDS for word in command.french.split()}


def recipient_of(home: Installation, reference: str) -> RecipientId:
    with home.uow() as uow:
        patient = uow.patients.by_reference(reference)
        assert patient is not None
        (recipient,) = uow.patients.recipients_of(patient.id)
        return recipient


def enrol(home: Installation, reference: str = "P-1", *, room: bool = False) -> RecipientId:
    """As far as a command of the practice can tell."""
    recipient = recipient_of(home, reference)
    with home.uow() as uow:
        known = uow.recipients.get(recipient)
        assert known is not None
        values = {name: getattr(known, name) for name in known.__slots__} | {"state": RecipientState.ENROLLED}
        uow.recipients.save(type(known)(**values))
        if room:
            uow.rooms.add(
                Room(
                    id="room-1",
                    room=RoomId("!room:example.org"),
                    user=UserId("@p:example.org"),
                    language=Language.FR,
                    recipient=recipient,
                )
            )
        uow.commit()
    return recipient


def answered(home: Installation, source: str = "u-1") -> str:
    """An answer as the bot leaves it: sealed to the practice."""
    recipient = recipient_of(home, "P-1")
    with home.uow() as uow:
        patient = uow.patients.by_reference("P-1")
        assert patient is not None
        row = uow.appointments.of_patient(patient.id)[0]
        at = "2026-12-03T14:30+01:00"
        content = {"source": source, "patient": "P-1", "at": at, "with": "Noël", "text": ""}
        blob = seal_answer(
            json.dumps(content).encode(),
            answer="w-1",
            recipient=recipient,
            practice_public=home.keys.answer_public,
        )
        uow.answers.add(
            StoredAnswer(
                id="w-1",
                appointment=AppointmentId(row.id),
                recipient=recipient,
                time_revision=row.time_revision,
                kind=AnswerKind.CANCELLED,
                state=AnswerState.OPEN,
                at=datetime.now(UTC),
                blob=blob,
            )
        )
        uow.commit()
    return "w-1"


# -- each shared command, both ways ---------------------------------------------------------------------------------


def test_patients(way: Way) -> None:
    hint = way.hint("pli patient add REF", "patient ajouter REF")
    nobody = way.say("patient list", "patients").strip()
    assert nobody == f"Aucun patient pour le moment. Pour en ajouter un : {hint}"
    for shell, line in (
        ("patient add P-1 --name Léa", "patient ajouter P-1 nom Léa"),
        ('patient add P-2 --name "Marie Anne"', "nouveau patient P-2 nom « Marie Anne »"),
    ):
        assert way.say(shell, line).startswith("Ajouté : P-")
    assert words_of(way.say("patient list", "patients")) >= {
        "P-1",
        "Léa",
        "P-2",
        "Marie",
        "Anne",
        "prévenus",
        "prêts",
        "0",
    }
    found = words_of(way.say("patient list lea", "Patients lea."))
    assert "P-1" in found
    assert "P-2" not in found
    assert "Personne" in found, "whom there is to name"
    assert way.say("patient list zzz", "patients zzz").strip() == (
        "Aucun patient n’a ce texte dans sa référence ou son prénom."
    )
    assert way.say("patient remove P-1 P-2 --yes", "patient retirer P-1 P-2 oui").strip() == (
        "2 patients sont retirés, avec 0 personne prévenue."
    )
    assert "Aucun patient" in way.say("patient list", "patients")


def test_invite(way: Way, home: Installation, tmp_path: Path) -> None:
    pli("patient", "add", "P-1")
    pli("patient", "add", "P-2")
    pli("agenda", "import", ics(tmp_path, "u-1"))
    text = way.say(
        "invite P-1 --also P-2 --lang en --expires 2d", "inviter P-1 aussi P-2 langue en valable 2d"
    )
    assert re.search(r"code\W+([0-9A-Z]{4}-){4}[0-9A-Z]{4}", text)
    assert words_of(text) >= {
        "destinataire",
        "lien",
        "https",
        "valable",
        "Montré",
        "seule",
        "1",
        "venir",
        "importez",
    }
    recipient = recipient_of(home, "P-2")
    with home.uow() as uow:
        known = uow.recipients.get(recipient)
        assert known is not None
        assert known.language is Language.EN
        (invitation,) = uow.invitations.open_for(recipient)
    assert (
        timedelta(days=2) - timedelta(minutes=2) < invitation.expires - datetime.now(UTC) <= timedelta(days=2)
    )


def test_relink(way: Way, home: Installation) -> None:
    pli("patient", "add", "P-1")
    pli("invite", "P-1")
    recipient = enrol(home)
    text = way.say("relink P-1", "Nouveau téléphone P-1")
    assert re.search(r"code\W+([0-9A-Z]{4}-){4}[0-9A-Z]{4}", text)
    assert "La clé et le code PIN restent." in text
    with home.uow() as uow:
        (invitation,) = [i for i in uow.invitations.open_for(recipient) if i.kind.value == "relink"]
    assert invitation.recipient == recipient


def test_reset(way: Way, home: Installation) -> None:
    pli("patient", "add", "P-1")
    pli("invite", "P-1")
    old = enrol(home, room=True)
    text = way.say("reset P-1 --yes", "réinitialiser P-1 oui")
    assert re.search(r"code\W+([0-9A-Z]{4}-){4}[0-9A-Z]{4}", text)
    assert "L’ancienne clé est détruite. Patients : P-1" in text
    assert "C’est dit dans l’ancienne conversation." in text
    assert "pas de jeton d’administrateur ici" in text, "what is left to do is said"
    assert home.keyring.tries_left(old) == 0, "the key is destroyed"
    with home.uow() as uow:
        known = uow.recipients.get(old)
        assert known is not None
        assert known.state is RecipientState.LOCKED


def test_answers(way: Way, home: Installation, tmp_path: Path) -> None:
    assert way.say("answers", "réponses").strip() == "Aucune réponse en attente."
    pli("patient", "add", "P-1")
    pli("invite", "P-1")
    pli("agenda", "import", ics(tmp_path, "u-1"))
    answer = answered(home)
    text = way.say("answers", "Réponses")
    assert words_of(text) >= {"ne", "peut", "venir", "P-1", "03/12/2026", "Noël", "u-1"}
    assert "14:30" in text
    assert "Traitée" in way.say(f"answers done {answer}", "réponses fait 1")
    assert way.say("answers", "réponses").strip() == "Aucune réponse en attente."


def test_stats(way: Way, home: Installation) -> None:
    assert "rien à compter" in way.say("stats", "statistiques")
    with home.uow() as uow:
        tally(uow, Counted.NUDGED, home.clock.now() - WEEK, 37)
        uow.commit()
    assert words_of(way.say("stats --weeks 3", "statistiques --semaines 3")) >= {"37", "<5", "lundi"}


def test_audit(home: Installation) -> None:
    """The rows that the room adds by being asked are its own: what is said of one patient is the same in both."""
    pli("patient", "add", "P-1")
    pli("invite", "P-1")
    room = StaffRoom(home)
    there = words_of("\n".join(room.say("journal P-1").texts))
    here = words_of(pli("audit", "show", "P-1").out)
    assert {"invitation", recipient_of(home, "P-1")} & there == {"invitation"}
    assert there <= here
    assert "administrateur" in "\n".join(room.say("journal").texts)
    assert "invitation" in "\n".join(room.say("journal", ADMINISTRATOR).texts)
    assert "intact" in pli("audit", "verify").out
    assert "intact" in "\n".join(room.say("journal vérifier", ADMINISTRATOR).texts)


def test_help(way: Way) -> None:
    text = way.say("help", "aide")
    assert all(f"\n{start} " in f"\n{text}" for start in ("inviter", "patients", "réinitialiser", "relier"))
    assert "inviter P-1001 aussi P-1002" in way.say("help invite", "aide inviter")


REFUSALS = [
    ("patient add P-1", "patient ajouter P-1", "déjà là", "déjà là"),
    ('patient add " "', 'patient ajouter " "', "une référence", "une référence"),
    ("patient remove P-9 --yes", "patient retirer P-9 oui", "Aucun patient", "Aucun patient"),
    ("invite P-9", "inviter P-9", "Aucun patient", "Aucun patient"),
    ("invite P-1 --expires soon", "inviter P-1 valable bientôt", "14d", "14d"),
    ("invite P-1 --lang tlh", "inviter P-1 langue tlh", "tlh", "valeurs"),
    ("invite", "inviter", "Usage", "Il manque"),
    ("relink P-1", "relier P-1", "Personne n’est encore inscrit", "Personne n’est encore inscrit"),
    ("reset P-1 --yes", "code P-1 oui", "Personne n’est prévenu", "Personne n’est prévenu"),
    ("answers done w-none", "réponses fait 1", "Aucune réponse", "Aucune réponse"),
    ("answers --since lately", "réponses --depuis bientôt", "pas de jour", "pas de jour"),
    ("stats --weeks 0", "chiffres --semaines 0", "--weeks", "valeurs"),
    ("help nothing", "aide rien", "n’existe pas", "n’existe pas"),
    ("audit show P-9", "journal P-9", "Aucun patient", "Aucun patient"),
    ("audit show --since lately", "journal P-1 depuis bientôt", "pas de jour", "pas de jour"),
    ("approve 1", "approuver 1", "dans la salle", "Rien n’attend"),
]


@pytest.mark.parametrize(("shell", "line", "english", "french"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_a_refusal_is_told_in_words_both_ways(
    way: Way, shell: str, line: str, english: str, french: str
) -> None:
    pli("patient", "add", "P-1")
    text = way.say(shell, line, refused=True)
    assert (english if way.name == BOTH[0] else french) in text
    assert "Traceback" not in text


def test_every_shared_command_is_here() -> None:
    here = Path(__file__)
    source = here.read_text() + here.with_name("test_acts_both.py").read_text()
    missing = [n for n in LINES if n not in ("approve",) and f"def test_{n.split()[0]}" not in source]
    assert missing == []


# -- the same words, compared ---------------------------------------------------------------------------------------

ALIKE = [
    ("patient list", "patients"),
    ("patient list P-1", "patients P-1"),
    ("invite P-1 --another", "inviter P-1"),
    ("answers", "réponses"),
    ("help invite", "aide inviter"),
]


@pytest.mark.parametrize(("shell", "line"), ALIKE, ids=[shell for shell, _ in ALIKE])
def test_the_room_says_nothing_that_the_command_line_does_not(
    home: Installation, shell: str, line: str
) -> None:
    """The command line may have headings besides, and says for whom a command is."""
    pli("patient", "add", "P-1", "--name", "Léa")
    Seeds.load_or_make(
        home.bot_dir
    )  # so that there is a leaflet, and the room need not say why there is none
    room = StaffRoom(home)
    there = words_of("\n".join(room.say(line).texts))
    here = pli(*shell.split())
    assert there - HINTS <= words_of(here.out + here.err), shell
    assert len(there - HINTS) >= 3


# -- what the room alone has ----------------------------------------------------------------------------------------


@pytest.fixture
def room(home: Installation) -> StaffRoom:
    return StaffRoom(home)


def patients(home: Installation, number: int) -> str:
    """So many; their references in one line."""
    references = [f"Q-{n}" for n in range(number)]
    for reference in references:
        assert pli("patient", "add", reference).code == 0
    assert home
    return " ".join(references)


def test_nobody_is_asked_in_between(room: StaffRoom) -> None:
    pli("patient", "add", "P-1")
    told = room.text("patient retirer P-1")
    assert told.endswith("patient retirer P-1 oui")
    assert "P-1" in room.text("patients")
    assert "retiré" in room.text(told.rpartition("tapez : ")[2])
    assert "Aucun patient" in room.text("patients")


def test_what_is_to_be_typed_is_quoted_where_it_must_be(room: StaffRoom) -> None:
    pli("patient", "add", "P 1")
    told = room.text("patient retirer « P 1 »")
    assert "retiré" in room.text(told.rpartition("tapez : ")[2])


def test_up_to_five_one_member_decides_alone(room: StaffRoom) -> None:
    assert "5 patients sont retirés" in room.text(f"patient retirer {patients(room.home, 5)} oui")


def test_more_than_five_need_a_second_member(room: StaffRoom) -> None:
    line = f"patient retirer {patients(room.home, 6)} oui"
    assert "approuver 1" in room.text(line)
    assert room.text("approuver", OTHER) == "1 : patient retirer, 6 personnes"
    assert "n’approuve pas" in room.text("approuver 1")
    assert "Q-0" in room.text("patients"), "nothing was done yet"
    done = room.text("approuver 1", ADMINISTRATOR)
    assert "6 patients sont retirés" in done
    assert "Rien n’attend" in room.text("approuver 1", OTHER), "good once"
    assert staff_audit(room.home)[0] == ("staff_act", SECRETARY, "patient remove")
    assert ("staff_act", ADMINISTRATOR, "approve") in staff_audit(room.home)


def test_a_reset_of_many_needs_a_second_member_as_well(room: StaffRoom) -> None:
    references = patients(room.home, 6)
    for reference in references.split():
        pli("invite", reference)
    assert "6 personnes" in room.text(f"reset {references} oui")
    done = room.text("approuver 1", OTHER)
    assert len(re.findall(r"([0-9A-Z]{4}-){4}[0-9A-Z]{4}", done)) == 6


def test_an_approval_is_forgotten_after_an_hour_and_with_the_process(room: StaffRoom) -> None:
    line = f"patient retirer {patients(room.home, 6)} oui"
    room.text(line)
    room.home.clock = _Later(VALID)
    assert "Rien n’attend" in room.text("approuver 1", OTHER)
    room.text(line)
    room.restart()
    assert "Rien n’attend" in room.text("approuver 2", OTHER)
    assert "Q-0" in room.text("patients")


class _Later:
    """The system's clock, so much later."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by

    def monotonic(self) -> float:
        return 0.0


def test_what_has_grown_since_is_asked_for_again(room: StaffRoom) -> None:
    references = patients(room.home, 6)
    room.text(f"patient retirer {references} oui")
    for _ in range(7):
        pli("invite", "Q-0", "--another")
    assert "plus de personnes" in room.text("approuver 1", OTHER)
    assert "Q-0" in room.text("patients")


def test_an_approval_whose_asker_is_no_member_any_more_is_void(room: StaffRoom) -> None:
    room.text(f"patient retirer {patients(room.home, 6)} oui")
    with room.home.uow() as uow:
        uow.staff.remove(SECRETARY)
        uow.commit()
    assert "Rien n’attend" in room.text("approuver 1", OTHER)
    assert "Q-0" in room.text("patients", OTHER)


def test_the_command_line_needs_no_second(home: Installation) -> None:
    assert pli("patient", "remove", *patients(home, 6).split(), "--yes").code == 0


def test_a_number_means_the_list_that_this_member_asked_for(room: StaffRoom, tmp_path: Path) -> None:
    pli("patient", "add", "P-1")
    pli("invite", "P-1")
    pli("agenda", "import", ics(tmp_path, "u-1"))
    answered(room.home)
    assert "Aucune réponse n’a ce numéro" in room.text("réponses fait 1")
    room.text("réponses")
    assert "Aucune réponse n’a ce numéro" in room.text("réponses fait 1", OTHER)
    assert "Aucune réponse n’a ce numéro" in room.text("réponses fait 2")
    room.restart()
    assert "Aucune réponse n’a ce numéro" in room.text("réponses fait 1")
    room.text("réponses")
    assert "Traitée : 1" in room.text("réponses fait 1")


def test_a_defect_is_answered_in_words(room: StaffRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(ReadAnswers, "__call__", broken)
    told = room.text("réponses")
    assert "Appelez l’administrateur" in told
    assert "canary" not in told


def test_a_database_that_refuses_is_told_in_words(room: StaffRoom) -> None:
    with room.home.engine.begin() as db:
        db.exec_driver_sql("ALTER TABLE patient RENAME TO gone")
    assert room.text("patients") == "La base ou le coffre ne répond pas. Appelez l’administrateur."


def test_a_seat_is_given_back(home: Installation) -> None:
    member = Member(
        id=MemberId("m"),
        user=UserId("@m:x"),
        role=Role.SECRETARY,
        language=Language.FR,
        added_at=datetime.now(UTC),
    )
    with pytest.raises(ZeroDivisionError), taken(Seat(home=home, member=member)):
        raise ZeroDivisionError
    assert not seat().in_room


SHARED = (
    *(
        f"bot/cli/{n}.py"
        for n in ("patients", "invitations", "reset", "answers", "approvals", "room_help", "line")
    ),
    *(f"bot/cli/{n}.py" for n in ("room_run", "desk_orders")),
    *(f"bot/cli/{n}.py" for n in ("acts", "overview", "pausing", "dropped")),
    *(f"bot/domain/{n}.py" for n in ("human_dates", "one_line")),
    *(
        f"bot/services/{n}.py"
        for n in ("add_appointment", "cancel_one", "cancel_absence", "pause_nudges", "hold_agenda")
    ),
    *(
        f"bot/services/{n}.py"
        for n in ("remove_patient", "invite_recipient", "reset_recipient", "record_answer")
    ),
)


@pytest.mark.parametrize("file", SHARED)
def test_every_error_of_a_shared_command_has_its_words(file: str) -> None:
    french, english = load(Language.FR, "staff").texts, load(Language.EN, "staff").texts
    for text, mend in error_texts(Path(__file__).parents[2] / file):
        assert text in french, text
        assert not mend or mend in french, mend
        assert "pli " not in mend or mend in english, mend
        assert "--" not in english.get(mend, mend), "in the room, options are plain words"
