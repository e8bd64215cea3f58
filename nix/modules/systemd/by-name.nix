# Units of a kind by their names. NixOS has mounts in lists, and their names are paths.
{ lib }:
units:
if builtins.isList units then
  builtins.listToAttrs (map (unit: lib.nameValuePair "\"${unit.where or "?"}\"" unit) units)
else
  units
