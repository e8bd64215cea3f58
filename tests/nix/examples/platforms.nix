# One name for two machines.
{ functionsFor, ociImageLayout, busybox, ... }:
let
  for = hostSystem:
    let oci = functionsFor hostSystem; in
    oci.ociImageManifest {
      layers = [
        (oci.ociLayerTar { closure = [ busybox ]; files = [ { text = "${hostSystem}\n"; destination = "/system"; } ]; })
      ];
      extraConfig.config.Entrypoint = [ "${busybox}/bin/busybox" "cat" "/system" ];
    };
in
ociImageLayout { manifests = [ (for "x86_64-linux") (for "aarch64-linux") ]; }
