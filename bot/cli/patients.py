"""``pli patient``: whom the practice reminds, by the agenda's reference."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bot.app import Installation
from bot.cli.common import Json, installation, print_json, show, table
from bot.cli.line import as_typed
from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.cli.seat import agree, seat, told, touches, words
from bot.cli.staffroom import fold
from bot.domain.appointment import Status
from bot.domain.records import AuditKind, Patient, RecipientState, StoredAppointment
from bot.domain.values import PatientId, new_id
from bot.errors import Refused
from bot.ports_storage import UnitOfWork
from bot.services.remove_patient import RemovePatient
from config.staff_words import StaffWords

IN_ROOM = 60  # patients at once: a telephone shows no more

group = typer.Typer(no_args_is_help=True, help="Patients, by the agenda's reference.")
Ref = Annotated[str, typer.Argument(help="The agenda's patient reference.")]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="patient")


@group.command("add")
@told
def add(
    ref: Ref,
    name: Annotated[str, typer.Option(help="First name, told where one person answers for several.")] = "",
) -> Reply:
    """Add a patient.

    Example: pli patient add P-1001 --name Léa
    """
    ref = ref.strip()
    if not ref:
        raise Refused("a reference is needed", mend="use the reference that the agenda has")
    here = seat()
    home, say = here.home, words(here.home)
    with home.uow() as uow:
        if uow.patients.by_reference(ref) is not None:
            raise Refused("this patient is there already", mend="see: pli patient show REF")
        patient = Patient(id=PatientId(new_id("p")), reference=ref, given_name=name.strip())
        uow.patients.add(patient)
        uow.audit.add(AuditKind.PATIENT_ADDED, home.clock.now())
        uow.commit()
    line = Line(text=say("patient.added", ref=ref))
    return Reply(parts=(line,), data={"patient": ref, "id": patient.id}, private=True)


@group.command("list")
@told
def list_patients(
    text: Annotated[
        list[str] | None, typer.Argument(help="Only those whose reference or first name has it.")
    ] = None,
) -> Reply:
    """List patients.

    Example: pli patient list Léa --json
    """
    here = seat()
    home, say = here.home, words(here.home)
    wanted = fold(" ".join(text or ()))
    with home.uow() as uow:
        found: list[dict[str, object]] = [
            {
                "patient": p.reference,
                "name": p.given_name,
                "recipients": len(uow.patients.recipients_of(p.id)),
                "enrolled": sum(
                    (r := uow.recipients.get(i)) is not None and r.state is RecipientState.ENROLLED
                    for i in uow.patients.recipients_of(p.id)
                ),
            }
            for p in sorted(uow.patients.all(), key=lambda p: p.reference)
            if wanted in fold(p.reference) or wanted in fold(p.given_name)
        ]
    shown = found[:IN_ROOM] if here.in_room else found
    listed = Rows(
        columns=(
            Column(heading=say("patients.column.ref")),
            Column(heading=say("patients.column.name")),
            Column(heading=say("patients.column.people"), named=True),
            Column(heading=say("patients.column.enrolled"), named=True),
        ),
        rows=tuple(tuple(str(cell) for cell in f.values()) for f in shown),
        empty=say("patients.none_like" if wanted else "patients.none"),
    )
    parts: list[Part] = [listed]
    if (left := len(found) - len(shown)) > 0:
        parts.append(Line(text=say.count("patients.more", left)))
    if wanted and len(found) == 1:
        parts.append(_told_for(home, say, str(found[0]["patient"])))
    return Reply(parts=tuple(parts), data=found, private=True)


def _told_for(home: Installation, say: StaffWords, reference: str) -> Rows:
    """Whom to name where there are several."""
    with home.uow() as uow:
        ids = uow.patients.recipients_of(_patient(uow, reference).id)
        people = [known for r in ids if (known := uow.recipients.get(r))]
    return Rows(
        columns=tuple(
            Column(heading=say(f"patients.column.{n}")) for n in ("recipient", "state", "language")
        ),
        rows=tuple((r.id, say(f"state.{r.state.value}"), r.language.value) for r in people),
        empty=say("patients.nobody", ref=reference),
    )


@group.command("show")
def show_patient(ref: Ref, json: Json = False) -> None:
    """Show who is told for a patient, and the appointments known (without details: the bot cannot read them).

    Example: pli patient show P-1001
    """
    home = installation()
    now = home.clock.now()
    with home.uow() as uow:
        patient = _patient(uow, ref)
        recipients = []
        for recipient_id in uow.patients.recipients_of(patient.id):
            recipient = uow.recipients.get(recipient_id)
            if recipient is None:
                continue
            recipients.append(
                {
                    "recipient": recipient.id,
                    "state": recipient.state.value,
                    "language": recipient.language.value,
                    "reminders": recipient.reminders_on,
                    "invitation": any(i.expires > now for i in uow.invitations.open_for(recipient.id)),
                    "room": uow.rooms.by_recipient(recipient.id) is not None,
                }
            )
        zone = home.settings.practice.zone
        appointments = [_row(a, zone) for a in uow.appointments.of_patient(patient.id) if a.past_after > now]
    data = {
        "patient": patient.reference,
        "name": patient.given_name,
        "recipients": recipients,
        "appointments": appointments,
    }
    if json:
        print_json(data)
        return
    say = words(home)
    yes, no = say.own("yes"), say.own("no")
    show(
        {
            say("patients.column.ref"): patient.reference,
            say("patients.column.name"): patient.given_name or "-",
        }
    )
    table(
        [
            *(say(f"patients.column.{name}") for name in ("recipient", "state", "language")),
            say.own("gets messages"),
            say.own("open code"),
        ],
        [
            [
                r["recipient"],
                say(f"state.{r['state']}"),
                r["language"],
                yes if r["reminders"] else no,
                yes if r["invitation"] else no,
            ]
            for r in recipients
        ],
        empty=say("patients.nobody", ref=patient.reference),
    )
    table(
        [say.own("appointment"), say.own("day"), say("today.column.state"), say.own("from")],
        [
            [
                a["appointment"],
                say.day(date.fromisoformat(str(a["day"]))),
                say("today.cancelled" if a["status"] == Status.CANCELLED else "today.booked"),
                say.own("entered by hand" if a["by_hand"] else "the agenda"),
            ]
            for a in sorted(appointments, key=lambda a: str(a["day"]))
        ],
        empty=say.own("no appointment to come is known"),
    )


def _row(a: StoredAppointment, zone: ZoneInfo) -> dict[str, object]:
    """``day``: the last one of the appointment; its hour is not known here."""
    day = (a.past_after - timedelta(seconds=1)).astimezone(zone).date()
    return {
        "appointment": a.id,
        "day": day.isoformat(),
        "status": a.status.value,
        "revision": a.revision,
        "by_hand": a.by_hand,
    }


def _patient(uow: UnitOfWork, ref: str) -> Patient:
    patient = uow.patients.by_reference(ref.strip())
    if patient is None:
        raise Refused("no patient with this reference", mend="see: pli patient list")
    return patient


@group.command("remove")
@told
def remove(
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="The agenda's patient references.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Reply | None:
    """Remove patients: appointments, answers, and whoever was told for them alone. Keys are destroyed.

    Example: pli patient remove P-1001 --yes
    """
    here = seat()
    home, say = here.home, words(here.home)
    references = list(dict.fromkeys(ref.strip() for ref in refs))
    service = RemovePatient(home.uow, home.keyring)
    people = service.people(references)
    again = " ".join((say("word.patient_remove"), *map(as_typed, refs), say("word.yes")))
    if (asked := agree(say.count("patient.question", len(references)), yes=yes, line=again)) is not None:
        return asked
    touches(max(people, len(references)))
    removed = sum(service(reference, now=home.clock.now()) for reference in references)
    done = say.count("patient.removed", len(references))
    text = f"{done} {say.count('patient.removed_people', removed)}"
    return Reply(parts=(Line(text=text),), data={"removed_recipients": removed}, private=True)
