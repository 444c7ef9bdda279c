"""What somebody who watches the demo reads."""

from __future__ import annotations

import sys

import typer


def title(text: str) -> None:
    typer.secho(f"\n{text}", bold=True)


def prompt(text: str) -> None:
    typer.secho(f"\n{text}", fg="cyan")
    sys.stdout.flush()


def code(text: str) -> None:
    """Lines of Python that are carried out now."""
    lines = [line.strip() for line in text.splitlines()]
    prompt("\n".join(f">>> {line}" for line in lines))


def say(text: str) -> None:
    typer.echo(f"  {text}")
    sys.stdout.flush()
