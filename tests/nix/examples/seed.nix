# The expression with which it all began, with static programs in the place of nginx, bash and jq.
{
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  nginx,
  bash,
  jq,
  ...
}:
ociImageLayout {
  manifests = [
    (ociImageManifest {
      layers = [
        (ociLayerTar { files = [ { source = nginx; } ]; })
        (ociLayerTar {
          files = [
            {
              source = bash;
              destination = "/bin/bash";
            }
            {
              source = jq;
              destination = "/bin/jq";
            }
          ];
        })
      ];
      extraConfig.config = {
        Env = [ "GREETING=from nginx" ];
        Entrypoint = [
          "${nginx}/bin/nginx"
          "-g"
          "daemon off;"
        ];
      };
      extraManifest.annotations = {
        "org.opencontainers.image.title" = "seed";
      };
    })
  ];
}
