"""The sheet of paper that a new patient is handed over the desk: one A5 page, made in memory."""
