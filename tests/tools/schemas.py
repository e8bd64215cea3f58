"""schemas.py SCHEMAS LAYOUT: checks every JSON document of an image layout against the image specification's schemas.

Prints one line for each violation and exits 1, or prints how many documents were checked."""

import json
import pathlib
import re
import sys

from jsonschema import Draft4Validator, FormatChecker, RefResolver

schemas, layout = map(pathlib.Path, sys.argv[1:])
formats = FormatChecker([])


# Otherwise "date-time" needs a rarely installed package, or is not checked.
@formats.checks("date-time")
def date_time(value):
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value) is not None


def load(name):
    return json.loads((schemas / name).read_bytes())


def by_name(uri):
    """The schemas have addresses as identities, some inside of a schema, so relative references cannot be resolved.
    File names are unique, so the last part identifies the schema, and nothing is ever fetched."""
    return load(uri.rsplit("/", 1)[-1])


checked, found = 0, 0


def check(document, schema, where):
    global checked, found
    checked += 1
    schema = load(schema)
    resolver = RefResolver.from_schema(schema, handlers={"http": by_name, "https": by_name})
    for error in Draft4Validator(schema, resolver=resolver, format_checker=formats).iter_errors(document):
        found += 1
        print("%s: /%s: %s" % (where, "/".join(map(str, error.absolute_path)), error.message), file=sys.stderr)


# The suffix of the media type → the schema, and the members with descriptors. Layers and artifacts are not checked.
DOCUMENTS = {
    "oci.image.index.v1+json": ("image-index-schema.json", ["manifests"]),
    "oci.image.manifest.v1+json": ("image-manifest-schema.json", ["config", "layers", "subject"]),
    "oci.image.config.v1+json": ("config-schema.json", []),
}
seen = set()


def follow(descriptor, where):
    check(descriptor, "content-descriptor.json", where)
    kind = next((k for k in DOCUMENTS if str(descriptor.get("mediaType")).endswith(k)), None)
    if kind and descriptor["digest"] not in seen:
        seen.add(descriptor["digest"])
        read(layout / "blobs" / descriptor["digest"].replace(":", "/"), kind)


def read(path, kind):
    document = json.loads(path.read_bytes())
    schema, keys = DOCUMENTS[kind]
    where = path.relative_to(layout)
    check(document, schema, where)
    for key in keys:
        descriptors = document.get(key, [])
        for n, descriptor in enumerate(descriptors if isinstance(descriptors, list) else [descriptors]):
            follow(descriptor, "%s: /%s/%d" % (where, key, n))


check(json.loads((layout / "oci-layout").read_bytes()), "image-layout-schema.json", "oci-layout")
read(layout / "index.json", "oci.image.index.v1+json")
if found:
    sys.exit("%d violations" % found)
print("%d documents and descriptors" % checked)
