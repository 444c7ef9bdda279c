"""Checks that secrets stay where they were given: what the engine journals or shows has none."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import SecretBytes, SecretStr, ValidationError

from ..errors import CrossdockError
from ..redact import forms
from ..spi import ObjectStore, PlanHint, Sink, Source, Unit
from .opening import Options, config_of, open_sink, open_source, open_store
from .spec_checks import SpecContract, holds_secret
from .store_base import StoreBase, noise
from .table_base import TableBase, rows

CANARY = "canary-0f3b9d"
# A word, or what looks like a key or like a connection string, where an option wants one.
_CANARIES = (CANARY, b64encode(CANARY.encode()).decode(), f"Password={CANARY}")
Shown = Iterator[tuple[str, object]]


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
        return [secret for secret in given if secret]

    def secret_options(self) -> list[str]:
        """The options that are secrets and that this test does not give."""
        fields = self.spec.config.model_fields
        return [
            name
            for name, field in fields.items()
            if holds_secret(field.annotation) and name not in self.options
        ]

    def assert_kept(self, secrets: Iterable[str], **shown: object) -> None:
        for secret in secrets:
            for name, each in shown.items():
                text = each.decode(errors="replace") if isinstance(each, bytes) else f"{each} {each!r}"
                told = any(form in text for form in forms(secret))
                assert not told, f"{name} holds a secret, which would be kept or shown"

    def kept(self, url: str) -> Shown:
        """What is kept and shown of a copy that works."""
        raise NotImplementedError

    def shown(self, options: Options, url: str) -> Sequence[Shown]:
        """What is kept and shown with options that may be wrong, by what is opened."""
        raise NotImplementedError

    def test_secrets_stay_out_of_what_is_kept(self, url: str) -> None:
        """Neither those of this test, nor what each secret option without a value is given here."""
        known, options = self.known_secrets(url), self.secret_options()
        if not known and not options:
            pytest.skip("no option is a secret, and neither address nor `secrets` of this test hold one")
        for name, each in self.kept(url) if known else ():
            self.assert_kept(known, **{name: each})
        for option in options:
            self._try(option, url)

    def _try(self, option: str, url: str) -> None:
        for canary in _CANARIES:
            options = {**self.options, option: canary}
            try:
                config = config_of(self.spec, options)
            except ValidationError as error:
                self.assert_kept([CANARY], refusal=[each["msg"] for each in error.errors()])
                continue
            self.assert_kept([CANARY], options=config)
            for shown in self.shown(options, url):
                self._watch(shown)
            return

    def _watch(self, shown: Shown) -> None:
        """Whatever it raises is an answer: the secret may be the wrong one."""
        try:
            for name, each in shown:
                self.assert_kept([CANARY], **{name: each})
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - of a driver
            mapped = self.mapped(error)
            self.assert_kept([CANARY], error=mapped, detail=getattr(mapped, "detail", ""))


class StoreSecretChecks(Secretive, StoreBase):
    def kept(self, url: str) -> Shown:
        with closing(self.open(url)) as store:
            pieces = self.cut(noise(10))
            upload = self.stage(store, "x", pieces)
            store.commit(upload, [block for block, _ in pieces])
            yield from (("handle", upload), ("object", store.stat("x")), ("store", store))
            store.abort(upload)
            for wrong in ("missing", "x/y"):
                with self.may_raise(CrossdockError) as refusal:
                    store.stat(wrong)
                yield from (("error", refusal.error), ("detail", getattr(refusal.error, "detail", "")))

    def shown(self, options: Options, url: str) -> Sequence[Shown]:
        return [self._missing(options, url), self._begun(options, url)]

    def _missing(self, options: Options, url: str) -> Shown:
        with closing(open_store(self.spec, options, url)) as store:
            yield "store", store
            yield "object", store.stat("missing")

    def _begun(self, options: Options, url: str) -> Shown:
        store: ObjectStore
        with closing(open_store(self.spec, options, url)) as store:
            upload = store.open_upload("missing", self.request())
            try:
                yield "handle", upload
            finally:
                store.abort(upload)


class TableSecretChecks(Secretive, TableBase):
    def kept(self, url: str) -> Shown:
        self.seed(url, "t", rows(0, 5))
        if self.spec.open_source is not None:
            with closing(self.open_source(url)) as source:
                yield from self._of_source(source)
        if self.spec.open_sink is not None:
            with closing(self.open_sink(url)) as sink:
                yield from self._of_sink(sink)

    def shown(self, options: Options, url: str) -> Sequence[Shown]:
        return [self._of_a_source(options, url), self._of_a_sink(options, url)]

    def _of_a_source(self, options: Options, url: str) -> Shown:
        if self.spec.open_source is not None:
            with closing(open_source(self.spec, options, url)) as source:
                yield "source", source
                yield "schema", source.schema(Unit("never_was"))

    def _of_a_sink(self, options: Options, url: str) -> Shown:
        if self.spec.open_sink is not None:
            with closing(open_sink(self.spec, options, url)) as sink:
                yield from self._of_sink(sink)

    def _of_source(self, source: Source[Any]) -> Shown:
        unit = self.unit(source, "t")
        yield from (("source", source), ("unit", unit), ("unit", unit.token))
        for split in source.plan(unit, PlanHint(parallel=2)):
            yield "split", split.token
        with self.may_raise(CrossdockError) as refusal:
            source.schema(Unit("never_was"))
        yield from (("error", refusal.error), ("detail", getattr(refusal.error, "detail", "")))

    def _of_sink(self, sink: Sink[Any]) -> Shown:
        yield "sink", sink
        begun = self.begin(sink, "u", self.creating)
        try:
            yield "handle", begun.handle
            yield "receipt", self.stage(sink, begun, "u", rows(0, 5))[1].token
        finally:
            sink.cleanup(begun.handle)
