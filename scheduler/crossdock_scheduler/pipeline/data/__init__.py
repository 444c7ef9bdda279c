"""Activities that look at data, delete files, or have a database do something."""
