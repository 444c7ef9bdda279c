"""The command line: typer for the arguments, rich for what a person sees. Only results go to stdout."""
