# One image in four ways: what is in the store of it differs, and no digest does.
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
  # The layers of the first are stored, those of the second are made.
  sparse = again { sparse = true; } (image false);
  made = again { } lazy;
  deep = ociVerify {
    layout = lazy;
    deep = true;
  };
}
