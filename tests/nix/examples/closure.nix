# A program with what it needs at run time, and none of what it was built with.
{
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  greet,
  ...
}:
ociImageLayout {
  manifests = [
    (ociImageManifest {
      layers = [ (ociLayerTar { closure = [ greet ]; }) ];
      extraConfig.config.Entrypoint = [ "${greet}/bin/greet" ];
    })
  ];
}
