"""What local users and patients can do to the bot's availability."""
