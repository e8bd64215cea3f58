# An image with programs that pass it on.
{
  busybox,
  ociBuildImage,
  ociImageLayout,
  ociImageManifest,
  ...
}:
let
  config = {
    Entrypoint = [ "${busybox}/bin/busybox" ];
    Cmd = [
      "echo"
      "handed on"
    ];
  };
in
ociBuildImage {
  inherit config;
  name = "me/app";
  tag = "1.0";
  passthru = {
    bare = ociImageLayout { manifests.latest = ociImageManifest { layers = [ ]; }; };
    byHash = ociBuildImage {
      name = "me/by-hash";
      inherit config;
    };
  };
}
