# An image with a bill of materials: closures, contents that are copied to the root, and packages with `meta`. The bill is a
# referrer, or an attestation of BuildKit.
{
  ociBuildImage,
  ociImageLayout,
  ociLayerTar,
  greet,
  letters,
  links,
  ...
}:
let
  licensed = package: license: package // { meta = { inherit license; }; };
  image = ociBuildImage {
    name = "bill";
    tag = "1";
    config.Entrypoint = [ "${greet}/bin/greet" ];
    copyToRoot = [ (licensed links "a licence of our own") ];
    layers = [ (ociLayerTar { closure = [ (licensed letters { spdxId = "MIT"; }) ]; }) ];
    sbom = true;
    sbomPackages = [
      (
        greet
        // {
          meta = {
            license = [
              { spdxId = "MIT"; }
              { spdxId = "Apache-2.0"; }
            ];
            identifiers.cpe = "cpe:2.3:a:me:greet:1.0:*:*:*:*:*:*:*";
          };
        }
      )
    ];
  };
in
ociImageLayout {
  manifests = {
    plain = image;
    buildkit = image.override { sbom = "buildkit"; };
    lazy = image.override {
      sbom = "spdx";
      lazy = true;
    };
  };
}
