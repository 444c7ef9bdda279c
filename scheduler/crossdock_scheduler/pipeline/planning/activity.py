"""Reading the JSON of one activity, before a run or for one: what a plan of any type begins with."""

from __future__ import annotations

from collections.abc import Mapping

from crossdock import AdfProperties
from crossdock.redact import redacted

from ..checks.parameters import parameters_of
from ..definitions import Definition, Factory, Finding, of_remark
from ..definitions.activities import Activity
from ..definitions.findings import Severity
from ..expressions import ExpressionError, Scope
from ..policy import Policy
from .ends import End, Ends, unread
from .values import Values

_ACTIVITY = (
    "name", "type", "description", "dependsOn", "userProperties", "typeProperties", "inputs", "outputs",
    "state", "onInactiveMarkAs", "policy",
)  # fmt: skip


def ahead(factory: Factory, pipeline: Definition) -> Scope:
    """What is known before a run: the defaults of parameters and the global ones."""
    declared = parameters_of(pipeline).values()
    parameters = {each.name: each.default for each in declared if not each.required}
    return Scope(parameters=parameters, global_parameters=factory.global_parameters or {})


class Planning:
    """One activity; every key of its JSON is read, refused or reported.

    ``properties`` are its typeProperties, evaluated; empty where that cannot be done. Without a scope it is
    planned ahead of a run. ``findings`` is everything that is to be said, once ``report`` has been called.
    """

    def __init__(
        self,
        factory: Factory,
        pipeline: Definition,
        activity: Activity,
        policy: Policy,
        scope: Scope | None = None,
    ) -> None:
        values = Values(scope or ahead(factory, pipeline), ahead=scope is None)
        self.ends = Ends(factory, values, policy, pipeline, activity.name)
        self.pipeline, self.activity = pipeline, activity
        self.whole = activity.read()
        self.whole.ignore(*_ACTIVITY)
        self.properties = self.evaluated("typeProperties")

    @property
    def findings(self) -> list[Finding]:
        return self.ends.findings

    def evaluated(self, key: str) -> AdfProperties:
        """The object there with its expressions evaluated."""
        given = self.whole.inner(key)
        try:
            found = self.ends.values.of(dict(given))
            if isinstance(found, Mapping):
                return AdfProperties(found, given.path)
            what = f"{key} must be an object, and is an expression"
            self.say("error", "BrokenDefinition", what, given.path)
        except ExpressionError as error:
            self.say("error", "InvalidExpression", redacted(str(error)), given.path)
        given.ignore_all()
        return AdfProperties({}, given.path)

    def dataset(self, activity: AdfProperties, *, key: str = "dataset", as_is: bool = False) -> End | None:
        """The end that a key of the properties names, which is read with what ``activity`` says of it.

        ``as_is``: where the dataset does not name a format, bytes are meant.
        """
        reference, end = self.properties.get(key), None
        if isinstance(reference, Mapping) and reference.get("referenceName"):
            end = self.ends.of_dataset("source", reference, activity, as_is=as_is)
        else:
            self.say("error", "BrokenDefinition", f"{key}: a dataset is needed", self.properties.where(key))
        if end is None:
            activity.ignore_all()  # its keys are read by a connector that is not there
        return end

    def database(self) -> End | None:
        """The database that the activity's own linked service names."""
        link = self.whole.inner("linkedServiceName")
        if not link.text("referenceName"):
            message = "linkedServiceName: the linked service of a database is needed"
            self.say("error", "BrokenDefinition", message, self.activity.path)
            return None
        return self.ends.database(link)

    def report(self) -> None:
        """Gather what was found wrong with keys, and those that nobody has read."""
        place, owner, name = self.pipeline.place, self.pipeline.owner, self.activity.name
        for remark in self.properties.remarks():
            self.findings.append(of_remark(remark, place, owner, name))
        self.findings.extend(unread(self.properties, self.pipeline, name))
        for path in self.whole.unread():
            if not path.startswith(f"{self.activity.path}.typeProperties"):
                key = path.rpartition(".")[2]
                self.say("note", "UnknownKey", f"{key} is no key of an activity that is known", path)

    def say(self, severity: Severity, code: str, message: str, path: str) -> None:
        place = self.pipeline.place.at(path)
        self.findings.append(Finding(severity, code, message, place, self.pipeline.owner, self.activity.name))
