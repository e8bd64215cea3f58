# The elements of a list argument as store paths. `[ f { } ]` is a list of two things in Nix, and always meant otherwise.
{ ... }:
argument: list:
map
  (element:
    if builtins.isFunction element
    then throw "oci-layout: ${argument} has a function in it: put its call in parentheses, as in [ (ociLayerTar { }) ]"
    else "${element}")
  list
