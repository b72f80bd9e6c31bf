"""The channel to Telegram, with python-telegram-bot's real HTTP client against a Bot API of ours."""
