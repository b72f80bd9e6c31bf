"""Telegram through python-telegram-bot. Only :mod:`.api`, :mod:`.faults` and what imports them load that library:
without a token nothing of it is loaded.
"""
