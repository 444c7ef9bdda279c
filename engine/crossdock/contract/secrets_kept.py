"""Checks that secrets stay where they were given: what the engine journals or shows has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import SecretBytes, SecretStr

from ..errors import CrossdockError
from ..redact import forms
from ..spi import ObjectStore, PlanHint, Unit
from .opening import config_of
from .spec_checks import SpecContract
from .store_base import StoreBase, noise
from .table_base import TableBase, rows


class Secretive(SpecContract):
    """Which secrets there are: those among the options, the password of the address, and ``secrets``."""

    secrets: ClassVar[Sequence[str]] = ()
    """More secrets that the connector finds: in the environment, or in other parts of an address."""

    def known_secrets(self, url: str) -> list[str]:
        given = list(self.secrets)
        config = config_of(self.spec, self.options)
        for value in (getattr(config, name) for name in type(config).model_fields):
            if isinstance(value, SecretStr | SecretBytes):
                secret = value.get_secret_value()
                given.append(secret if isinstance(secret, str) else secret.decode(errors="replace"))
        given.append(unquote(urlsplit(url).password or ""))
        found = [secret for secret in given if secret]
        if not found:
            pytest.skip("neither options nor address nor `secrets` of this test hold one")
        return found

    def assert_kept(self, secrets: Iterable[str], **shown: object) -> None:
        for secret in secrets:
            for name, each in shown.items():
                text = each.decode(errors="replace") if isinstance(each, bytes) else f"{each} {each!r}"
                told = any(form in text for form in forms(secret))
                assert not told, f"{name} holds a secret, which would be kept or shown"


class StoreSecretChecks(Secretive, StoreBase):
    def test_secrets_stay_out_of_what_is_kept(self, store: ObjectStore, url: str) -> None:
        secrets = self.known_secrets(url)
        pieces = self.cut(noise(10))
        upload = self.stage(store, "x", pieces)
        store.commit(upload, [block for block, _ in pieces])
        self.assert_kept(secrets, handle=upload, object=store.stat("x"), store=store)
        store.abort(upload)
        for wrong in ("missing", "x/y"):
            with self.may_raise(CrossdockError) as refusal:
                store.stat(wrong)
            self.assert_kept(secrets, error=refusal.error, detail=getattr(refusal.error, "detail", ""))


class TableSecretChecks(Secretive, TableBase):
    def test_secrets_stay_out_of_what_is_kept(self, url: str) -> None:
        secrets = self.known_secrets(url)
        self.seed(url, "t", rows(0, 5))
        for name, each in (*self._of_source(url), *self._of_sink(url)):
            self.assert_kept(secrets, **{name: each})

    def _of_source(self, url: str) -> Iterator[tuple[str, object]]:
        if self.spec.open_source is None:
            return
        with closing(self.open_source(url)) as source:
            unit = self.unit(source, "t")
            yield from (("source", source), ("unit", unit), ("unit", unit.token))
            for split in source.plan(unit, PlanHint(parallel=2)):
                yield "split", split.token
            with self.may_raise(CrossdockError) as refusal:
                source.schema(Unit("never_was"))
            yield from (("error", refusal.error), ("detail", getattr(refusal.error, "detail", "")))

    def _of_sink(self, url: str) -> Iterator[tuple[str, object]]:
        if self.spec.open_sink is None:
            return
        with closing(self.open_sink(url)) as sink:
            begun = self.begin(sink, "u", self.creating)
            yield from (("sink", sink), ("handle", begun.handle))
            yield "receipt", self.stage(sink, begun, "u", rows(0, 5))[1].token
            sink.cleanup(begun.handle)
