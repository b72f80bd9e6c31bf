"""The transition table of the conversation, in parts."""
