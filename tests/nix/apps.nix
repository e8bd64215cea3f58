# An image that its programs hand on.
{ busybox, ociBuildImage, ociImageLayout, ociImageManifest, ... }:
ociBuildImage {
  name = "me/app";
  tag = "1.0";
  config = { Entrypoint = [ "${busybox}/bin/busybox" ]; Cmd = [ "echo" "handed on" ]; };
  passthru.bare = ociImageLayout { manifests.latest = ociImageManifest { layers = [ ]; }; };
}
