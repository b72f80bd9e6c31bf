"""Agenda files in, appointments out. Knows nothing of patients' rooms, keys or storage.

``read_agenda`` is the only door; the rules of all readers stand in :mod:`bot.agenda.fault`.
"""

from bot.agenda.fault import FILE
from bot.agenda.reader import AgendaBytes, read_agenda

__all__ = ["FILE", "AgendaBytes", "read_agenda"]
