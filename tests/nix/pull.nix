# An image of a registry on this machine, by the two functions that pull, and a layer on it.
{
  programs,
  registry,
  digest,
  hash,
  manifest,
}:
let
  inherit (import ./. { inherit programs; }) oci;
in
rec {
  pulled = oci.ociPullImage {
    imageName = "${registry}/a/base:v1";
    imageDigest = digest;
    inherit hash;
  };
  locked = oci.ociPullImageFromManifest {
    imageName = "${registry}/a/base";
    imageDigest = digest;
    inherit manifest;
    tag = "v1";
  };
  built = oci.ociImageLayout {
    manifests.v2 = oci.ociImageManifest {
      base = locked;
      layers = [
        (oci.ociLayerTar {
          files = [
            {
              text = "on top\n";
              destination = "/top";
            }
          ];
        })
      ];
    };
  };
  otherPlatform = oci.ociPullImage {
    imageName = "${registry}/a/base:v1";
    imageDigest = digest;
    inherit hash;
    arch = "s390x";
  };
  noDigest = oci.ociPullImage {
    imageName = "${registry}/a/base";
    imageDigest = "v1";
    inherit hash;
  };
  newline = oci.ociPullImageFromManifest {
    imageName = "${registry}/a/base";
    imageDigest = digest;
    manifest = builtins.toFile "manifest.json" (builtins.readFile manifest + "\n");
  };
  index = oci.ociPullImageFromManifest {
    imageName = "${registry}/a/base";
    manifest = builtins.toFile "index.json" ''{"schemaVersion":2,"manifests":[]}'';
  };
}
