"""A seized disk: what the bot's store gives away of what was said before."""
