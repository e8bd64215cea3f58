# Derivations one after the other, each waiting for the one before: empty ones, or layers of one small file.
#
# `programs` is a folder with the static programs `oci-layout/bin/oci-layout` and `busybox/bin/busybox`; a new `round`
# makes new derivations.
{ programs, round }:
let
  program =
    name:
    builtins.path {
      inherit name;
      path = programs + "/${name}";
    };
  system = builtins.currentSystem;
  oci = import ../../nix {
    inherit system;
    builder = program "oci-layout";
  };
  chain = next: builtins.foldl' next round (builtins.genList toString 20);
in
{
  empty = chain (
    before: number:
    derivation {
      inherit before system;
      name = "empty-${number}";
      builder = "${program "busybox"}/bin/busybox";
      args = [
        "touch"
        (placeholder "out")
      ];
    }
  );
  layer = chain (
    before: number:
    oci.ociLayerTar {
      name = "layer-${number}";
      files = [
        {
          text = "after ${before}";
          destination = "/file";
        }
      ];
    }
  );
}
