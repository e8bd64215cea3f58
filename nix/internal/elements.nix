# The elements of the list `list`, or a single element. Nix reads `[ f { } ]` as a list of two elements, and no list here
# may contain a function.
{ lib }:
argument: list:
map (
  element:
  # `fakeNss` is a package that can be called.
  if lib.isFunction element && !(element ? outPath) then
    throw "oci-layout: ${argument} contains a function; put the call in parentheses: [ (ociLayerTar { }) ]"
  else
    element
) (lib.toList list)
