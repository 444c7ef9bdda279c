"""Makes the folder of a new plugin's distribution from the template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from .. import __version__
from ..errors import ConfigError
from ..plugins import Registry
from ..spi.spec import Kind

_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40


def make(name: str, kind: Kind, folder: Path, known: Registry) -> Path:
    """Make ``crossdock-NAME`` in ``folder``, whole or not at all; returns it.

    Raises ConfigError for a name that cannot be or is taken, and for a folder that exists or cannot be made.
    """
    _reject(name, kind, known)
    project = folder / f"crossdock-{name.replace('_', '-')}"
    if project.exists():
        raise ConfigError(f"{project} exists already; choose another name or remove it")
    try:
        draft = Path(mkdtemp(prefix=f".{project.name}-", dir=folder))
    except OSError as error:
        raise ConfigError(f"nothing can be made in {folder}: {error.strerror}") from error
    try:
        for path, text in _files(name, kind).items():
            place = draft / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(project)
    except OSError as error:
        raise ConfigError(f"{project} cannot be made: {error.strerror}") from error
    finally:
        rmtree(draft, ignore_errors=True)
    return project


def _reject(name: str, kind: Kind, known: Registry) -> None:
    if not _NAME.fullmatch(name) or not 2 <= len(name) <= _LONGEST:
        raise ConfigError(
            f"{name!r} cannot be a plugin's name: 2 to {_LONGEST} lower-case letters, digits and single "
            "underscores, a letter first"
        )
    if (there := find_spec(f"crossdock_{name}")) is not None:
        raise ConfigError(f"{name!r} is taken by the module {there.name}; choose another")
    for spec in known.specs.values():
        words = {spec.name, *spec.schemes, *(each.lower() for each in spec.adf_types)}
        words |= {extension.removeprefix(".") for extension in spec.extensions} if kind == "format" else set()
        if {name, _scheme(name)} & words:
            raise ConfigError(
                f"{name!r} is taken by the connector {spec.name} ({spec.summary}); choose another"
            )


def _scheme(name: str) -> str:
    """A URL scheme has no underscores."""
    return name.replace("_", "-")


def _files(name: str, kind: Kind) -> dict[str, str]:
    """The content of each file by its path."""
    spec = import_module(f"{__package__}.{kind}").SPEC
    module, scheme = f"crossdock_{name}", _scheme(name)
    words = {
        "@distribution@": f"crossdock-{scheme}", "@module@": module, "@name@": name,
        "@range@": _range(__version__), f"{__package__}.{kind}": module,
        "Sample": "".join(map(str.capitalize, name.split("_"))), "sample": name,
        "sample://": f"{scheme}://", 'schemes=("sample': f'schemes=("{scheme}',
    }  # fmt: skip
    words |= {"@summary@": _renamed(spec.summary, words), "@example@": _renamed(spec.example, words)}

    def filled(source: str) -> str:
        return _renamed((_HERE / source).read_text(encoding="utf-8"), words)

    return {
        "pyproject.toml": filled("pyproject.toml.in"),
        "README.md": filled("README.md.in"),
        ".gitignore": filled("gitignore.in"),
        ".github/workflows/test.yml": filled("test.yml.in"),
        f"{module}.py": filled(f"{kind}.py"),
        f"tests/test_{name}.py": filled(f"check_{kind}.py"),
    }


def _renamed(text: str, words: Mapping[str, str]) -> str:
    """In one pass, the longest word first: a name may hold a word."""
    found = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(found, lambda word: words[word[0]], text)


def _range(version: str) -> str:
    """What a plugin made with this version of crossdock is for: before 1.0.0 a minor may break it."""
    major, minor = version.split(".")[:2]
    return f">={major}.{minor},<{int(major) + 1}" if int(major) else f">=0.{minor},<0.{int(minor) + 1}"
