# One image for two machines.
{
  functionsWith,
  ociImageLayout,
  busybox,
  ...
}:
let
  for =
    hostSystem:
    let
      oci = functionsWith { inherit hostSystem; };
    in
    oci.ociImageManifest {
      layers = [
        (oci.ociLayerTar {
          closure = [ busybox ];
          files = [
            {
              text = "${hostSystem}\n";
              destination = "/system";
            }
          ];
        })
      ];
      extraConfig.config.Entrypoint = [
        "${busybox}/bin/busybox"
        "cat"
        "/system"
      ];
    };
in
ociImageLayout {
  manifests = [
    (for "x86_64-linux")
    (for "aarch64-linux")
  ];
}
