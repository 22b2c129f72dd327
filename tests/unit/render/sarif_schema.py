"""What SARIF 2.1.0 demands of the parts we write, and what code scanning on GitHub demands beyond it.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""


def closed(required, **properties):
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


TEXT = {"type": "string", "minLength": 1}
MESSAGE = closed(["text"], text=TEXT)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
FROM_1 = {"type": "integer", "minimum": 1}
RULE = closed(
    ["id", "name", "shortDescription", "fullDescription", "help", "defaultConfiguration"],
    id=TEXT,
    name=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed(["level"], level=LEVEL),
    helpUri={"type": "string", "pattern": "^https://"},
)
REGION = closed(
    ["startLine"],
    startLine=FROM_1,
    startColumn=FROM_1,
    endLine=FROM_1,
    endColumn=FROM_1,
    snippet=MESSAGE,
)
LOCATION = closed(
    [],
    physicalLocation=closed(
        ["artifactLocation", "region"],
        artifactLocation=closed(
            ["uri"],
            uri={"type": "string", "pattern": r"^[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+$"},
            uriBaseId={"const": "%SRCROOT%"},
        ),
        region=REGION,
    ),
    logicalLocations={
        "type": "array",
        "items": closed(["kind", "fullyQualifiedName"], kind=TEXT, fullyQualifiedName=TEXT),
    },
)
RESULT = closed(
    ["ruleId", "level", "message", "locations", "partialFingerprints"],
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations={"type": "array", "items": LOCATION},
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    suppressions={
        "type": "array",
        "items": closed(
            ["kind", "status", "justification"],
            kind={"enum": ["inSource", "external"]},
            status={"const": "accepted"},
            justification={"type": "string"},
        ),
    },
    properties={"type": "object"},
)
NOTIFICATION = closed(["level", "message"], level=LEVEL, message=MESSAGE)
SARIF = closed(
    ["$schema", "version", "runs"],
    **{"$schema": {"type": "string", "pattern": "sarif-2.1.0"}},
    version={"const": "2.1.0"},
    runs={
        "type": "array",
        "minItems": 1,
        "items": closed(
            ["tool", "invocations", "results"],
            tool=closed(
                ["driver"],
                driver=closed(
                    ["name", "version", "rules"],
                    name=TEXT,
                    version=TEXT,
                    rules={"type": "array", "items": RULE, "uniqueItems": True},
                ),
            ),
            invocations={
                "type": "array",
                "items": closed(
                    ["executionSuccessful"],
                    executionSuccessful={"type": "boolean"},
                    toolExecutionNotifications={"type": "array", "items": NOTIFICATION},
                ),
            },
            columnKind={"const": "unicodeCodePoints"},
            results={"type": "array", "items": RESULT},
        ),
    },
)


def problems(document):
    """Every violation as text."""
    from jsonschema import Draft202012Validator

    return [f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(SARIF).iter_errors(document)]
