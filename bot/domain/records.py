"""What is at rest, as frozen values. Times are aware UTC. Nothing here tells who, when or where but sealed blobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bot.domain.appointment import Status
from bot.domain.choices import Wishes
from bot.domain.staff import MemberId
from bot.domain.trust import Pin
from bot.domain.values import AppointmentId, EventId, KeyId, Language, PatientId, RecipientId, RoomId, UserId


class RecipientState(StrEnum):
    INVITED = "invited"
    ENROLLED = "enrolled"
    LOCKED = "locked"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Recipient:
    """One person who is told, for one or several patients.

    ``wrap`` is the private key under the code (generation 0) or PIN; ``reminders_on`` and ``changes_on`` are two
    settings, so that stopping reminders never stops news of a cancellation. ``wishes``: what was asked for of the
    times of nudges.
    """

    id: RecipientId
    language: Language
    state: RecipientState
    key_id: KeyId
    public_key: bytes
    signature: bytes
    salt: bytes
    wrap: bytes
    generation: int
    reminders_on: bool = True
    changes_on: bool = True
    consent_version: str = ""
    consented_at: datetime | None = None
    pin: Pin | None = None
    left_at: datetime | None = None
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Signs:
    """What is known of how a recipient is reached. ``paused`` by the staff; ``nudged_at`` the last nudge that left;
    ``seen_at`` the last right PIN or read receipt, to the minute (a receipt is the homeserver's word).
    ``off_since``: when their channel refused a nudge for good; none is tried until they are heard of.
    """

    paused: bool = False
    nudged_at: datetime | None = None
    seen_at: datetime | None = None
    off_since: datetime | None = None


class InvitationKind(StrEnum):
    ENROL = "enrol"
    RELINK = "relink"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Invitation:
    """``id`` is the code's public part. ``verifier`` is set for a relink only (an enrolment is checked by the vault).

    ``redeemed_by`` is the blind index of the account that redeemed it: for that one it stays valid until spent.
    """

    id: str
    recipient: RecipientId
    kind: InvitationKind
    expires: datetime
    salt: bytes = b""
    verifier: bytes = b""
    redeemed_by: str = ""
    closed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Room:
    """A room that the bot opened, for one account; ``recipient`` once it is known; ``left`` by that account."""

    id: str
    room: RoomId
    user: UserId
    language: Language
    recipient: RecipientId | None = None
    left: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAppointment:
    """An appointment as the bot knows it: no details.

    ``revision`` is sealed into the envelopes; ``change`` counts everything worth telling (a cancellation too);
    ``time_revision`` is the revision that last changed the time: answers hold as long as it stands.
    ``past_after`` is the local midnight after the end, ``tell_until`` the coarse moment up to which a reminder helps;
    ``kind`` the name of the rule that times its nudges (sealed; empty: the practice's). ``digest``, ``when_digest``,
    ``pair_index``, ``day_tag``, ``source_index`` and ``series_index`` (empty where an agenda gives no series) are keyed
    by the import side.
    """

    id: AppointmentId
    patient: PatientId
    source_index: str
    pair_index: str
    day_tag: str
    digest: str
    when_digest: str
    sequence: int
    modified: datetime | None
    status: Status
    revision: int
    time_revision: int
    change: int
    past_after: datetime
    tell_until: datetime
    only: RecipientId | None = None
    by_hand: bool = False
    series_index: str = ""
    kind: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEnvelope:
    """``told`` is the appointment's ``change`` that this recipient has read."""

    appointment: AppointmentId
    recipient: RecipientId
    key_id: KeyId
    revision: int
    blob: bytes = field(repr=False)
    told: int = 0


class ReminderKind(StrEnum):
    REMIND = "remind"
    CHANGE = "change"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reminder:
    """Why a recipient is to be nudged in a slot. ``lead`` as planned, in days; of a change: how often it was told."""

    appointment: AppointmentId
    recipient: RecipientId
    kind: ReminderKind
    slot: datetime
    useful_until: datetime
    lead: int = 0


class AnswerKind(StrEnum):
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    MOVE = "move"


class AnswerState(StrEnum):
    OPEN = "open"
    DONE = "done"
    VOID = "void"


class Told(StrEnum):
    """What the staff were told of an answer, unasked: that it was given, then that it holds no more."""

    NOTHING = ""
    GIVEN = "given"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnswer:
    """``blob`` is sealed to the practice's answer key; ``told`` is what the staff were told of it."""

    id: str
    appointment: AppointmentId
    recipient: RecipientId
    time_revision: int
    kind: AnswerKind
    state: AnswerState
    at: datetime
    blob: bytes = field(repr=False)
    told: Told = Told.NOTHING


class OutboxKind(StrEnum):
    NUDGE = "nudge"
    OPEN = "open"
    REPLY = "reply"
    RELEASE = "release"
    REDACT = "redact"
    TELEGRAM = "telegram"  # a nudge that was judged, on its way to Telegram


class OutboxState(StrEnum):
    HELD = "held"
    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"
    UNKNOWN = "unknown"


DECOY: Final = "decoy"  # the template of a nudge that has no reason
# Of being claimed: when a nudge of which nobody knows left at the latest.
LEAVES_WITHIN: Final = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxRow:
    """Something that leaves. Holds references and template names, never a text of an appointment.

    ``room`` is the id of a :class:`Room` row (empty for nudges, which find it by recipient); ``redact_after`` in
    minutes (0: stays); ``params`` are numbers and durations only; ``copy_of`` is the row of the nudge that goes to
    Telegram as this one.
    """

    id: int
    kind: OutboxKind
    state: OutboxState
    txn: str
    due: datetime
    room: str = ""
    recipient: RecipientId | None = None
    template: str = ""
    params: dict[str, int | str] = field(default_factory=dict)
    slot: datetime | None = None
    useful_until: datetime | None = None
    event: EventId | None = None
    redact_after: int = 0
    rotate: bool = False
    attempts: int = 0
    claimed_at: datetime | None = None
    claimed_by: str = ""
    copy_of: int | None = None


class ProblemKind(StrEnum):
    """Lines for the staff."""

    TOO_LATE = "too_late"
    UNKNOWN_SEND = "unknown_send"
    UNKNOWN_COPY = "unknown_copy"  # on Telegram, beside the same nudge on Matrix
    SEND_FAILED = "send_failed"
    NOT_TRUSTED = "not_trusted"
    LOCKED = "locked"
    STORES_DIFFER = "stores_differ"
    UNREADABLE = "unreadable"
    LEFT = "left"
    ROOM_LEFT = "room_left"
    TROUBLE = "trouble"
    CAPPED = "capped"
    AUDIT_BROKEN = "audit_broken"
    IMPORT_FAILED = "import_failed"
    PAUSED = "paused"
    NO_KEY = "no_key"
    STAFF_STRANGER = "staff_stranger"
    STAFF_IDENTITY = "staff_identity"
    STAFF_ROOM = "staff_room"
    STAFF_UNTOLD = "staff_untold"
    CLOCK = "clock"
    TELEGRAM_REVOKED = "telegram_revoked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """``told``: the staff were told, unasked."""

    at: datetime
    kind: ProblemKind
    recipient: RecipientId | None = None
    told: bool = False
    id: int = 0


class AuditKind(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"
    INVITED = "invited"
    RELINK_INVITED = "relink_invited"
    REVOKED = "revoked"
    REDEEMED = "redeemed"
    RELINKED = "relinked"
    ENROLLED = "enrolled"
    PIN_CHANGED = "pin_changed"
    PIN_WRONG = "pin_wrong"
    LOCKED = "locked"
    RELEASED = "released"
    ANSWERED = "answered"
    ANSWER_DONE = "answer_done"
    ANSWERS_READ = "answers_read"
    PROBLEMS_CLEARED = "problems_cleared"
    LEFT = "left"
    REMOVED = "removed"
    IMPORTED = "imported"
    PATIENT_ADDED = "patient_added"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    RESUMED = "resumed"
    STAFF_ADDED = "staff_added"
    STAFF_REMOVED = "staff_removed"
    STAFF_PINNED = "staff_pinned"
    STAFF_REPINNED = "staff_repinned"
    STAFF_IDENTITY = "staff_identity"
    STAFF_STRANGER = "staff_stranger"
    CONSENTED = "consented"
    REMINDERS_STOPPED = "reminders_stopped"
    REMINDERS_STARTED = "reminders_started"
    LANGUAGE_SET = "language_set"
    TIMES_SET = "times_set"
    TELEGRAM_OFFERED = "telegram_offered"
    TELEGRAM_LINKED = "telegram_linked"
    TELEGRAM_UNLINKED = "telegram_unlinked"
    TELEGRAM_REFUSED = "telegram_refused"
    TELEGRAM_SET = "telegram_set"
    DATA_SHOWN = "data_shown"
    PURGED = "purged"
    KEYS_ROTATED = "keys_rotated"
    RESET = "reset"
    STAFF_ACT = "staff_act"
    STAFF_REFUSED = "staff_refused"
    BACKED_UP = "backed_up"
    RESTORED = "restored"
    UPGRADED = "upgraded"


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One row of the audit log. ``kind`` as stored: a newer version may have written one that is not known here.

    ``note`` names numbers or an opaque id ("new=3 changed=1").
    """

    number: int
    at: datetime
    kind: str
    recipient: RecipientId | None = None
    count: int = 0
    note: str = ""
    member: MemberId | None = None
    act: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """``reference`` is the agenda's; ``given_name`` is told where a recipient answers for several."""

    id: PatientId
    reference: str = field(repr=False)
    given_name: str = field(default="", repr=False)
