"""The bot's services on one practice's folder, without a homeserver and without words: what a worker process runs.

Every PIN goes the way that it goes in a conversation: :class:`bot.services.acts.Acts`, by the table's actions.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.app import Installation
from bot.domain.conversation import Action, Outcome, Session, State, Step
from bot.domain.intents import understand
from bot.domain.records import Patient, RecipientState, Room
from bot.domain.trust import Device
from bot.domain.values import Language, PatientId, RecipientId, RoomId, Secret, UserId
from bot.services.acts import Acts
from bot.services.enrol import Enrol
from bot.services.import_agenda import ImportAgenda
from bot.services.import_batch import ImportOptions
from bot.services.invite_recipient import InviteRecipient
from bot.services.memory import Memory
from bot.services.reconcile_stores import ReconcileStores
from bot.services.release_details import ReleaseDetails
from config.settings import Practice as PracticeSettings
from config.settings import Settings
from config.settings import Storage as StorageSettings
from storage.keys import create_keys
from storage.vault_file import create_vault
from storage.wrap import Profile
from tests.services.kit import HandClock, entry, phone
from tests.storage.migrated import migrated

MINUTES = timedelta(minutes=10)


def user_of(name: str) -> UserId:
    return UserId(f"@{name}:example.org")


def installation(folder: Path, database: str = "", clock: HandClock | None = None) -> Installation:
    """``database`` is a SQLAlchemy address; SQLite in the folder by default."""
    settings = Settings(
        folder=folder,
        practice=PracticeSettings(phone="01 23 45 67 89"),
        storage=StorageSettings(database=database or "sqlite:///pli.db", vault="vault.db"),
    )
    return Installation(settings, clock=clock or HandClock(), profile=Profile.testing())


class Bot:
    """See the module."""

    def __init__(
        self,
        folder: Path,
        database: str = "",
        opened: Installation | None = None,
        clock: HandClock | None = None,
    ) -> None:
        """``opened`` by ``clock``, where the folder has settings of its own."""
        self.clock = clock or HandClock()
        self.home = home = opened or installation(folder, database, self.clock)
        if not home.bot_dir.exists():
            create_keys(home.bot_dir, home.import_dir)
            create_vault(home.vault_path)
            migrated(home.engine)
        side = home.import_side()
        self.sealer = side.sealer
        self.rules = home.settings.nudge_rules()
        self.enrolment = Enrol(home.uow, home.keyring, self.rules)
        self.inviting = InviteRecipient(home.uow, side.registrar)
        self.acts = Acts(
            home.uow,
            keys=home.keyring,
            enrol=self.enrolment,
            release=ReleaseDetails(home.uow, home.keyring, self.rules),
            words=home.words,
            unlock=MINUTES,
            min_digits=6,
        )

    def close(self) -> None:
        self.home.engine.dispose()

    # -- the practice's side ------------------------------------------------------------------------------------

    def settle_in(self, name: str) -> None:
        """A patient of that reference, and a room for an account of that name."""
        with self.home.uow() as uow:
            uow.patients.add(Patient(id=PatientId(f"p-{name}"), reference=name))
            uow.rooms.add(
                Room(id=name, room=RoomId(f"!{name}:example.org"), user=user_of(name), language=Language.EN)
            )
            uow.commit()

    def invite(self, name: str) -> str:
        """The code; the agenda is imported for the new recipient."""
        now = self.clock.now()
        invited = self.inviting([name], language=Language.EN, valid=timedelta(days=3650), now=now)
        start = now + timedelta(days=3000)
        ImportAgenda(self.home.uow, self.sealer, rules=self.rules, now=now, options=ImportOptions())(
            lambda: [entry(f"of {name}", start, patient=name)]
        )
        return invited.code.reveal()

    def relink(self, name: str) -> str:
        invited = self.inviting.relink(
            name, recipient=self.recipient(name), valid=timedelta(days=3650), now=self.clock.now()
        )
        return invited.code.reveal()

    def recipient(self, name: str) -> RecipientId | None:
        with self.home.uow() as uow:
            room = uow.rooms.get(name)
        return room.recipient if room else None

    # -- the bot's side -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """What ``pli run`` does before it listens."""
        ReconcileStores(self.home.uow, self.home.keyring, self.enrolment)(self.clock.now())

    def _do(
        self,
        action: Action,
        name: str,
        typed: str,
        memory: Memory | None = None,
        device: Device | None = None,
    ) -> tuple[Outcome, Memory]:
        session = Session(language=Language.EN, state=State.READY)
        memory = memory or Memory(session=session)
        with self.home.uow() as uow:
            room = uow.rooms.get(name)
        assert room is not None
        result = self.acts.do(
            Step(session=session, action=action),
            understand(Secret(typed)),
            memory=memory,
            room=room,
            device=device or phone(user_of(name), "PHONE"),
            now=self.clock.now(),
        )
        return result.outcome, memory

    def redeem(self, name: str, code: str, device: str = "PHONE") -> str:
        return self._do(Action.REDEEM_CODE, name, code, device=phone(user_of(name), device))[0].name

    def enrol(self, name: str, code: str, pin: str) -> str:
        """From the code to the first PIN; where it ended."""
        outcome, memory = self._do(Action.REDEEM_CODE, name, code)
        if outcome is Outcome.CODE_RIGHT:
            outcome, _ = self._do(Action.RECORD_CONSENT, name, "yes", memory)
        if outcome not in (Outcome.CODE_RIGHT_CONSENTED, Outcome.CONSENTED):
            return outcome.name
        memory.new_pin = Secret(pin)
        return self._do(Action.SET_PIN, name, pin, memory)[0].name

    def guess(self, name: str, pin: str) -> str:
        """What came of it. A right PIN that does not open the one appointment is ``PIN_RIGHT 0``.

        The table asks nobody who left for a PIN: there is no wrap to try it on.
        """
        with self.home.uow() as uow:
            room = uow.rooms.get(name)
            known = uow.recipients.get(room.recipient) if room and room.recipient else None
        if known is not None and known.state is RecipientState.LEFT:
            return "LEFT"
        outcome, memory = self._do(Action.CHECK_PIN, name, pin)
        if outcome is Outcome.PIN_RIGHT and (memory.window is None or len(memory.window.items) != 1):
            return "PIN_RIGHT 0"
        return outcome.name

    def change(self, name: str, old: str, new: str) -> str:
        outcome, memory = self._do(Action.CHECK_OLD_PIN, name, old)
        if outcome is not Outcome.PIN_RIGHT:
            return outcome.name
        memory.new_pin = Secret(new)
        return self._do(Action.CHANGE_PIN, name, new, memory)[0].name

    def leave(self, name: str) -> str:
        return self._do(Action.LEAVE, name, "yes")[0].name
