"""The rows about images that exist, in the form of `rows.py`."""

import shutil
import time

from contenders import Contender, quote
from measure import run_in, shell
from rows import Bar, Case


def unpack(bench):
    """All files of the python tree, compared with umoci, and with tar on the decompressed layer."""
    tar = blob_of(image(bench, bench.python, "none"))
    for compression in ("none", "gzip", "zstd"):
        layout = image(bench, bench.python, compression)
        yield Case(compression, {
            "oci-layout": Contender([bench.program, "unpack", str(layout), "-o", "$out/root"]),
            "umoci": Contender(["umoci", "raw", "unpack", "--image", f"{layout}:tag", "$out/root"], needs=("umoci",)),
            "tar x": Contender(shell(f"mkdir $out/root && tar -xf {quote(tar)} -C $out/root")),
        }, [Bar("time", "oci-layout", 0.6, "umoci"), Bar("time", "oci-layout", 0.8, "tar x")])


def cat(bench):
    """The last file of the python tree, compared with decompressing the layer."""
    for compression, decompress in {"gzip": "pigz -dc", "zstd": "zstd -q -dc"}.items():
        layout = image(bench, bench.python, compression)
        listed = run_in(bench.folder, [bench.program, "ls", str(layout)])["output"].splitlines()
        last = [line for line in listed if "." in line.rsplit("/", 1)[-1]][-1]
        command = shell(f"{decompress} {quote(blob_of(layout))} >/dev/null")
        yield Case(compression, {
            "oci-layout": Contender([bench.program, "cat", str(layout), last]),
            decompress: Contender(command, needs=(decompress.split()[0],)),
        }, [Bar("time", "oci-layout", 1, decompress)])


def mutate(bench):
    """A variable more in the configuration of an image of 1 GB."""
    layout = image(bench, bench.large_files("large", 1_000_000_000), "none")
    command = [bench.program, "mutate", "$out/layout", "--env", "A=1"]
    contender = Contender(command, prepare=["cp", "-rl", str(layout), "$out/layout"])
    yield Case("", {"oci-layout": contender}, [Bar("time", "oci-layout", 0.05)])


def rebuild(bench):
    """One file of the python tree grown by a line, gzip, with the first image at hand, compared with the first build."""
    first = image(bench, bench.python, "gzip")
    tree = bench.folder / "tree"
    shutil.copytree(bench.python, tree, symlinks=True)
    files = sorted(path for path in tree.rglob("*.py") if path.is_file() and not path.is_symlink())
    # The tree of `--quick` has no modules.
    changed = files[len(files) // 2] if files else next(path for path in sorted(tree.rglob("*")) if path.is_file())
    with changed.open("ab") as file:
        file.write(b"# a line\n")
    yield Case("", {
        "with --reuse": bench.build(tree, "gzip", "--reuse", str(first)),
        "first build": bench.build(tree, "gzip"),
    }, [Bar("time", "with --reuse", 0.3 if bench.sha else 0.45, "first build")])


def unchanged(bench):
    """Nothing changed since a layer was described, trusting times, compared with `find` that prints them."""
    cache = bench.folder / "cache"
    options = ["--sparse", "--trust-mtimes", "--cache", str(cache)]
    # Files are trusted two seconds after their last change.
    time.sleep(2.5)
    run_in(bench.folder, bench.build(bench.python, "gzip", *options).command)
    times = r"%D %i %s %T@ %C@ %m\n"
    yield Case("", {
        "oci-layout": bench.build(bench.python, "gzip", *options),
        "find": Contender(shell(f"find {quote(bench.python)} -printf {quote(times)} >$out/list")),
    }, [Bar("time", "oci-layout", 1.5, "find")])


ROWS = {"unpack": unpack, "cat": cat, "mutate": mutate, "rebuild": rebuild, "unchanged": unchanged}


def image(bench, tree, compression):
    """A layout with an image of a tree."""
    layout = bench.folder / f"{tree.name}-{compression}"
    if not layout.exists():
        command = bench.build(tree, compression, "--tag", "tag").command
        run_in(bench.folder, [word.replace("$out/image", str(layout)) for word in command])
    return layout


def blob_of(layout):
    return max(layout.glob("blobs/sha256/*"), key=lambda path: path.stat().st_size)
