"""The rows of the measurement, with their bars: one function for each row, which yields its cases."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import layouts
import trees
from contenders import Contender, buildah, colons, crane, openssl_speed, quote, tar_and, tar_sha256sum, umoci
from measure import run_in, shell

MIB, GIB = 1 << 20, 1 << 30


@dataclass
class Bar:
    """The largest (or smallest) value of a figure, or of its ratio to that of a peer."""

    figure: str
    ours: str
    limit: float
    peer: str = None
    at_least: bool = False


@dataclass
class Case:
    name: str
    contenders: dict
    bars: list
    # More rounds would take long without a new result.
    most_rounds: int = 100


@dataclass
class Bench:
    """The paths of all inputs and outputs."""

    program: str
    peers: str
    python: Path
    toolchain: Path
    folder: Path
    quick: bool
    # Whether the processor has SHA instructions that programs can see.
    sha: bool

    def bar(self, tree, sha, without):
        """Of two bars each, for the python tree and the toolchain, that of this tree and processor."""
        return (sha if self.sha else without)[tree != self.python]

    def number(self, whole):
        """The number, or a small one with `--quick`."""
        return whole // 50 if self.quick else whole

    def size(self, whole):
        """The number of bytes, or a small one with `--quick`."""
        return whole // 5000 if self.quick else whole

    def slices(self):
        return trees.Slices(self.python)

    def large_files(self, name, size):
        return trees.large_files(self.folder / name, self.slices(), self.size(size), self.size(16 * MIB))

    def parts(self, number):
        """This many folders with 800 MB in total, in files of 20 kB."""
        slices, files = self.slices(), self.number(40_000 // number)
        folders = (trees.many_files(self.folder / f"part-{part}", slices, files, 20_000) for part in range(number))
        return [str(folder) for folder in folders]

    def build(self, tree, compression, *options, pin=()):
        """The program, from a folder to an image in a layout. Like its peers, it does not wait for the disk."""
        return Contender([
            *pin, self.program, "build", "-f", f"{colons(tree)}:/tree", "--compression", compression,
            "--no-sync", "-o", "$out/image", *options,
        ], needs=pin[:1])


def gzip(bench):
    """One layer, gzip at the default level."""
    for tree in (bench.python, bench.toolchain):
        yield Case(tree_name(bench, tree), {
            "oci-layout": bench.build(tree, "gzip"),
            "umoci": umoci(tree, "gzip"),
            "tar, pigz -6": tar_and(tree, "pigz -6 -n"),
            "crane": crane(tree),
            "buildah": buildah(tree),
        }, [
            Bar("time", "oci-layout", bench.bar(tree, (0.77, 0.85), (0.8, 0.9)), "umoci"),
            Bar("time", "oci-layout", 0.32, "tar, pigz -6"),
            Bar("size", "oci-layout", 1, "tar, pigz -6"),
        ])


def gzip_fast(bench):
    """gzip at the fastest level whose blob is no larger than umoci's."""
    if not shutil.which("umoci"):
        return
    for tree in (bench.python, bench.toolchain):
        peer = umoci(tree, "gzip")
        largest = run_in(bench.folder, peer.command, peer.prepare)["size"]
        sizes = ((level, run_in(bench.folder, bench.build(tree, f"gzip:{level}").command)["size"])
                 for level in range(1, 13))
        level = next((level for level, size in sizes if size <= largest), 12)
        ours = f"oci-layout, level {level}"
        yield Case(tree_name(bench, tree), {ours: bench.build(tree, f"gzip:{level}"), "umoci": peer},
                   [Bar("time", ours, bench.bar(tree, (0.63, 0.65), (0.7, 0.8)), "umoci"), Bar("size", ours, 1, "umoci")])


def zstd(bench):
    """One layer, zstd at the default level."""
    for tree in (bench.python, bench.toolchain):
        yield Case(tree_name(bench, tree), {
            "oci-layout": bench.build(tree, "zstd"),
            "umoci": umoci(tree, "zstd"),
            "tar, zstd -3 -T2": tar_and(tree, "zstd -q -3 -T2 -c"),
        }, [
            Bar("time", "oci-layout", bench.bar(tree, (0.48, 0.55), (0.55, 0.6)), "umoci"),
            Bar("time", "oci-layout", 0.38 if bench.sha else 0.55, "tar, zstd -3 -T2"),
            Bar("size", "oci-layout", 1.02, "tar, zstd -3 -T2"),
        ])


def chunked(bench):
    """One layer, zstd:chunked at the default level."""
    for tree in (bench.python, bench.toolchain):
        ours, plain = "oci-layout", "oci-layout, zstd"
        yield Case(tree_name(bench, tree), {ours: bench.build(tree, "zstd:chunked"), plain: bench.build(tree, "zstd")},
                   [Bar("time", ours, 1.3, plain), Bar("size", ours, 1.05, plain)])


def none(bench):
    """One layer, not compressed, written; the peer writes nothing."""
    for tree in (bench.python, bench.toolchain):
        yield Case(tree_name(bench, tree), {
            "oci-layout": bench.build(tree, "none"),
            "tar, sha256sum": tar_sha256sum(tree),
        }, [Bar("time", "oci-layout", 0.3 if bench.sha else 0.6, "tar, sha256sum")])


def described(bench):
    """One layer, not compressed, nothing written; the bound is the fastest SHA-256, without reading."""
    for tree in (bench.python, bench.toolchain):
        tar = bench.folder / "tar"
        run_in(bench.folder, shell(f"tar --sort=name -cf {quote(tar)} -C {quote(tree)} ."))
        yield Case(tree_name(bench, tree), {
            "oci-layout": Contender([bench.peers, "describe", "none", str(tree)]),
            "openssl speed": openssl_speed(tar.stat().st_size),
        }, [Bar("time", "oci-layout", 1.15, "openssl speed")])
        tar.unlink()


def small_files(bench):
    """40,000 files of 20 kB, slices of the python tree."""
    tree = trees.many_files(bench.folder / "tree", bench.slices(), bench.number(40_000), 20_000)
    yield Case("gzip", {"oci-layout": bench.build(tree, "gzip"), "umoci": umoci(tree, "gzip")},
               [Bar("time", "oci-layout", 0.75, "umoci")])
    yield Case("none", {"oci-layout": bench.build(tree, "none"), "tar, sha256sum": tar_sha256sum(tree)},
               [Bar("time", "oci-layout", 0.6, "tar, sha256sum")])


def eight_layers(bench):
    """Eight layers of 100 MB each at once, in one process."""
    folders = bench.parts(8)
    yield Case("none", {"oci-layout": Contender([bench.peers, "store", "$out", "none", *folders])},
               [Bar("busy", "oci-layout", 1.8, at_least=True)])
    yield Case("described", {"oci-layout": Contender([bench.peers, "describe", "none", *folders])},
               [Bar("busy", "oci-layout", 1.8, at_least=True)])


def one_file(bench):
    """One file of 4 GiB, compared with the same command on one core."""
    tree = bench.folder / "tree"
    tree.mkdir()
    bench.slices().write(tree / "file", bench.size(4 * GIB))
    for compression in ("gzip", "zstd"):
        yield Case(compression, {
            "oci-layout": bench.build(tree, compression),
            "one core": bench.build(tree, compression, pin=("taskset", "-c", "0")),
        }, [Bar("time", "oci-layout", 1 / 1.8, "one core")], most_rounds=3)


def memory(bench):
    """Peak memory at the default levels: by threads, and for 300 MB and 8 GiB."""
    small, large = bench.large_files("small", 300_000_000), bench.large_files("large", 8 * GIB)
    for compression in ("gzip", "zstd"):
        contenders, bars = {}, []
        for threads in range(1, 9):
            name = f"300 MB, {threads} threads"
            contenders[name] = bench.build(small, compression, "--threads", str(threads))
            bars.append(Bar("peak", name, (64 + 8 * threads) * MIB))
        for threads in (2, 8):
            name = f"8 GiB, {threads} threads"
            contenders[name] = bench.build(large, compression, "--threads", str(threads))
            bars.append(Bar("peak", name, (64 + 8 * threads) * MIB))
            bars.append(Bar("peak", name, 1.1, f"300 MB, {threads} threads"))
        yield Case(compression, contenders, bars, most_rounds=1)


def append(bench):
    """Appending one image to a layout of 2,000, and to one of 10."""
    image = layouts.layout(bench.folder / "image", 1)
    contenders = {}
    for number in (10, 2_000):
        layout = layouts.layout(bench.folder / f"layout-{number}", bench.number(number) or 1)
        # Files are replaced and never written to, so hard links are as good as copies.
        copy = ["cp", "-rl", str(layout), "$out/layout"]
        command = [bench.program, "append", f"new={colons(image)}", "-o", "$out/layout"]
        contenders[f"{number} images"] = Contender(command, prepare=copy)
    yield Case("", contenders, [Bar("time", "2000 images", 2, "10 images")])


def verify(bench):
    """A layout of one image of the python tree, compared with decompressing and hashing its layer."""
    pipes = {"none": "cat", "gzip": "pigz -dc", "zstd": "zstd -q -dc"}
    for compression, unpack in pipes.items():
        layout = bench.folder / compression
        run_in(bench.folder, [word.replace("$out/image", str(layout))
                              for word in bench.build(bench.python, compression).command])
        blob = max(layout.glob("blobs/sha256/*"), key=lambda path: path.stat().st_size)
        yield Case(compression, {
            "oci-layout": Contender([bench.program, "verify", str(layout)]),
            "unpack and hash": Contender([bench.peers, "unpack", str(blob)]),
            f"{unpack}, sha256sum": Contender(shell(f"{unpack} {quote(blob)} | sha256sum"),
                                              needs=(unpack.split()[0],)),
        }, [Bar("time", "oci-layout", 1.3, "unpack and hash")])
        shutil.rmtree(layout)


def linear(bench):
    """Time by layers, files and bytes: at the end of each line, the time per unit is at most 1.2 times that of the
    previous step."""
    folders = bench.parts(16)
    store = [bench.peers, "store", "$out", "gzip"]
    yield line("layers of 50 MB, gzip", {
        "1 layer": (1, Contender([*store, folders[0]])),
        **{f"{number} layers": (number, Contender([*store, *folders[:number]])) for number in (2, 4, 8, 16)},
    })
    remove(folders)

    numbers = [bench.number(number) for number in (100, 1_000, 10_000, 100_000)]
    folders = {number: trees.many_files(bench.folder / f"files-{number}", bench.slices(), number, 1_000)
               for number in numbers}
    yield line("files of 1 kB, none", {
        f"{number} files": (number, bench.build(folder, "none")) for number, folder in folders.items()
    })
    remove(folders.values())

    sizes = (10_000_000, 100_000_000, 1_000_000_000, 8 * GIB)
    folders = {size: bench.large_files(f"bytes-{size}", size) for size in sizes}
    for compression in ("gzip", "zstd"):
        yield line(f"bytes, {compression}", {
            f"{size / 1e6:.0f} MB": (size, bench.build(folder, compression)) for size, folder in folders.items()
        })


def line(name, points):
    """A case of the row `linear`: contenders, each with its amount."""
    for amount, contender in points.values():
        contender.amount = amount
    *_, before, last = points
    bar = Bar("time for each", last, 1.2, before)
    return Case(name, {name: contender for name, (_, contender) in points.items()}, [bar], most_rounds=3)


ROWS = {
    "gzip": gzip,
    "gzip-fast": gzip_fast,
    "zstd": zstd,
    "chunked": chunked,
    "none": none,
    "described": described,
    "small-files": small_files,
    "eight-layers": eight_layers,
    "one-file": one_file,
    "memory": memory,
    "append": append,
    "verify": verify,
    "linear": linear,
}


def tree_name(bench, tree):
    return "python" if tree == bench.python else "toolchain"


def remove(folders):
    for folder in folders:
        shutil.rmtree(folder)
