"""Runs the program on a case, and compares the result with the model."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import case as cases
from model import Refused, Unclear, layer_above
from root import ANY, OPAQUE, WHITEOUT, Malformed, ancestors, apply_layer, members_of, name, parent, unpack


class Difference(Exception):
    """The result differs from the model. `kind` groups differences with one cause."""

    def __init__(self, kind, lines):
        super().__init__(kind)
        self.kind, self.lines = kind, lines


class Checked:
    """The result of a case, for further checks."""

    def __init__(self, outcome, layouts, sources):
        self.outcome, self.layouts, self.sources = outcome, layouts, sources


def check(case, program, folder):
    """Raises Difference. The outcome is "accepted", "refused" or "unclear". The output stays in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    base = cases.write_base(case, folder / "base")
    root = unpack([layer["members"] for layer in case["layers"]])
    layouts, sources = [base], []
    for number, step in enumerate(case["steps"]):
        step_folder = folder / f"step{number}"
        step_folder.mkdir()
        made = [cases.write_source(file, step_folder / f"source{i}") for i, file in enumerate(step["files"])]
        sources.append(made)
        below = (layouts[-2], folder / "step0" / "image-layer") if step["same_image"] else layouts[-1]
        try:
            expected, refused = layer_above(root, step["files"], step["options"]), None
        except Refused as error:
            expected, refused = None, error
        except Unclear:
            run_step(step, made, below, step_folder, program)
            return Checked("unclear", layouts, sources)
        output = run_step(step, made, below, step_folder, program)
        if refused:
            compare_refusal(refused, output)
            return Checked("refused", layouts, sources)
        if output.returncode:
            raise Difference("refused", ["the program refuses it:", output.stderr.strip()])
        layout = step_folder / "image"
        compare_layer(root, expected, layouts[-1], layout)
        if case["seed"] % 10 == number:
            compare_again(step, made, below, step_folder, program)
        compare_findings(layouts[-1], layout, program)
        layouts.append(layout)
        root = expected.root
    return Checked("accepted", layouts, sources)


def call(command):
    output = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if output.returncode not in (0, 1) or "panicked" in output.stderr:
        raise Difference("crash", [f"exit code {output.returncode}", output.stderr.strip()])
    return output


def run_step(step, sources, base, folder, program, image="image", cache="cache", extra=()):
    """Makes the image of a step in its folder. If the base is a pair, it is an image and a layer above it."""
    base, above = base if isinstance(base, tuple) else (base, None)
    base = ["--base", base, "--cache", folder.parent / cache if cache != "-" else "-"]
    compression = ["--compression", step["compression"], "--quiet"]
    replace = ["--replace"] if step["options"].get("replace") or step["replaced_below"] else []
    if step["by"] == "build":
        files = [arg for file, source in zip(step["files"], sources)
                 for arg in ("-f", f"{escape(source)}:{escape(file['destination'])}")]
        return call([program, "build", *files, *base, "-o", folder / image, "--tag", "made", *compression, *replace, *extra])
    (folder / "spec.json").write_text(json.dumps(specification(step, sources)))
    layer, manifest = folder / f"{image}-layer", folder / f"{image}-manifest"
    layers = ["--layer", above, "--layer", layer] if above else ["--layer", layer]
    lazy, sparse = (["--lazy"], ["--sparse"]) if extra else ([], [])
    for command in (
        ["layer-tar", "--spec", folder / "spec.json", *base, *(["--above", above] if above else []), "-o", layer,
         *compression, *lazy],
        ["image-manifest", *layers, *base, "-o", manifest, *replace],
        ["image-layout", f"made={manifest}", "-o", folder / image, *sparse],
    ):
        output = call([program, *command])
        if output.returncode:
            break
    return output


def escape(path):
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def specification(step, sources):
    """The specification for `layer-tar --spec`."""
    files = []
    for file, source in zip(step["files"], sources):
        kind = file["kind"]
        what = {
            "file": {"source": str(source)}, "folder": {"source": str(source)}, "tar": {"tar": str(source)},
            "text": {"text": file.get("text")}, "symlink": {"symlink": file.get("target")},
        }.get(kind, {kind: True})
        for key, value in file.get("set", {}).items():
            if value == "keep" or key in ("uid", "gid", "mtime"):
                what[key] = value
            elif key == "mode":
                what[key] = f"{value:04o}"
            else:
                what[key] = {name: base64.b64encode(text.encode()).decode() for name, text in value}
        files.append(what | {"destination": file["destination"]})
    spec = {"files": files}
    if "owner" in step["options"]:
        spec["owner"] = dict(zip(("uid", "gid"), step["options"]["owner"]))
    for key in step["options"].keys() & {"mtime", "replace"}:
        spec[key] = step["options"][key]
    return spec


# The output.

def read_layers(layout):
    """The layers of a layout or archive with one image: descriptors, and a function that returns members."""
    blobs = layout / "blobs" / "sha256"
    read = lambda descriptor: (blobs / descriptor["digest"].removeprefix("sha256:")).read_bytes()
    [manifest] = json.loads((layout / "index.json").read_text())["manifests"]
    return json.loads(read(manifest))["layers"], read


def members_in(data):
    if data[:4] == b"\x28\xb5\x2f\xfd":
        data = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    return members_of(data)


def compare_findings(base, layout, program):
    """`verify` finds nothing that is not in the base."""
    def findings(layout):
        output = call([program, "verify", "--deep", layout])
        return output.stdout.splitlines() + output.stderr.splitlines()

    found = findings(layout)
    if found and (new := sorted(set(found) - set(findings(base)))):
        raise Difference("verify", new)


def compare_refusal(refused, output):
    if not output.returncode:
        raise Difference("accepted", [f"the program accepts it, and should not: {refused}"])
    # A name may be quoted.
    if refused.names and not any(name in output.stderr for name in refused.names):
        names = " or ".join(sorted(set(refused.names)))
        raise Difference("message", [f"the message does not name {names} ({refused}):", output.stderr.strip()])


def compare_layer(lower, expected, base, layout):
    layers, read = read_layers(layout)
    # An archive was made from a folder next to it.
    base = base.with_suffix("") if base.suffix == ".tar" else base
    digests = [layer["digest"] for layer in read_layers(base)[0]]
    if [layer["digest"] for layer in layers[:-1]] != digests:
        raise Difference("layers", ["the base's layers are not the image's lowest"])
    members = members_in(read(layers[-1]))
    for overlay in False, True:
        try:
            # Engines that unpack a layer alone use the attributes that it lists for a directory. So does this check.
            root = apply_layer(lower, members, overlay)
        except Malformed as error:
            raise Difference("malformed", [str(error)])
        if differences := compare_roots(expected.root, root):
            raise Difference("overlay" if overlay else "root", differences)
    compare_listing(members, expected)


def compare_listing(members, expected):
    """Each path occurs once, after its directory, and there are no others."""
    paths = [path for path, _ in members]
    problems = []
    seen = set()
    for path in paths:
        if path in seen:
            problems.append(f"/{path} is listed twice")
        problems += [f"/{above} is not listed before /{path}" for above in ancestors(path) if above not in seen]
        seen.add(path)
    optional = expected.optional.union(*map(ancestors, expected.optional))
    problems += [f"/{path} is listed, and should not be" for path in sorted(seen - expected.listed - optional)]
    problems += [f"/{path} is not listed" for path in sorted(expected.listed - seen)]
    if problems:
        raise Difference("listing", problems)


def compare_roots(expected, actual):
    problems = []
    for path in sorted(expected.keys() | actual.keys()):
        wanted, found = expected.get(path), actual.get(path)
        if wanted and found and ANY in (wanted.mtime, found.mtime):
            found = found._replace(mtime=wanted.mtime)
        if wanted != found:
            problems.append(f"/{path}\n  expected {wanted or 'nothing'}\n  found    {found or 'nothing'}")
    return problems


def compare_again(step, sources, base, folder, program):
    """The image is the same with the cached index of the base's entries, without one, and from recipes."""
    index = lambda image: (folder / image / "index.json").read_bytes()
    for image, cache, extra in ("again", "cache", ()), ("anew", "-", ()), ("sparse", "cache", ("--sparse",)):
        output = run_step(step, sources, base, folder, program, image, cache, extra)
        if output.returncode or index("image") != index(image):
            raise Difference("again", [f"{image} is another image", output.stderr.strip()])
    # Builds the recipes again, and compares the bytes.
    compare_findings(folder / "image", folder / "sparse", program)
