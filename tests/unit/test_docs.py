"""The documentation against the code: the reference is up to date, links lead somewhere, options exist."""

from __future__ import annotations

import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer

from crossdock.cli import advice, app
from crossdock.plugins import registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATOR = runpy.run_path(str(DOCS / "generate.py"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", GENERATOR["PAGES"])
def test_generated_pages_are_up_to_date(page: str) -> None:
    """Run ``python docs/generate.py`` when this fails."""
    assert (DOCS / page).read_text() == GENERATOR["PAGES"][page]()


def test_the_example_of_expressions_runs() -> None:
    example = re.search(
        r"^```python\n(.*?)^```$",
        (DOCS / "reference" / "expressions.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert example is not None
    exec(example[1], {})  # noqa: S102


def test_reference_has_every_option_and_error() -> None:
    text = (DOCS / "reference" / "connectors.md").read_text()
    for name in (
        "file",
        "binary",
        "delimited",
        "jsonlines",
        "orc",
        "avro",
        "excel",
        "xml",
        "parquet",
        "sqlite",
    ):
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        for option in registry().by_name(name).config.model_fields:
            assert f"| `{option}` |" in section, f"{name}: {option}"
    text = (DOCS / "reference" / "command-line.md").read_text() + (
        DOCS / "reference" / "errors.md"
    ).read_text()
    for expected in (
        "--bandwidth RATE",
        "| [`AlreadyExists`](#alreadyexists) |",
        "crossdock runs resume ID",
        "| 130 |",
    ):
        assert expected in text


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked by."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_site() -> None:
    """In its navigation; those of decisions are in their list."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    named = set(re.findall(r"'([\w/-]+\.md)'", str(site["nav"])))
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.parent.name != "adr"}
    assert named == there | {"adr/README.md"}
    decisions = {page.name for page in (DOCS / "adr").glob("0*.md")}
    assert decisions == set(LINK.findall((DOCS / "adr" / "README.md").read_text()))


def test_every_error_is_explained() -> None:
    assert {kind.code for kind in advice.known()} | {"Usage"} == set(advice.ADVICE)


def test_every_public_name_has_a_place_in_the_reference() -> None:
    assert GENERATOR["python_api"].undocumented() == []


def commands(page: Path) -> Iterator[list[str]]:
    """Every ``crossdock`` command of a page, taken apart as a shell does."""
    text = page.read_text()
    # Pages that set others' commands beside ours have them in tables.
    inline = re.findall(r"`(crossdock [a-z][^`]*)`", text) if page.parent.name == "coming-from" else []
    for line in [*"\n".join(SHELL.findall(text)).splitlines(), *inline]:
        text = line.removeprefix("$ ")
        if text.startswith("crossdock "):
            yield shlex.split(re.split(r" (?:\|\||2?>|&&) ", text)[0], comments=True)[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_their_options_exist(page: Path) -> None:
    root: Any = typer.main.get_command(app.build())
    for line in commands(page):
        command, words = root, list(line)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {option for param in command.params for option in param.opts} | {"-h", "--help"}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= known, line
        assert command is not root or not words or words[0].startswith("-"), line


def test_commands_are_found() -> None:
    assert ["runs", "resume", "slow"] in commands(DOCS / "tutorial.md")


def test_changelog_has_the_version() -> None:
    from crossdock import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_pictures_are_well_formed_and_need_no_network() -> None:
    pictures = list((DOCS / "img").glob("*.svg"))
    assert pictures
    for picture in pictures:
        root = ElementTree.fromstring(picture.read_text())  # noqa: S314 - our own file
        assert root.find("{*}title") is not None
        assert not re.search(r"(href|url)\s*[=(]\s*[\"']?https?:", picture.read_text())
