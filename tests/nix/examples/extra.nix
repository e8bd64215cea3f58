# What goes over the documents, and what cannot; and a tag for two machines.
{
  functionsWith,
  ociImageConfig,
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  jq,
  ...
}:
let
  layers = [
    (ociLayerTar {
      files = [
        {
          source = jq;
          destination = "/bin/jq";
        }
      ];
    })
  ];
  config = ociImageConfig {
    inherit layers;
    extraConfig = {
      author = "somebody";
      created = "2020-02-20T20:20:20Z";
      architecture = "riscv64";
      rootfs = {
        type = "none";
        diff_ids = [ ];
      };
      config = {
        entrypoint = [ "/bin/jq" ];
        Healthcheck.Test = [
          "CMD"
          "/bin/jq"
        ];
      };
    };
  };
  image = ociImageManifest {
    inherit config layers;
    extraManifest = {
      annotations.of = "the manifest";
      layers = [ ];
      config = { };
      artifactType = "application/x-test";
    };
  };
  other = (functionsWith { hostSystem = "aarch64-linux"; }).ociImageManifest { inherit layers; };
in
ociImageLayout {
  manifests = {
    alone = image;
    latest = [
      image
      other
    ];
  };
  extraIndex = {
    annotations.of = "the index";
    manifests = [ ];
  };
}
