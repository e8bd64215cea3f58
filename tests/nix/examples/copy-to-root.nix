# Packages merged at the root, with what their links and files refer to.
{
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  links,
  ownPath,
  left,
  ...
}:
ociImageLayout {
  manifests = [
    (ociImageManifest {
      layers = [
        (ociLayerTar {
          copyToRoot = [
            links
            ownPath
            left
          ];
          files = [
            {
              text = "a line\n";
              destination = "/etc/line";
              mode = "0600";
              uid = 7;
              gid = 8;
            }
          ];
        })
      ];
      extraConfig.config = {
        Entrypoint = [ "/bin/other" ];
        User = "0";
      };
    })
  ];
}
