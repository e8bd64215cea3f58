# Two images of the same three layers, in another order and number, under three tags.
{
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  busybox,
  bash,
  jq,
  ...
}:
let
  shell = ociLayerTar {
    files = [
      {
        source = "${busybox}/bin/busybox";
        destination = "/bin/busybox";
      }
    ];
  };
  first = ociLayerTar {
    files = [
      {
        source = bash;
        destination = "/bin/bash";
      }
    ];
    compression = "zstd";
  };
  second = ociLayerTar {
    files = [
      {
        source = jq;
        destination = "/bin/jq";
      }
    ];
    compression = "";
  };
  image =
    layers: entrypoint:
    ociImageManifest {
      inherit layers;
      extraConfig.config.Entrypoint = entrypoint;
    };
  large = image [ shell first second ] [ "/bin/busybox" "ls" "/bin" ];
in
ociImageLayout {
  manifests = {
    large = large;
    latest = [ large ];
    small = image [ second shell ] [ "/bin/jq" "." ];
  };
}
