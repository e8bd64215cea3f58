# A derivation whose builder is the program: its name, the step it takes, and its attributes, which the step reads as
# JSON. What is in `passthru` can be asked of the derivation, and is no part of it.
{ system, builder, ... }:
step: { name, passthru ? { }, ... }@attributes:
let
  # Nix 2.8 passes over it, and those from 2.18 on do it. To the ones between, it is an experiment, an error unless it
  # is switched on.
  isExperiment = builtins.compareVersions builtins.nixVersion "2.14" >= 0
    && builtins.compareVersions builtins.nixVersion "2.18" < 0;
  unknown = if isExperiment then [ "unsafeDiscardReferences" ] else [ ];

  drv = derivation (removeAttrs attributes ([ "passthru" ] ++ unknown) // {
    inherit name system;
    builder = "${builder}/bin/oci-layout";
    args = [ "nix" step ];
    __structuredAttrs = true;
  });
in
drv // passthru // { inherit passthru; }
