"""The bot's side of the desk: what carries the staff room's lines and files to the import side, and answers back."""
