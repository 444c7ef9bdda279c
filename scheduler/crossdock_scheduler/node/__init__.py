"""The node agent: claims jobs of an integration runtime and carries them out, each in its own process."""
