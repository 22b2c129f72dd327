"""Every result validates against its published schema, and the schemas are strict."""

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from indexpilot_cli.errors import IndexPilotError, RefusedError, UsageError
from indexpilot_cli.render.envelope import as_json, as_yaml, envelope, failure
from indexpilot_cli.render.schema import api_names, names, text
from tests.unit.render.samples import NOW, outcomes

OUTCOMES = outcomes()


def validator(name):
    schema = json.loads(text(name))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize(("name", "outcome", "document"), OUTCOMES)
def test_results_validate(name, outcome, document):
    value = json.loads(as_json(envelope(outcome, document.payload, 0, NOW)))
    validator(name).validate(value)


@pytest.mark.parametrize(("name", "outcome", "document"), OUTCOMES)
def test_yaml_is_the_same_document(name, outcome, document):
    import yaml

    value = envelope(outcome, document.payload, 0, NOW)
    assert yaml.safe_load(as_yaml(value)) == json.loads(as_json(value))


@pytest.mark.parametrize(
    "error", [UsageError("x"), RefusedError("x", detail="y", hint="z", code="window"), IndexPilotError("b")]
)
def test_failures_validate(error):
    value = json.loads(as_json(failure(error, error.exit_code, NOW)))
    validator("error").validate(value)
    assert value["status"] == ("refused" if error.exit_code == 6 else "failed")
    assert value["error"]["code"] == error.code


def objects(schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("name", names())
def test_schemas_are_strict_and_use_every_definition(name):
    schema = json.loads(text(name))
    free = [o for o in objects(schema) if o.get("additionalProperties") is not False]
    assert all(set(o) == {"type"} for o in free)  # only the details of a mutation are free
    assert all(set(o["required"]) == set(o["properties"]) for o in objects(schema) if "properties" in o)
    assert all(json.dumps(schema).count(f'"#/$defs/{d}"') for d in schema["$defs"])
    assert schema["properties"]["schema"]["const"] == f"indexpilot.{name}/1"


def test_every_schema_is_exercised():
    """Those of the API's answers by tests of the server."""
    assert {name for name, _, _ in OUTCOMES} | {"error"} == set(names()) - set(api_names())


ODD = {"not": "this"}
FREE = ("details", "value", "labels")  # of a mutation, a setting and a series: any JSON is right


def places(value, path=()):
    """Every object of a document with a key of it, the first of each list only, as paths."""
    if isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))
    if isinstance(value, dict):
        for key in value:
            yield path, key
            if key not in FREE:
                yield from places(value[key], (*path, key))


def changed(document, path, change):
    copy = json.loads(json.dumps(document))
    found = copy
    for step in path:
        found = found[step]
    change(found)
    return copy


@pytest.mark.parametrize("number", range(0, len(OUTCOMES), 3))
def test_a_document_with_a_mistake_is_refused(number):
    """A missing key, an added one or a value of the wrong type, wherever it is."""
    name, outcome, document = OUTCOMES[number]
    value = json.loads(as_json(envelope(outcome, document.payload, 0, NOW)))
    check = validator(name)
    for path, key in places(value):
        assert not check.is_valid(changed(value, path, lambda found, key=key: found.pop(key))), (*path, key)
        if key not in FREE:
            assert not check.is_valid(changed(value, path, lambda found, key=key: found.update({key: ODD}))), key
    for path in {path for path, _ in places(value)}:
        assert not check.is_valid(changed(value, path, lambda found: found.update({"added": 1}))), path


def test_numbers_json_does_not_know_become_null():
    name, outcome, _ = next(o for o in OUTCOMES if o[0] == "recommend")
    plan = replace(outcome.result, bound=replace(outcome.result.bound, gap=float("nan"), lower=float("-inf")))
    from indexpilot_cli.render.views.recommend import view

    value = json.loads(as_json(envelope(replace(outcome, result=plan), view(plan).payload, 0, NOW)))
    validator(name).validate(value)
    assert value["result"]["bound"]["gap"] is None


def test_unknown_names_get_the_nearest():
    with pytest.raises(UsageError, match="did you mean recommend"):
        text("recomend")


def test_secrets_of_the_configuration_stay_inside():
    for name, outcome, document in OUTCOMES:
        if name == "config":
            assert "s3cret" not in as_json(envelope(outcome, document.payload, 0, NOW))
