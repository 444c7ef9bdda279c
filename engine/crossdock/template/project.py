"""Makes the folder of a new plugin's distribution from the template."""

from __future__ import annotations

import re
from importlib import import_module
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
    module, title = f"crossdock_{name}", "".join(map(str.capitalize, name.split("_")))
    marks = {
        "distribution": f"crossdock-{_scheme(name)}", "module": module, "name": name,
        "summary": spec.summary, "example": spec.example, "range": _range(__version__),
    }  # fmt: skip

    def filled(source: str) -> str:
        text = (_HERE / source).read_text(encoding="utf-8")
        for mark, value in marks.items():
            text = text.replace(f"@{mark}@", value)
        text = text.replace(f"{__package__}.{kind}", module)
        text = re.sub(r"sample(?=://)|(?<=schemes=\(\")sample", _scheme(name), text)
        return text.replace("Sample", title).replace("sample", name)

    return {
        "pyproject.toml": filled("pyproject.toml.in"),
        "README.md": filled("README.md.in"),
        ".gitignore": filled("gitignore.in"),
        ".github/workflows/test.yml": filled("test.yml.in"),
        f"{module}.py": filled(f"{kind}.py"),
        f"tests/test_{name}.py": filled(f"check_{kind}.py"),
    }


def _range(version: str) -> str:
    """What a plugin made with this version of crossdock is for: before 1.0.0 a minor may break it."""
    major, minor = version.split(".")[:2]
    return f">={major}.{minor},<{int(major) + 1}" if int(major) else f">=0.{minor},<0.{int(minor) + 1}"
