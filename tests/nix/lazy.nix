# One image in four forms: the contents of the store differ, and the digests do not.
{
  ociBuildImage,
  ociImageLayout,
  ociLayerTar,
  ociVerify,
  greet,
  jq,
  ...
}:
let
  image =
    lazy:
    ociBuildImage {
      inherit lazy;
      name = "greet";
      tag = "1.0";
      layers = [
        (ociLayerTar {
          name = "jq";
          files = [
            {
              source = jq;
              destination = "/bin/jq";
            }
          ];
        })
      ];
      files = [
        {
          text = "hello\n";
          destination = "/etc/motd";
        }
      ];
      config.Entrypoint = [ "${greet}/bin/greet" ];
    };
  again = arguments: image: ociImageLayout (arguments // { manifests."greet:1.0" = image; });
  lazy = image true;
  lazyLayer = ociLayerTar {
    lazy = true;
    closure = greet;
  };
in
{
  full = image false;
  inherit lazy lazyLayer;
  # The layers of the first are stored, and those of the second are built on demand.
  sparse = again { sparse = true; } (image false);
  made = again { } lazy;
  deep = ociVerify {
    layout = lazy;
    deep = true;
  };
}
