# A derivation whose builder is the program: its name, the step it takes, and its attributes, which the step reads as
# JSON. What is in `passthru` can be asked of the derivation, and is no part of it.
{ system, builder, ... }:
step: { name, passthru ? { }, ... }@attributes:
let
  drv = derivation (removeAttrs attributes [ "passthru" ] // {
    inherit name system;
    builder = "${builder}/bin/oci-layout";
    args = [ "nix" step ];
    __structuredAttrs = true;
  });
in
drv // passthru // { inherit passthru; }
