"""``crossdock bench``: measures a user's own copy under several settings, and says which to take."""
