# Derivations one after the other, each waiting for the one before: empty ones, or layers of one small file.
{ ociLayerTar, busybox, changing, ... }:
let
  chain = next: builtins.foldl' next changing (builtins.genList toString 10);
in
{
  empty = chain (before: number: derivation {
    name = "empty-${number}";
    system = builtins.currentSystem;
    builder = "${busybox}/bin/busybox";
    args = [ "touch" (placeholder "out") ];
    inherit before;
  });
  layers = chain (before: number: ociLayerTar {
    name = "layer-${number}";
    files = [ { text = "after ${before}"; destination = "/file"; } ];
  });
}
