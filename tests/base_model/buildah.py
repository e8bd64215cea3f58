#!/usr/bin/env python3
"""buildah.py [PROGRAM] [--seed N] [--count M]: compares with `buildah copy` for random cases.

Both roots are compared entry by entry: the one in buildah's storage, and the program's as Python unpacks it. buildah
copies each file of a folder separately, from a folder that contains only this file, to the file's parent in the image.
The reason is the first of these differences, all of which are intended:

- If buildah copies a whole folder, its directories replace links of the image, and change the attributes of directories
  of the image. BuildKit refuses the former. We follow the links, as buildah and BuildKit do for single files, and do
  not change directories.
- buildah creates the target of a broken link, or of one that leads out of the root. We refuse both.
- buildah replaces directories by files, and files by directories. It puts a file into an existing directory at its
  destination even without a trailing slash. We refuse all three.
- buildah replaces a link to a directory by a file of a folder. We refuse this.
- If the destination of a file is a broken or circular link, both replace the link if the file is in a folder.
  Otherwise, buildah creates a directory at the target of the link, or refuses. We replace the link in both cases.
- Directories in which buildah changes something get a new time. buildah gives new directories the mode and time of the
  folder, but not here, where each file is copied separately, so their modes are not compared."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import case as cases
import disk
import mappings
from check import Difference, check, members_in, read_layers
from model import Refused, Unclear, layer_above
from root import ANY, LinkError, follow, join, name, parent, unpack

def random_case(seed):
    """A case that `buildah copy` supports: files and folders, on any base."""
    case = cases.random_case(seed)
    step = case["steps"][0]
    random = cases.random_module.Random(f"buildah {seed}")
    root = unpack([layer["members"] for layer in case["layers"]])
    step |= {"files": mappings.random_files(random, root, plain=True), "options": {}, "by": "layer-tar", "same_image": False, "replaced_below": False}
    # Our defaults are the attributes that buildah keeps.
    plain = lambda entry: entry._replace(mode=0o755 if entry.mode & 0o100 else 0o644, mtime=1, xattrs=())
    for file in step["files"]:
        if file["kind"] == "file":
            file["entry"] = plain(file["entry"])
        else:
            file["members"] = [(path, plain(entry) if entry.kind == "file" else entry._replace(mtime=1))
                               for path, entry in file["members"]]
    return case | {"steps": [step], "archive": False}


def copy(storage, container, before, file, source, folder):
    """Copies one mapping with buildah, and the files of a folder one by one."""
    folder.mkdir()

    def alone(directory, path, entry):
        """Copies a folder with only this entry into the directory."""
        child = folder / f"alone{len(list(folder.iterdir()))}"
        child.mkdir()
        if entry.kind != "dir":
            cases.write_entry(child / name(path), entry)
            cases.write_attributes(child / name(path), entry)
            path = parent(path)
        storage("copy", container, child, join(directory.rstrip("/"), path) or "/")

    if file["kind"] == "folder":
        for path, entry in file["members"]:
            alone(file["destination"], path, entry)
    elif leads_nowhere(before, file["destination"]) or len(name(file["destination"])) > 100 \
            or not name(file["destination"]).isascii():
        # buildah 1.28 loses a file whose name requires an extended header in a tar.
        alone("", file["destination"], file["entry"])
    else:
        storage("copy", container, source, file["destination"])


def leads_nowhere(root, destination):
    """Whether a file's destination is itself a link that is broken or circular."""
    above = mappings.real(root, parent(destination))
    if above is None or not name(destination):
        return False
    last = join(above, name(destination))
    return last in root and root[last].kind == "link" and mappings.real(root, last) is None and not names_file(root, last)


def names_file(root, link):
    try:
        follow(root, link)
    except LinkError as error:
        return error.reason == "leads to a file"


def judge(storage, case, program, folder):
    """The outcome, and a line for each difference."""
    step = case["steps"][0]
    before = unpack([layer["members"] for layer in case["layers"]])
    try:
        expected = layer_above(before, step["files"], step["options"]).root
    except (Refused, Unclear) as error:
        expected, reason = None, error
    if program:
        try:
            checked = check(case, program, folder)
        except Difference as difference:
            return "different from the model", [difference.kind, *difference.lines]
        if expected:
            layers, read = read_layers(checked.layouts[-1])
            expected = unpack([members_in(read(layer)) for layer in layers])
        layout, sources = checked.layouts[0], checked.sources[0]
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        layout = cases.write_base(case, folder / "base")
        sources = [cases.write_source(file, folder / f"source{i}") for i, file in enumerate(step["files"])]
    container, root = storage.container(layout)
    try:
        for i, (file, source) in enumerate(zip(step["files"], sources)):
            copy(storage, container, before, file, source, folder / f"parts{i}")
        refusal, theirs = None, disk.read(root)
    except subprocess.CalledProcessError as error:
        refusal = error.stderr.strip()
    finally:
        storage("rm", container)
    if not expected:
        return ("both refuse" if refusal else "only we refuse"), []
    if refusal:
        return "only buildah refuses", [refusal]
    problems = compare(before, expected, theirs)
    return ("different" if problems else "equal"), problems


def compare(before, ours, theirs):
    problems = []
    for path in sorted(ours.keys() | theirs.keys()):
        mine, yours = ours.get(path), theirs.get(path)
        if mine and yours and mine.kind == yours.kind == "dir":
            # The kernel changes the time of a directory with its contents. The root belongs to the storage.
            # In storages of plain folders, attributes remain that an upper layer of the base lacks.
            xattrs = tuple(xattr for xattr in yours.xattrs if xattr in mine.xattrs)
            mine, yours = mine._replace(mtime=ANY), yours._replace(mtime=ANY, xattrs=xattrs)
            if not path:
                mine = yours
            if path not in before or before[path].kind != "dir":
                mine, yours = (side._replace(mode=0, xattrs=()) for side in (mine, yours))
        if mine != yours:
            problems.append(f"/{path}\n  buildah {yours or 'nothing'}\n  ours    {mine or 'nothing'}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, nargs="?", help="without it, the model itself is compared with buildah")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    args = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="base-buildah-"))
    program = args.program and args.program.resolve()
    storage = disk.Storage(scratch, "vfs")
    failed, outcomes = 0, {}
    try:
        for seed in range(args.seed, args.seed + args.count):
            outcome, lines = judge(storage, random_case(seed), program, scratch / "case")
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if lines:
                failed += 1
                print(f"== seed {seed}: {outcome}", *lines, sep="\n")
    finally:
        storage.clear()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{args.count} cases from seed {args.seed}:", ", ".join(f"{n} {o}" for o, n in sorted(outcomes.items())))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
