"""Compressed files and archives: as streams of bounded memory, as files within files, as formats."""
