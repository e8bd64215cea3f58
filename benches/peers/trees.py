"""Trees with the bytes of another one."""

import os
from itertools import count
from pathlib import Path


def regular_files(folder):
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def warm(folder):
    """Reads every file, so that they are in the page cache."""
    for path in regular_files(folder):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass


class Slices:
    """The bytes of all files of a tree, repeated endlessly."""

    def __init__(self, folder):
        self.bytes = self.endless(folder)
        self.rest = b""

    @staticmethod
    def endless(folder):
        for _ in count():
            for path in regular_files(folder):
                with path.open("rb", buffering=0) as file:
                    while block := file.read(1 << 20):
                        yield block

    def take(self, size):
        while len(self.rest) < size:
            self.rest += next(self.bytes)
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece

    def write(self, path, size):
        with path.open("wb") as file:
            for start in range(0, size, 1 << 20):
                file.write(self.take(min(1 << 20, size - start)))


def many_files(folder, slices, number, size):
    """This many files of this size, at most 500 in each folder."""
    for index in range(number):
        below = Path(folder, f"{index // 500:03}")
        below.mkdir(parents=True, exist_ok=True)
        slices.write(below / f"{index:06}", size)
    return folder


def large_files(folder, slices, size, piece, distinct=64):
    """Files of one size, and one for the rest. The first 64 are separate files. Further ones are hard links to them,
    which are packed like files and take no memory here."""
    folder.mkdir(parents=True)
    for index in range(0, -(-size // piece)):
        path = folder / f"{index:03}"
        length = min(piece, size - index * piece)
        if index < distinct or length < piece:
            slices.write(path, length)
        else:
            path.hardlink_to(folder / f"{index % distinct:03}")
    return folder
