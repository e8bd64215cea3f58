#!/usr/bin/env python3
"""unpack.py PROGRAM [--seed N] [--count M]: unpacks images of random files on random bases with umoci and buildah.

The model has the expected root, as for run.py. buildah unpacks into an overlay and into plain folders."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import case as cases
import disk
from check import Difference, check, compare_roots, members_in, read_layers
from root import OPAQUE, unpack


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    args = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="base-unpack-"))
    storages = [disk.Storage(scratch, driver) for driver in ("overlay", "vfs")]
    failed = unpacked = 0
    try:
        for seed in range(args.seed, args.seed + args.count):
            try:
                checked = check(cases.random_case(seed), args.program.resolve(), scratch / "case")
            except Difference as difference:
                print(f"== seed {seed}: {difference.kind}", *difference.lines, sep="\n")
                failed += 1
                continue
            if checked.outcome != "accepted":
                continue
            unpacked += 1
            layers, read = read_layers(checked.layouts[-1])
            layers = [members_in(read(layer)) for layer in layers]
            expected = unpack(layers)
            listed = {path for path, _ in layers[-1]}
            for name, actual in results(checked.layouts[-1], storages, scratch):
                if name == "overlay" and any(path == OPAQUE for layer in layers for path, _ in layer):
                    # An overlay has no opaque root: the contents of the layers below stay visible.
                    continue
                if isinstance(actual, str):
                    problems = [actual]
                else:
                    problems = compare_roots(*disk.like(expected, actual, listed))
                if problems:
                    print(f"== seed {seed}: {name}", *problems, sep="\n")
                    failed += 1
    finally:
        for storage in storages:
            storage.clear()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{args.count} cases from seed {args.seed}: {unpacked} unpacked, {failed} differences")
    sys.exit(bool(failed))


def results(layout, storages, scratch):
    """The root that each program unpacks, or its message if it refuses the image."""
    bundle = scratch / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    output = subprocess.run(["umoci", "raw", "unpack", "--image", f"{layout}:made", bundle], capture_output=True, text=True)
    yield "umoci", output.stderr.strip() if output.returncode else disk.read(bundle)
    for storage in storages:
        driver = storage.command[-1]
        try:
            container, root = storage.container(layout)
        except subprocess.CalledProcessError as error:
            yield driver, error.stderr.strip()
            continue
        yield driver, disk.read(root)
        storage("rm", container)


if __name__ == "__main__":
    main()
