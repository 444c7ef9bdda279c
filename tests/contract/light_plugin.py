"""What a spec's own module may hold: it imports crossdock and what crossdock needs."""

from __future__ import annotations

from pydantic import Field, SecretStr

from crossdock import ConnectorConfig, NotFoundError


class Sealed(ConnectorConfig):
    account_key: SecretStr | None = Field(None, description="The key")
    key: str = Field("id", description="The column that tells rows apart")


def opens(*_: object) -> None: ...


def claims_all(error: BaseException) -> NotFoundError:
    return NotFoundError(str(error))
