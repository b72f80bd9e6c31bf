"""At the start: what a crash, or an old copy put back, left between database and vault.

1. The database decides which generation holds; a key that is gone locks its recipient.
2. Who left or was locked has no key: one that an old vault brought back is destroyed again.
3. What does not fit is left as it is, with a line for the staff: nothing opens, and nothing is counted, until the
   right pair of files is there again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bot.domain.records import RecipientState
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWorkFactory
from bot.services.enrol import Enrol

WITHOUT_KEY: Final = (RecipientState.LEFT, RecipientState.LOCKED)


class ReconcileStores:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing, enrol: Enrol) -> None:
        self._uow, self._keys, self._enrol = uow, keys, enrol

    def __call__(self, now: datetime) -> None:
        with self._uow() as uow:
            recipients = uow.recipients.all()
        for recipient in recipients:
            if recipient.state in WITHOUT_KEY:
                self._keys.destroy(recipient.id)
                continue
            found = self._keys.reconcile(recipient)
            if recipient.state is not RecipientState.ENROLLED:
                continue  # an invitation that opens nothing is told to whoever types its code
            if found == "destroyed":
                self._enrol.lock(recipient.id, now)
            elif found == "stale":
                self._enrol.report_stores(recipient.id, now)
