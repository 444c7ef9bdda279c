"""ConnectorConfig, apart from the specs, because pydantic takes long to import."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConnectorConfig(BaseModel):
    """Base of every connector's options: unknown keys are refused, each field is described."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
