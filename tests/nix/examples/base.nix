# Images on images: ours, one that others made as a folder and as an archive, and one by its tag.
{
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  examples,
  package,
  jq,
  ...
}:
let
  folder = package "foreign-layout" "cp -r ${examples.closure} $out";
  archive = package "foreign-archive" "cd ${examples.closure}; tar -cf $out oci-layout index.json blobs";
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
  on =
    base:
    ociImageManifest {
      inherit base layers;
      extraConfig.config.Env = [ "BASE=1" ];
    };
in
ociImageLayout {
  manifests = {
    ours = on examples.closure;
    folder = on folder;
    archive = on archive;
    tagged = on {
      layout = examples.remix;
      tag = "small";
    };
    changed = ociImageManifest {
      inherit layers;
      base = examples.closure;
      inheritConfig.entrypoint = false;
      extraConfig.config.Entrypoint = [
        "/bin/jq"
        "changed"
      ];
    };
  };
}
