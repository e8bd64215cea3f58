# Spaces and odd characters wherever somebody chooses a name.
{
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  odd,
  ...
}:
ociImageLayout {
  manifests = {
    "registry.example:5000/a__b/c.d-e:V1.0_x" = ociImageManifest {
      layers = [
        (ociLayerTar {
          closure = [ odd ];
          files = [
            {
              source = "${odd}/with space";
              destination = "/to a/\"place\"";
            }
            {
              text = "$out \${HOME} `id` \"\\ \n'";
              destination = "/\$(touch x)";
            }
            {
              symlink = "a target with 'spaces'";
              destination = "/link to";
            }
          ];
        })
      ];
      extraConfig.config = {
        Env = [ "A=b c \"d\" $E \n" ];
        Labels."a \"label\"" = "ünï\\code";
      };
      extraManifest.annotations."spaces in it" = "new\nline";
    };
  };
}
