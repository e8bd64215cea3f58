# A closure over several layers: what those below have, a layer leaves out; the last one leaves out what a package needs.
{
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  busybox,
  letters,
  words,
  greet,
  links,
  ...
}:
let
  letterLayer = ociLayerTar { closure = [ letters ]; };
  wordLayer = ociLayerTar {
    closure = [ words ];
    without = [ letterLayer ];
  };
  part = ociLayerTar {
    files = [
      {
        source = links;
        exclude = [ "bin" ];
      }
    ];
  };
in
ociImageLayout {
  manifests = [
    (ociImageManifest {
      layers = [
        letterLayer
        wordLayer
        (ociLayerTar {
          closure = [ greet ];
          without = [
            letterLayer
            wordLayer
          ];
        })
        (ociLayerTar {
          closure = [ links ];
          without = [ greet ];
        })
        # A layer that has a part of it does not have it.
        (ociLayerTar {
          closure = [ links ];
          without = [
            greet
            part
          ];
        })
      ];
      extraConfig.config.Entrypoint = [ "${greet}/bin/greet" ];
    })
  ];
}
