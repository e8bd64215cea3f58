"""Commands of other tools that make a layer of a folder."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from measure import shell


@dataclass
class Contender:
    """A command that does the work. It is omitted if a program that it needs is missing."""

    command: list
    needs: tuple = ()
    # Preparation in the same folder, which is not measured.
    prepare: list = None
    # The amount of work, in cases that compare amounts.
    amount: int = None
    # Reads the measured seconds from the output.
    seconds: Callable = None


def umoci(tree, compression):
    """Into an image without layers."""
    return Contender(
        ["umoci", "insert", "--compress", compression, "--image", "$out/layout:tag", str(tree), "/tree"],
        needs=("umoci",),
        prepare=shell("umoci init --layout $out/layout && umoci new --image $out/layout:tag"),
    )


def tar_and(tree, compress):
    """tar and a compressor, with the digests of the input and of the output."""
    return Contender(shell(
        "mkfifo $out/tar\nsha256sum <$out/tar >$out/diff-id &\n"
        f"tar --sort=name -c -C {quote(tree)} . | tee $out/tar | {compress} | tee $out/blob | sha256sum\nwait"
    ), needs=(compress.split()[0],))


def tar_sha256sum(tree):
    return Contender(shell(f"tar --sort=name -c -C {quote(tree)} . | sha256sum"))


def openssl_speed(size):
    """The time in which OpenSSL hashes this many bytes, by its own measurement, without reading."""
    def seconds(output):
        speed = next(line.split(":")[3] for line in output.splitlines() if line.startswith("+F:"))
        return size / float(speed)

    command = ["openssl", "speed", "-mr", "-seconds", "1", "-bytes", str(1 << 20), "-evp", "sha256"]
    return Contender(command, needs=("openssl",), seconds=seconds)


def crane(tree):
    """It reads a tar, and writes one that contains the layer."""
    return Contender(shell(
        f"tar --sort=name -cf $out/layer.tar -C {quote(tree)} . && "
        "crane append --oci-empty-base -t tag -f $out/layer.tar -o $out/image.tar && rm $out/layer.tar"
    ), needs=("crane",))


def buildah(tree):
    """With a separate storage next to the output."""
    return Contender(shell(
        "buildah() { command buildah --root $out/../storage --runroot $out/../run --storage-driver vfs \"$@\"; }\n"
        f"buildah from --name new scratch && buildah copy --quiet new {quote(tree)} /tree && "
        "buildah commit --quiet --disable-compression=false new oci:$out/image"
    ), needs=("buildah",))


def colons(path):
    """A path escaped for an argument in which a colon ends it."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def quote(path):
    return shlex.quote(str(path))
