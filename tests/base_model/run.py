#!/usr/bin/env python3
"""run.py PROGRAM [--seed N] [--count M]: compares the program with a model for random files on random bases.

The base is written, and the result is read, by Python's tarfile. `--case FILE` runs one case that was written before.
Exits with 1 if something differs, and prints the smallest case with the same difference."""

import argparse
import collections
import copy
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import case as cases
from check import Difference, check
from root import Malformed, is_below, name, parent, unpack


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--case", type=Path)
    parser.add_argument("--most", type=int, default=5, help="how many differences to print before the end")
    parser.add_argument("--scratch", type=Path, help="where to work and to leave the cases that differ")
    args = parser.parse_args()
    args.program = args.program.resolve()
    scratch = Path(tempfile.mkdtemp(prefix="base-model-", dir=args.scratch))
    try:
        found = one(args, scratch) if args.case else many(args, scratch)
    finally:
        if not args.scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(bool(found))


def one(args, scratch):
    case = cases.from_json(args.case.read_text())
    difference = differs(case, args.program, scratch)[1]
    if difference:
        report(case, difference)
    else:
        print("no difference")
    return difference


def many(args, scratch):
    start, outcomes, kinds = time.time(), collections.Counter(), collections.Counter()
    seeds = range(args.seed, args.seed + args.count)
    with multiprocessing.Pool(args.jobs, prepare, (args.program, scratch)) as pool:
        for seed, outcome, difference in pool.imap_unordered(run_seed, seeds, chunksize=4):
            outcomes[outcome] += 1
            if not difference:
                continue
            kinds[difference.kind] += 1
            if sum(kinds.values()) <= args.most:
                case = shrink(cases.random_case(seed), difference.kind, args.program, scratch / "shrink")
                report(case, differs(case, args.program, scratch / "shrink")[1] or difference)
                if args.scratch:
                    file = args.scratch / f"case-{seed}.json"
                    file.write_text(cases.to_json(case))
                    print(f"written to {file}")
    print(f"{args.count} cases from seed {args.seed} in {time.time() - start:.0f} s:",
          ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    if kinds:
        print("differences:", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    return kinds


def prepare(program, scratch):
    global PROGRAM, FOLDER
    PROGRAM, FOLDER = program, scratch / f"worker{os.getpid()}"


def run_seed(seed):
    outcome, difference = differs(cases.random_case(seed), PROGRAM, FOLDER)
    return seed, outcome, difference


def differs(case, program, folder):
    try:
        return check(case, program, folder).outcome, None
    except Difference as difference:
        return "different", difference


Difference.__reduce__ = lambda self: (Difference, (self.kind, self.lines))


def report(case, difference):
    print(f"\n== seed {case['seed']}: {difference.kind}")
    for layer in case["layers"]:
        print("a layer of the base:")
        for path, entry in layer["members"]:
            print(f"  /{path}: {entry}")
    for step in case["steps"]:
        print(f"files, by {step['by']}, {step['options'] or 'no options'}:")
        for file in step["files"]:
            said = {key: value for key, value in file.items() if key != "members"}
            print("  " + ", ".join(f"{key} {value if key != 'name' else repr(value)}" for key, value in said.items()))
            for path, entry in file.get("members", ()):
                print(f"    {path or '.'}: {entry}")
    for line in difference.lines:
        print(line)
    sys.stdout.flush()


# Making a case smaller.

def shrink(case, kind, program, folder, most=400):
    """Removes everything that the difference does not need."""
    tries = 0
    progress = True
    while progress:
        progress = False
        for candidate in smaller(case):
            tries += 1
            if tries > most:
                return case
            try:
                unpack([layer["members"] for layer in candidate["layers"]])
            except (Malformed, KeyError):
                continue
            difference = differs(candidate, program, folder)[1]
            if difference and difference.kind == kind:
                case, progress = candidate, True
                break
    return case


def smaller(case):
    def change(function):
        candidate = copy.deepcopy(case)
        function(candidate)
        return candidate

    if len(case["steps"]) > 1:
        yield change(lambda c: c["steps"].pop())
    if len(case["layers"]) > 1:
        for i in reversed(range(len(case["layers"]))):
            yield change(lambda c: c["layers"].pop(i))
    for s, step in enumerate(case["steps"]):
        if len(step["files"]) > 1:
            for i in range(len(step["files"])):
                yield change(lambda c: c["steps"][s]["files"].pop(i))
        if step["options"]:
            yield change(lambda c: c["steps"][s].update(options={}))
        for i, file in enumerate(step["files"]):
            if "set" in file:
                yield change(lambda c: c["steps"][s]["files"][i].pop("set"))
            for path, _ in file.get("members", ()):
                if path:
                    yield change(lambda c: c["steps"][s]["files"][i].update(members=without(file["members"], path)))
    for l, layer in enumerate(case["layers"]):
        for path, _ in layer["members"]:
            if path:
                yield change(lambda c: c["layers"][l].update(members=without(layer["members"], path)))


def without(members, path):
    left = [member for member in members if member[0] != path and not is_below(member[0], path)]
    names = {path for path, _ in left}
    return [member for member in left if member[1].kind != "hard link" or member[1].data in names]


if __name__ == "__main__":
    main()
