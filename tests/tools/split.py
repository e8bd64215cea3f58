"""Prints the packages of each folder in sys.path that have a RECORD: by normalised name, the existing files that
`importlib.metadata` lists, the byte code of these files, and the files in the folder `.dist-info`."""

import importlib.metadata
import importlib.util
import json
import os
import re
import sys


def main():
    folders = []
    for site in sorted({os.path.realpath(site) for site in sys.path if os.path.isdir(site)}):
        packages = {}
        for distribution in importlib.metadata.distributions(path=[site]):
            info = distribution._path
            if not str(info).endswith(".dist-info") or not (info / "RECORD").is_file():
                continue
            name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
            packages.setdefault(name, set()).update(files(distribution))
        if packages:
            folders.append({"site": site, "packages": {name: sorted(files) for name, files in packages.items()}})
    json.dump(folders, sys.stdout)


def files(distribution):
    listed = {os.path.normpath(distribution.locate_file(file)) for file in distribution.files or []
              if not str(file).startswith("/")}
    for folder, _, names in os.walk(distribution._path):
        listed.update(os.path.join(folder, name) for name in names)
    for source in [path for path in listed if path.endswith(".py")]:
        cache = os.path.join(os.path.dirname(source), "__pycache__")
        for name in os.listdir(cache) if os.path.isdir(cache) else []:
            path = os.path.join(cache, name)
            try:
                if importlib.util.source_from_cache(path) == source:
                    listed.add(path)
            except ValueError:
                pass
    return {path for path in listed if os.path.islink(path) or os.path.isfile(path)}


if __name__ == "__main__":
    main()
