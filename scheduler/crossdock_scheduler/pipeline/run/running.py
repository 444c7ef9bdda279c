"""One run of one pipeline: its variables, its lists of activities, and what becomes of each activity."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from crossdock import AdfProperties
from crossdock.redact import MARK

from ... import clock
from ..activity_types import Attempt
from ..attempts import Attempts, attempts_of
from ..definitions import Definition
from ..definitions.activities import Activity
from ..expressions import ABSENT, ExpressionError, Scope, evaluate, references
from ..planning.values import Values
from .control import control_types
from .failure import problem_of
from .frame import Frame, Lists, Result
from .order import Dependency, dependencies, failed, may_run
from .records import ActivityRun, PipelineRun, Problem, Status, moment
from .step import Step
from .store import Change
from .values import Variables, without_secrets

if TYPE_CHECKING:
    from .interpreter import Interpreter

_UNLIMITED = 365 * 24 * 3600
"""Seconds. Data Factory's longest time-out is 90 days."""


class Running:
    """Executes one pipeline once. ``return_value`` is what its activities made of it."""

    def __init__(
        self, host: Interpreter, pipeline: Definition, run: PipelineRun, parameters: Mapping[str, Any]
    ) -> None:
        self.host, self.pipeline, self.run = host, pipeline, run
        self.variables = Variables(pipeline)
        self.return_value: Mapping[str, Any] | None = None
        self._lists = Lists(pipeline)
        self._parameters = parameters
        self._system = _system(host.factory_name(), run)
        self._named = _named(pipeline)

    async def execute(self) -> str:
        """Run all activities. Returns why the pipeline failed; empty if it succeeded."""
        for each in await self.host.store.variables(self.run.run_id):
            self.apply(each)
        problem = await self.listed(self._lists.top(), Frame())
        return f"Operation on target {problem.target} failed: {problem.message}" if problem else ""

    def apply(self, change: Change) -> None:
        if change.name:
            self.variables.restore(change.name, change.value, whole=change.whole)
        else:
            self.return_value = change.value

    def scope(self, frame: Frame, item: Any = ABSENT) -> Scope:
        """What expressions see at this moment. It does not change any more."""
        return Scope(
            parameters=self._parameters,
            global_parameters=self.host.factory.global_parameters or {},
            system=self._system,
            variables=self.variables.copy(),
            activities=frame.known(),
            item=frame.item if item is ABSENT else item,
            trigger=self.run.trigger,
        )

    # -- lists -----------------------------------------------------------------------------------------

    async def inner(self, container: Activity, name: str, frame: Frame) -> Problem | None:
        """Run one of the lists of a container."""
        return await self.listed(self._lists.of(container, name), frame)

    async def listed(self, activities: Sequence[Activity], frame: Frame) -> Problem | None:
        """Run a list of activities, each when those that it depends on have ended. Returns why it failed."""
        ended = {each.name.lower(): anyio.Event() for each in activities}
        statuses: dict[str, Status] = {}

        async def one(activity: Activity) -> None:
            needed = dependencies(activity)
            for each in needed:
                if each.name in ended:
                    await ended[each.name].wait()
            result = await self._one(activity, needed, statuses, frame)
            frame.results[activity.name] = result
            statuses[activity.name.lower()] = result.status
            ended[activity.name.lower()].set()

        async with anyio.create_task_group() as group:
            for each in activities:
                group.start_soon(one, each)
        name = failed(activities, statuses)
        found = next((r for key, r in frame.results.items() if key.lower() == name), None)
        return found.error if found else None

    async def _one(
        self,
        activity: Activity,
        needed: Sequence[Dependency],
        statuses: Mapping[str, Status],
        frame: Frame,
    ) -> Result:
        if not may_run(needed, statuses):
            return await self._marked(activity, frame, "Skipped")
        if activity.inactive:
            mark = activity.read().text("onInactiveMarkAs").lower()
            marks: dict[str, Status] = {"failed": "Failed", "skipped": "Skipped"}
            return await self._marked(activity, frame, marks.get(mark, "Succeeded"))
        if activity.type.lower() in control_types():
            return await self._control(activity, frame)
        return await self._leaf(activity, frame)

    async def _marked(self, activity: Activity, frame: Frame, status: Status) -> Result:
        """An activity that does not run."""
        run, known = await self._record(activity, frame, 0)
        if known:
            return _result(run)
        problem = None
        if status == "Failed":
            message = "the activity is inactive and marked as failed"
            problem = Problem("Inactive", message, "UserError", activity.name)
        return await self._ended(run, Result(status, error=problem))

    # -- control activities ----------------------------------------------------------------------------

    async def _control(self, activity: Activity, frame: Frame) -> Result:
        kind = control_types()[activity.type.lower()]
        run, known = await self._record(activity, frame, 0)
        if known and not self._lost(run):
            return _result(run)
        await self._save(run)
        step = Step(self, activity, frame, run)
        try:
            output = await kind.run(step)
            result = Result("Succeeded", output)
        except Exception as error:  # noqa: BLE001 - whatever it is ends this activity, and is told
            result = Result("Failed", error=problem_of(error, activity.name))
        tries = _attempts_of(activity)
        run = replace(step.record, input=_secured(step.input, "secureInput", tries.secure_input))
        return await self._ended(run, result, tries, step.change)

    # -- leaf activities -------------------------------------------------------------------------------

    async def _leaf(self, activity: Activity, frame: Frame) -> Result:
        try:
            tries = self._policy(activity, frame)
        except ExpressionError as error:
            run, _ = await self._record(activity, frame, 0)
            return await self._ended(run, Result("Failed", error=problem_of(error, activity.name)))
        number = 0
        while True:
            run, known = await self._record(activity, frame, number)
            if known and not self._lost(run):
                result = _result(run)
            else:
                run = replace(run, started=clock.moment())
                result = await self._attempt(activity, frame, run, tries)
                run = replace(run, ended=clock.moment())
            if result.status != "Failed" or number >= tries.retries:
                return result
            number += 1
            waited = (clock.moment() - (run.ended or run.started)).total_seconds()
            await anyio.sleep(max(tries.wait - waited, 0))

    async def _attempt(self, activity: Activity, frame: Frame, run: ActivityRun, tries: Attempts) -> Result:
        scope = self.scope(frame)
        run = replace(run, input=_secured(_input(activity, scope), "secureInput", tries.secure_input))
        await self._save(run)

        last: dict[str, Any] = {}

        def progress(output: Mapping[str, Any]) -> None:
            last.update(output)
            if not tries.secure_output:
                self.host.watch(replace(run, output=without_secrets(output)))

        attempt = Attempt(
            self.host.factory, self.pipeline, activity, scope, self.host.policy, run.run_id, progress,
            threading.Event(),
        )  # fmt: skip
        try:
            with anyio.fail_after(tries.timeout):
                output = await self.host.carrier.carry(attempt)
            result = Result("Succeeded", dict(output))
        except TimeoutError:
            message = f"the activity did not end within its time-out of {tries.timeout:,} seconds"
            result = _failed(Problem("Timeout", message, "UserError", activity.name), last)
        except Exception as error:  # noqa: BLE001 - whatever it is ends this attempt, and is told
            result = _failed(problem_of(error, activity.name), last)
        return await self._ended(run, result, tries)

    def _policy(self, activity: Activity, frame: Frame) -> Attempts:
        whole = activity.read()
        given = whole.inner("policy")
        found = attempts_of(AdfProperties(evaluate(dict(given), self.scope(frame))))
        # A type that has a time-out of its own keeps to that.
        timed = "timeout" in whole.inner("typeProperties") and "timeout" not in given
        return replace(found, timeout=_UNLIMITED) if timed else found

    # -- records ---------------------------------------------------------------------------------------

    async def _record(self, activity: Activity, frame: Frame, number: int) -> tuple[ActivityRun, bool]:
        """The record of an attempt, and whether it has ended."""
        key = frame.key(activity)
        found = await self.host.store.activity_run(self.run.run_id, key, number)
        if found is not None:
            return found, found.ended is not None
        made = ActivityRun(
            self.pipeline.name, self.run.run_id, key, activity.name, activity.type, "InProgress",
            clock.moment(), number, user_properties=_user_properties(activity, self.scope(frame)),
        )  # fmt: skip
        return made, False

    def _lost(self, run: ActivityRun) -> bool:
        """Whether an output that others need was a secret, so that it is to be had again."""
        if run.status != "Succeeded" or run.whole:
            return False
        return run.activity.lower() in self._named or run.type.lower() == "setvariable"

    async def _save(self, run: ActivityRun) -> None:
        await self.host.store.save_activity_run(run)
        self.host.watch(run)

    async def keep(self, run: ActivityRun) -> None:
        """Save what a control activity has decided, if that may be kept."""
        open_state = without_secrets(run.state)
        await self.host.store.save_activity_run(
            replace(run, state=run.state if open_state == run.state else None)
        )

    async def _ended(
        self, run: ActivityRun, result: Result, tries: Attempts | None = None, change: Change | None = None
    ) -> Result:
        output = _secured(result.output, "secureOutput", tries is not None and tries.secure_output)
        error = replace(result.error, message=without_secrets(result.error.message)) if result.error else None
        run = replace(
            run, status=result.status, ended=clock.moment(), output=output, error=error, state=None,
            whole=output == result.output,
        )  # fmt: skip
        if change is not None:
            kept = without_secrets(change.value)
            whole = kept == change.value and not (tries and (tries.secure_input or tries.secure_output))
            kept_change = Change(change.name, kept if whole else None, whole)
            await self.host.store.save_activity_run(run, kept_change)
        else:
            await self.host.store.save_activity_run(run)
        self.host.watch(run)
        return replace(result, error=error, run=run)


def _result(run: ActivityRun) -> Result:
    if run.status == "Failed" and run.error is not None and not run.whole:
        return replace(_failed(run.error, {}), run=run)  # the error is no secret
    return Result(run.status, run.output, run.error, run)


def _failed(problem: Problem, output: Mapping[str, Any]) -> Result:
    """What an activity that failed leaves: how far it came, and the error in Data Factory's other form."""
    message = without_secrets(problem.message)
    event = {"Code": problem.code, "Message": message, "EventType": 0, "Category": 5, "Data": {}}
    return Result("Failed", {**output, "errors": [event]}, problem)


def _attempts_of(activity: Activity) -> Attempts:
    """Of a control activity, which is neither repeated nor timed."""
    return attempts_of(activity.read().inner("policy"))


def _secured(value: Any, key: str, secure: bool) -> Any:
    if secure and value is not None:
        return {key: MARK}
    return without_secrets(value)


def _input(activity: Activity, scope: Scope) -> Any:
    """What the activity is given, as far as that can be said without it."""
    given = dict(activity.read().inner("typeProperties"))
    try:
        return Values(scope, ahead=False).of(given)
    except ExpressionError:
        return given


def _user_properties(activity: Activity, scope: Scope) -> dict[str, Any]:
    listed = activity.read().get("userProperties")
    found = {}
    for each in listed if isinstance(listed, list) else ():
        one = AdfProperties(each if isinstance(each, Mapping) else {})
        try:
            found[one.text("name")] = without_secrets(evaluate(one.get("value"), scope))
        except ExpressionError:
            found[one.text("name")] = one.get("value")
    return found


def _system(factory: str, run: PipelineRun) -> dict[str, Any]:
    return {
        "DataFactory": factory,
        "Pipeline": run.pipeline,
        "RunId": run.run_id,
        "GroupId": run.group_id or run.run_id,
        "TriggerType": run.trigger_type,
        "TriggerId": run.caller_run_id or run.run_id,
        "TriggerName": run.trigger_name,
        "TriggerTime": run.trigger_time or moment(run.started),
        "TriggeredByPipelineName": run.caller_pipeline or None,
        "TriggeredByPipelineRunId": run.caller_run_id or None,
    }


def _named(pipeline: Definition) -> frozenset[str]:
    """The activities, in lower case, of which some expression of the pipeline says the name."""
    listed = pipeline.read().get("activities")
    try:
        found = references(listed)
    except ExpressionError:
        return frozenset()
    return frozenset(each.name.lower() for each in found if each.kind == "activity" and each.name)
