# A package that is built from the parts of an image, which are attributes of the image and of `passthru`.
{
  ociBuildImage,
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  package,
  jq,
  ...
}:
let
  layout = ociImageLayout {
    manifests = [
      (ociImageManifest {
        layers = [
          (ociLayerTar {
            files = [
              {
                source = jq;
                destination = "/bin/jq";
              }
            ];
            passthru.said = "by the caller";
          })
        ];
      })
    ];
  };
  image = ociBuildImage {
    name = "once";
    files = [
      {
        source = jq;
        destination = "/bin/jq";
      }
    ];
  };
  manifest = builtins.head layout.manifests;
  layer = builtins.head manifest.passthru.layers;
in
{
  inherit layout image;
  again = ociImageLayout { manifests.again = image; };
}
// package "parts" ''
  mkdir $out
  cp ${layer.mediaDescriptor} $out/layer.json
  cp ${layer.diffID} $out/diff-id
  cp ${layer.blobs}/sha256/* $out/layer
  cp ${manifest.config.mediaDescriptor} $out/config.json
  cp ${manifest.config.platform} $out/platform.json
  cp ${manifest.mediaDescriptor} $out/manifest.json
  cp ${layout.index} $out/index.json
  echo "${layer.said}, ${layer.passthru.said}" > $out/said
''
