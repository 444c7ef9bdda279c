"""``load``: a folder, an ARM template or the file of one object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossdock import ConfigError, NotFoundError

from .arm import is_template, read_template
from .findings import Place
from .folder import definition_of, is_factory, read_folder
from .json_text import read_json
from .model import Factory

_RUNTIMES = ("selfhosted", "managed")


def load(path: str | Path, parameters: str | Path | None = None) -> Factory:
    """Read all definitions at ``path``. What is wrong with one of them is among ``Factory.faults``.

    ``parameters`` is the file of parameters of an ARM template; by default the one beside it.
    Raises NotFoundError where there is nothing, ConfigError where there are no definitions.
    """
    root = Path(path)
    if root.is_dir():
        return _load_folder(root)
    if not root.is_file():
        raise NotFoundError(f"{root} does not exist")
    value, fault = read_json(root, root.name)
    if value is None:
        return Factory(str(root), (), (fault,) if fault else ())
    if is_template(value):
        return _load_template(root, value, parameters)
    made, fault = definition_of(_kind_of(value), value, Place(root.name), root.stem)
    return Factory(str(root), (made,) if made else (), (fault,) if fault else ())


def _load_folder(root: Path) -> Factory:
    if not is_factory(root):
        templates = [each for each in sorted(root.glob("*.json")) if "parameters" not in each.name.lower()]
        if len(templates) == 1:
            return load(templates[0])
        below = sorted(each for each in root.glob("*/") if is_factory(each))
        near = f"; one is {below[0]}" if below else ""
        raise ConfigError(
            f"{root} is no folder of Data Factory: it has no folder pipeline, dataset or linkedService{near}"
        )
    return read_folder(root)


def _load_template(root: Path, value: dict[str, Any], parameters: str | Path | None) -> Factory:
    names = root.name.replace("TemplateFor", "TemplateParametersFor"), f"{root.stem}_parameters.json"
    beside = next((each for name in names if (each := root.with_name(name)).is_file() and each != root), None)
    file = Path(parameters) if parameters else beside
    if file is None:
        return read_template(value, root.name)
    if not file.is_file():
        raise NotFoundError(f"the file of parameters {file} does not exist")
    given, fault = read_json(file, file.name)
    if given is None:
        return Factory(str(root), (), (fault,) if fault else ())
    return read_template(value, root.name, given)


def _kind_of(value: Mapping[str, Any]) -> str:
    """Of which kind the object of a single file is, by what it has."""
    properties = next((each for key, each in value.items() if key.lower() == "properties"), None)
    names = {key.lower() for key in properties} if isinstance(properties, Mapping) else set()
    kind = (
        str(next((v for k, v in (properties or {}).items() if k.lower() == "type"), "")).lower()
        if names
        else ""
    )
    if "activities" in names:
        return "pipeline"
    if "linkedservicename" in names:
        return "dataset"
    if names & {"pipelines", "pipeline"} or kind.endswith("trigger"):
        return "trigger"
    if "globalparameters" in names:
        return "factory"
    return "integrationRuntime" if kind in _RUNTIMES else "linkedService"
