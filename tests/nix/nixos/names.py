"""Prints the names that the modules of NixOS take from `pkgs`, as a list in JSON. names.py MODULES"""

import json
import re
import sys
from pathlib import Path

NAME = r"[A-Za-z_][A-Za-z0-9_'-]*"
PATHS = re.compile(rf"\bpkgs\.({NAME}(?:\.{NAME})*)")
LISTS = [
    re.compile(r"inherit\s*\(\s*pkgs\s*\)([^;]*);"),
    re.compile(r"with pkgs;\s*\[([^\]]*)\]"),
]
OPTIONS = re.compile(
    r'PackageOption[A-Za-z]*\s+(?:pkgs|finalPkgs)\s+(?:"([^"]+)"|\[([^\]]*)\])'
)

names = set()
for file in Path(sys.argv[1]).rglob("*.nix"):
    text = file.read_text(errors="replace")
    names.update(PATHS.findall(text))
    for pattern in LISTS:
        for names_in_list in pattern.findall(text):
            names.update(re.findall(rf"{NAME}(?:\.{NAME})*", names_in_list))
    for name, path in OPTIONS.findall(text):
        names.add(name or ".".join(re.findall(r'"([^"]+)"', path)))
print(json.dumps(sorted(names)))
