"""A homeserver that lies between the bot and the real one; what crosses it is decrypted independently."""
