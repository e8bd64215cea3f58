"""Compares documents on standard input, one per line, with the strict schema of CycloneDX 1.6 in a folder. Prints what is
wrong."""

import json
import sys
from pathlib import Path

from jsonschema import Draft7Validator, RefResolver


def read(name):
    return json.loads((Path(sys.argv[1]) / f"{name}.SNAPSHOT.schema.json").read_text())


schema = read("bom-1.6")
others = {other["$id"]: other for other in map(read, ["spdx", "jsf-0.82"])}
validator = Draft7Validator(schema, resolver=RefResolver.from_schema(schema, store=others))
for number, line in enumerate(sys.stdin, 1):
    for error in validator.iter_errors(json.loads(line)):
        print(number, list(error.path), error.message[:200])
