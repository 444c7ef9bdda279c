"""A scope with a value of every kind, for the tests of expressions."""

from __future__ import annotations

from crossdock_scheduler.pipeline.expressions import Scope

SCOPE = Scope(
    parameters={"myNumber": 42, "myString": "foo", "with-dash": 1, "a b": 2, "firstName": "A", "none": None},
    global_parameters={"region": "eu"},
    library_variables={"lib": "x"},
    system={"RunId": "r1", "pipeline": "P", "TriggerTime": "2018-01-01T00:00:00Z"},
    variables={"i": 1, "list": ["a", "b", {"Deep": [10, 20]}], "brace": "}", "Größe": "ä"},
    activities={
        "Look up": {
            "output": {"firstRow": {"Name": "n", "sub": {"field4": 4}}, "value": [{"a": 1}], "count": 1}
        }
    },
    item={"x": None, "y": [1]},
    dataset={"path": "p/q"},
    linked_service={"server": "s"},
    trigger={
        "startTime": "t0",
        "scheduledTime": "t1",
        "outputs": {
            "windowStartTime": "w0",
            "windowEndTime": "w1",
            "body": {"fileName": "f", "folderPath": "d"},
        },
    },
)
