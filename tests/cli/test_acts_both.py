"""Appointments, absences, overviews, pauses and dropped files: the same on the command line and in the staff room."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import Installation
from bot.cli.desk import find_member
from bot.cli.desk_orders import DeskOrders
from bot.cli.dropped import take_file
from bot.cli.reply import MAX_TEXT_BYTES
from bot.cli.unasked import Unasked
from bot.domain.appointment import Status
from bot.domain.records import AnswerKind, AnswerState, ProblemKind, StoredAppointment
from bot.domain.staff import MemberId, StaffFile
from bot.domain.values import Language
from bot.services.hold_agenda import KEPT
from bot.services.record_answer import Answer
from bot.services.tell_news import MOST_ANSWERS, MOST_PROBLEMS, AnswerNews, Event, News, ProblemNews, TellNews
from config.catalogue import load
from tests.cli.error_texts import unclear_texts
from tests.cli.shell import pli
from tests.cli.staff_room import ADMINISTRATOR, OTHER, SECRETARY, order
from tests.cli.staff_room import Room as StaffRoom
from tests.cli.test_both import BOTH, HINTS, Way, _Later, answered, enrol, way, words_of
from tests.cli.test_commands import PARIS, ics

__all__ = ["way"]  # the fixture


def ahead(days: int) -> str:
    day = datetime.now(PARIS) + timedelta(days=days)
    return f"{day.day}/{day.month}"


def stored(home: Installation, reference: str = "P-1") -> list[StoredAppointment]:
    with home.uow() as uow:
        patient = uow.patients.by_reference(reference)
        assert patient is not None
        return list(uow.appointments.of_patient(patient.id))


def statuses(home: Installation, reference: str = "P-1") -> list[Status]:
    return [row.status for row in stored(home, reference)]


@pytest.fixture
def patient(home: Installation) -> Installation:
    """P-1, invited."""
    pli("patient", "add", "P-1")
    pli("invite", "P-1")
    return home


# -- one appointment ------------------------------------------------------------------------------------------------


def test_add_says_what_was_understood_and_cancel_takes_it_back(way: Way, patient: Installation) -> None:
    line = f"P-1 {ahead(9)} 14h30 45 min Dr Noël @ Laboratoire des Tanneurs : à jeun"
    told = way.say(f"add {line}", f"ajouter {line}")
    for part in ("P-1", "14:30", "45 min", "Dr Noël", "Laboratoire des Tanneurs", "à jeun"):
        assert part in told
    (row,) = stored(patient)
    assert row.id in told
    assert row.by_hand
    when = f"{ahead(9)} 14h30"
    assert (
        "pas de rendez-vous à cette heure"
        in way.say(f"cancel P-1 {ahead(9)} 15h", f"annuler P-1 {ahead(9)} 15h", refused=True)
        or way.name == BOTH[0]
    )
    assert "personne n’est inscrit" in way.say(f"cancel P-1 {when}", f"annuler P-1 {when}")
    assert statuses(patient) == [Status.CANCELLED]


def test_add_without_anybody_to_read_it(way: Way, home: Installation) -> None:
    pli("patient", "add", "P-1")
    assert "Personne ne peut encore le lire" in way.say(
        f"add P-1 {ahead(9)} 14h30", f"ajouter P-1 {ahead(9)} 14h30"
    )
    (row,) = stored(home)
    assert "Annulé" in way.say(f"cancel {row.id}", f"annuler {row.id}")


def test_cancel_by_the_day_alone(way: Way, patient: Installation) -> None:
    pli("add", "P-1", ahead(9), "14h30")
    assert "Annulé" in way.say(f"cancel P-1 {ahead(9)}", f"annuler P-1 {ahead(9)}")
    assert statuses(patient) == [Status.CANCELLED]


# -- absences -------------------------------------------------------------------------------------------------------


def test_absent_cancels_and_lists_whom_to_telephone(way: Way, patient: Installation) -> None:
    for hour, name in (("9h", "Dr Noël"), ("15h", "Dr Noël"), ("16h", "Dr Petit")):
        pli("add", "P-1", ahead(9), hour, name)
    told = way.say(f"absent Dr Noël {ahead(9)}", f"absent Dr Noël {ahead(9)}")
    assert "2 rendez-vous annulés" in told
    assert "1 autre rendez-vous" in told
    assert "personne n’est inscrit" in told
    assert sorted(statuses(patient)) == [Status.BOOKED, Status.CANCELLED, Status.CANCELLED]


def test_absent_half_a_day(way: Way, patient: Installation) -> None:
    for hour in ("9h", "15h"):
        pli("add", "P-1", ahead(9), hour, "Dr Noël")
    told = way.say(f"absent Dr Noël {ahead(9)} matin", f"absent Dr Noël {ahead(9)} matin")
    assert "1 rendez-vous annulé." in told
    assert sorted(statuses(patient)) == [Status.BOOKED, Status.CANCELLED]


def test_absent_never_waits_for_a_second_member(patient: Installation) -> None:
    for n in range(12):
        pli("add", "P-1", ahead(9), f"{8 + n}h", "Dr Noël")
    assert "12 rendez-vous annulés" in StaffRoom(patient).text(f"absent Dr Noël {ahead(9)}")


def test_absent_from_a_file_on_the_command_line(patient: Installation, tmp_path: Path) -> None:
    pli("add", "P-1", ahead(9), "9h", "Dr Noël")
    lines = tmp_path / "absences.txt"
    lines.write_text(f"\n  absent Dr Noël {ahead(9)}\nDr Petit {ahead(10)}\n", encoding="utf-8")
    looked = pli("absent", "--file", str(lines), "--dry-run", "--json").json()
    assert (len(looked["cancelled"]), looked["dry_run"]) == (1, True)
    assert statuses(patient) == [Status.BOOKED]
    done = pli("absent", "--file", str(lines), "--json").json()
    assert done["call"] == [{"patient": "P-1", "day": done["call"][0]["day"], "why": "nobody"}]
    assert statuses(patient) == [Status.CANCELLED]
    lines.write_text(f"Dr Noël {ahead(9)}\nDr Noël someday\n", encoding="utf-8")
    refused = pli("absent", "--file", str(lines))
    assert (refused.code, "Ligne 2" in refused.err, "someday" in refused.err) == (2, True, False)
    for data in (b"", b"\xff\xfe", b"x" * 70_000):
        lines.write_bytes(data)
        assert pli("absent", "--file", str(lines)).code == 2
    assert pli("absent").code == 2
    assert pli("absent", "--file", str(tmp_path / "none")).code == 2


# -- looking --------------------------------------------------------------------------------------------------------


def test_today_tells_states_and_no_hours(way: Way, patient: Installation) -> None:
    assert "Aucun rendez-vous" in way.say("today", "aujourd'hui")
    pli("add", "P-1", "demain", "23h59")
    told = way.say("today tomorrow", "jour demain")
    assert "P-1" in told
    assert "personne n’est inscrit" in told
    assert "23:59" not in told, "the hour is not to be had"
    enrol(patient, room=True)
    assert "prévu" in way.say("today tomorrow", "jour demain")


def test_unreached_is_the_phone_list(way: Way, patient: Installation) -> None:
    assert "Il n’y a personne à appeler" in way.say("unreached", "à appeler")
    pli("add", "P-1", "demain", "23h59")
    assert "P-1" in way.say("unreached", "à appeler")
    pli("pause")
    assert "suspendus" in way.say("unreached", "à appeler")
    assert patient


def test_preview_in_both_languages(way: Way) -> None:
    french, english = way.say("preview", "aperçu"), way.say("preview en", "aperçu en")
    assert "Vous avez un message" in french
    assert "You have a message" in english
    assert "Dr Helen Example" in english
    assert french != english


def test_pause_and_resume(way: Way, patient: Installation) -> None:
    assert "Tous les messages sont suspendus" in way.say("pause", "suspendre")
    assert "tous les messages sont suspendus" in pli("problems").out
    assert "déjà" in way.say("pause", "suspendre")
    assert "reprennent" in way.say("resume", "reprendre")
    assert "ne sont pas suspendus" in way.say("resume", "reprendre")
    assert "suspendus pour P-1" in way.say("pause P-1", "suspendre P-1")
    assert "suspendus pour : P-1" in pli("problems").out
    assert "reprennent pour P-1" in way.say("resume P-1", "reprendre P-1")
    assert "suspendus" not in pli("problems").out
    assert patient


def test_resume_where_nothing_is_paused(way: Way, patient: Installation) -> None:
    assert "ne sont pas suspendus" in way.say("resume", "reprendre")
    assert "reprennent" in way.say("resume P-1", "reprendre P-1")
    assert patient


def test_every_way_of_being_unclear_has_its_words() -> None:
    french, english = load(Language.FR, "staff").texts, load(Language.EN, "staff").texts
    for text, mend in unclear_texts():
        assert text in french, text
        assert text in english, text
        assert mend in french, mend
        assert mend in english, mend


REFUSALS = [
    ("add P-9 3/12/2028 14h30", "ajouter P-9 3/12/2028 14h30", "Aucun patient", "Aucun patient"),
    (
        "add P-1 3/13/2028 14h30",
        "ajouter P-1 3/13/2028 14h30",
        "Ce mois n’existe pas",
        "Ce mois n’existe pas",
    ),
    ("add P-1 3/12/2028", "ajouter P-1 3/12/2028", "pas d’heure", "Je ne vois pas d’heure"),
    ("add P-1 3/12/2020 14h30", "ajouter P-1 3/12/2020 14h30", "passée", "passée"),
    ("cancel a-none", "annuler a-none", "Aucun rendez-vous", "Aucun rendez-vous"),
    (
        "cancel P-1 3/12/2028",
        "annuler P-1 3/12/2028",
        "pas de rendez-vous ce jour-là",
        "pas de rendez-vous ce jour-là",
    ),
    ("cancel P-1 3/12/2028 14h30 x", "annuler P-1 3/12/2028 14h30 x", "ce qui suit", "ce qui suit"),
    ("absent Dr Noël", "absent Dr Noël", "pas de jour", "Je ne vois pas de jour"),
    ("today someday", "jour someday", "pas de jour", "Je ne vois pas de jour"),
    ("preview de", "aperçu de", "Cette langue", "Cette langue"),
    ("pause P-9", "suspendre P-9", "Aucun patient", "Aucun patient"),
    ("apply", "appliquer", "dans la conversation du cabinet", "Aucun fichier n’attend"),
]


@pytest.mark.parametrize(("shell", "line", "english", "french"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_refusals_in_words_both_ways(
    way: Way, patient: Installation, shell: str, line: str, english: str, french: str
) -> None:
    assert patient
    told = way.say(shell, line, refused=True)
    assert (english if way.name == BOTH[0] else french) in told
    assert way.name == BOTH[0] or "Le programme dit" not in told


ALIKE = [
    (
        "add P-1 3/12/2028 14h30 Dr Noël @ Lyon : à jeun",
        "ajouter P-1 3/12/2028 14h30 Dr Noël @ Lyon : à jeun",
    ),
    ("today", "aujourd’hui"),
    ("unreached", "à appeler"),
    ("preview", "aperçu"),
    ("absent Dr Noël 3/12/2028", "absent Dr Noël 3/12/2028"),
]


@pytest.mark.parametrize(("shell", "line"), ALIKE, ids=[shell for shell, _ in ALIKE])
def test_the_room_says_nothing_that_the_command_line_does_not(
    patient: Installation, shell: str, line: str
) -> None:
    room = StaffRoom(patient)
    there = words_of("\n".join(room.say(line).texts))
    if shell.startswith("add"):
        pli("cancel", "P-1", "3/12/2028", "14h30")
    here = pli(*shell.split())
    assert there - HINTS <= words_of(here.out + here.err)
    assert len(there - HINTS) >= 3


# -- files ----------------------------------------------------------------------------------------------------------


class Dropping(StaffRoom):
    """With a desk that takes files."""

    def restart(self) -> None:
        self.desk = DeskOrders(self.home, lambda member: find_member(self.home, member), take_file=take_file)

    def drop(
        self, data: bytes, name: str = "agenda.ics", kind: str = "text/calendar", by: MemberId = SECRETARY
    ) -> str:
        file = StaffFile(name=name, media_type=kind, data=data)
        return "\n".join(self.desk(order("", by, file=file)).texts)


@pytest.fixture
def desk(patient: Installation) -> Dropping:
    return Dropping(patient)


def agenda(folder: Path, *uids: str) -> bytes:
    return Path(ics(folder, *uids)).read_bytes()


def test_apply_imports_what_was_looked_at_and_forgets_it(desk: Dropping, tmp_path: Path) -> None:
    looked = desk.drop(agenda(tmp_path, "u-1", "u-2"))
    assert "nouveaux · 2" in looked
    assert "rien n’a été écrit" in looked
    assert stored(desk.home) == []
    done = desk.text("appliquer")
    assert "nouveaux · 2" in done
    assert len(stored(desk.home)) == 2
    assert "Aucun fichier n’attend" in desk.text("appliquer")


def test_the_same_words_as_a_dry_run_on_the_command_line(desk: Dropping, tmp_path: Path) -> None:
    file = ics(tmp_path, "u-1")
    there = words_of(desk.drop(Path(file).read_bytes()).rpartition("Rien n’est encore fait")[0])
    here = pli("agenda", "import", file, "--dry-run")
    assert there <= words_of(here.out)
    assert len(there) > 10


def test_problems_are_located_and_the_first_ten_shown(desk: Dropping) -> None:
    rows = "\n".join(f"P-1;{n}/13/2028;10:00" for n in range(1, 15))
    told = desk.drop(f"patient;date;time\n{rows}\n".encode(), name="a.csv", kind="text/csv")
    assert told.count("\n• ") <= 8 + 10 + 1
    assert "refusés · 1" in told


def test_drop_forgets_the_file(desk: Dropping, tmp_path: Path) -> None:
    desk.drop(agenda(tmp_path, "u-1"))
    assert desk.text("oublier") == "Oublié."
    assert "Aucun fichier n’attend" in desk.text("appliquer")
    assert desk.text("oublier") == "Aucun fichier n’attendait."
    assert stored(desk.home) == []


def test_a_file_belongs_to_who_dropped_it_and_dies_with_the_hour_and_the_process(
    desk: Dropping, tmp_path: Path
) -> None:
    desk.drop(agenda(tmp_path, "u-1"))
    assert "Aucun fichier n’attend" in desk.text("appliquer", OTHER)
    desk.restart()
    assert "Aucun fichier n’attend" in desk.text("appliquer")
    desk.drop(agenda(tmp_path, "u-1"))
    desk.home.clock = _Later(KEPT)
    assert "Aucun fichier n’attend" in desk.text("appliquer")
    assert stored(desk.home) == []


def test_an_administrators_file_is_not_taken(desk: Dropping, tmp_path: Path) -> None:
    assert "ne prend pas de fichiers" in desk.drop(agenda(tmp_path, "u-1"), by=ADMINISTRATOR)


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("a.ics", "image/png", b"BEGIN:VCALENDAR"),
        ("a.exe", "text/calendar", b"BEGIN:VCALENDAR"),
        ("a.ics", "text/calendar", b"PK\x03\x04"),
        ("a.ics", "text/calendar", b""),
        ("canary.txt", "text/plain", b"canary canary"),
    ],
)
def test_what_is_no_agenda_is_refused_in_words(desk: Dropping, name: str, kind: str, data: bytes) -> None:
    told = desk.drop(data, name=name, kind=kind)
    assert told
    assert "canary" not in told
    assert "Aucun fichier n’attend" in desk.text("appliquer")


def test_a_list_of_absences_is_looked_at_first_too(desk: Dropping) -> None:
    pli("add", "P-1", ahead(9), "9h", "Dr Noël")
    told = desk.drop(f"Dr Noël {ahead(9)}\n".encode(), name="absences.txt", kind="text/plain")
    assert "1 rendez-vous serait annulé" in told
    assert statuses(desk.home) == [Status.BOOKED]
    assert "1 rendez-vous annulé" in desk.text("appliquer")
    assert statuses(desk.home) == [Status.CANCELLED]


def test_accepting_many_cancellations_needs_a_second_member(desk: Dropping, tmp_path: Path) -> None:
    desk.drop(agenda(tmp_path, "u-1"))
    assert "approuver 1" in desk.text("appliquer 6")
    assert stored(desk.home) == []
    assert "nouveaux · 1" in desk.text("approuver 1", OTHER)
    assert len(stored(desk.home)) == 1


# -- unasked --------------------------------------------------------------------------------------------------------


def test_news_with_the_agendas_own_identity_until_they_were_told(
    patient: Installation, tmp_path: Path
) -> None:
    unasked = Unasked(patient)
    assert unasked.news(urgent=False).texts == ()
    pli("agenda", "import", ics(tmp_path, "u-1"))
    answered(patient)
    with patient.uow() as uow:
        uow.problems.add(ProblemKind.IMPORT_FAILED, patient.clock.now())
        uow.commit()
    news = unasked.news(urgent=False)
    text = "\n".join(news.texts)
    assert re.search(r"ne peut pas venir : P-1, .*14:30, Noël \[u-1\]", text)
    assert "cabinet : un fichier d’agenda a été refusé" in text
    assert news.private
    assert Unasked(patient).news(urgent=False) == news, "another process gives the same piece"
    unasked.told(news.token)
    assert unasked.news(urgent=False).texts == ()


def test_the_morning_is_one_line_always(patient: Installation) -> None:
    (line,) = Unasked(patient).morning().texts
    assert "\n" not in line
    assert "0 prévenu," in line
    pli("pause")
    assert "suspendus" in Unasked(patient).morning().texts[0]


def test_a_file_that_the_watch_refused_is_a_problem(patient: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "agenda.ics").write_bytes(b"%PDF")
    pli("agenda", "watch", str(folder), "--once")
    with patient.uow() as uow:
        assert [p.kind for p in uow.problems.all()] == [ProblemKind.IMPORT_FAILED]


def test_no_piece_is_longer_than_one_reply_whatever_patients_wrote(
    patient: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told is marked as told: nothing of it may have been cut."""
    now = patient.clock.now()
    answer = Answer(
        id="w", state=AnswerState.OPEN, answer=AnswerKind.MOVE, received=now, patient="P-1", text="é" * 5000
    )
    news = News(
        token="n",
        answers=(AnswerNews(event=Event.MOVE, answer=answer),) * MOST_ANSWERS,
        problems=(ProblemNews(kind=ProblemKind.LOCKED, patients=("P" * 9000,), count=1, since=now),)
        * MOST_PROBLEMS,
    )
    monkeypatch.setattr(TellNews, "__call__", lambda *_, **__: news)
    texts = Unasked(patient).news(urgent=False).texts
    assert sum(text.count("demande à déplacer") for text in texts) == MOST_ANSWERS
    assert len(re.findall(r"^P{100,}", "\n".join(texts), flags=re.M)) == MOST_PROBLEMS
    assert all(len(text.encode()) <= MAX_TEXT_BYTES for text in texts)


# -- found by somebody who had the README alone ----------------------------------------------------------------------


def test_cancel_lists_the_ids_where_several_match(way: Way, patient: Installation) -> None:
    pli("add", "P-1", "3/12/2028", "9h", "Dr Noël")
    pli("add", "P-1", "3/12/2028", "11h", "Dr Petit")
    told = way.say("cancel P-1 3/12/2028", "annuler P-1 3/12/2028", refused=True)
    ids = {row.id for row in stored(patient)}
    assert set(re.findall(r"a-[a-z0-9]{16}", told)) == ids
    assert way.hint("pli cancel", "annuler") in told


def test_cancel_claims_no_message_where_nobody_is_enrolled(way: Way, patient: Installation) -> None:
    pli("add", "P-1", "3/12/2028", "9h", "Dr Noël")
    told = way.say("cancel P-1 3/12/2028", "annuler P-1 3/12/2028")
    assert "Aucun message ne peut prévenir le patient" in told
    assert "À appeler : personne n’est inscrit" in told
    assert "prévenu par" not in told
    assert statuses(patient) == [Status.CANCELLED]


def test_absent_offers_a_near_name_and_tells_each_visit_once(way: Way, patient: Installation) -> None:
    pli("add", "P-1", ahead(9), "9h", "Dr Noël")
    told = way.say(f"absent Dr Noel {ahead(9)}", f"absent Dr Noel {ahead(9)}")
    assert "Vouliez-vous dire : Dr Noël ?" in told
    done = way.say(f"absent Dr Noël {ahead(9)}", f"absent Dr Noël {ahead(9)}")
    assert "Vouliez-vous" not in done
    assert done.count("P-1") == 1, "on the phone list alone"
    assert statuses(patient) == [Status.CANCELLED]


def test_answers_since_takes_written_dates_and_all_marks_the_closed(
    patient: Installation, tmp_path: Path
) -> None:
    enrol(patient)
    pli("agenda", "import", ics(tmp_path, "u-1"))
    answer = answered(patient)
    assert len(pli("answers", "--since", "hier", "--json").json()) == 1
    assert pli("answers", "--since", "1/1", "--json").json()
    pli("answers", "done", answer)
    assert "Aucune" in pli("answers", "--since", "yesterday").out
    assert re.search(r"traitée", pli("answers", "--all").out)


def test_apply_takes_the_days_for_which_the_export_is_complete(desk: Dropping, tmp_path: Path) -> None:
    desk.drop(agenda(tmp_path, "u-1", "u-2"))
    desk.text("appliquer")
    desk.drop(agenda(tmp_path, "u-1"))
    looked = desk.text(f"appliquer du {ahead(9)} au {ahead(12)}")
    assert "annulés · 1" in looked
    assert "Export complet du" in looked
    assert statuses(desk.home) == [Status.BOOKED] * 2
    assert "annulés · 1" in desk.text("appliquer")
    assert sorted(statuses(desk.home)) == sorted([Status.BOOKED, Status.CANCELLED])
    assert "Aucun fichier n’attend" in desk.text(f"appliquer du {ahead(9)} au {ahead(12)}")


def test_apply_with_days_that_cannot_be_read_or_for_a_list_of_absences(
    desk: Dropping, tmp_path: Path
) -> None:
    desk.drop(agenda(tmp_path, "u-1"))
    assert "pas de jour" in desk.text("appliquer bientôt")
    assert "deux jours" in desk.text("appliquer lundi prochain")
    desk.drop(f"Dr Noël {ahead(9)}\n".encode(), name="absences.txt", kind="text/plain")
    assert "nomme elle-même ses jours" in desk.text(f"appliquer du {ahead(9)} au {ahead(12)}")
    assert stored(desk.home) == []


def test_apply_within_many_days_has_the_command_lines_limits(desk: Dropping, tmp_path: Path) -> None:
    """More than five and a fifth: said in the room's words, and carried out only as said."""
    desk.drop(agenda(tmp_path, *(f"u-{n}" for n in range(8))))
    desk.text("appliquer")
    desk.drop(agenda(tmp_path, "u-0"))
    assert "annulés · 7" in desk.text(f"appliquer du {ahead(9)} au {ahead(12)}")
    refused = desk.text("appliquer")
    assert "annulerait 7 des 8" in refused
    assert "appliquer 7" in refused
    assert statuses(desk.home) == [Status.BOOKED] * 8
