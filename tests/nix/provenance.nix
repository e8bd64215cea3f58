# The provenance of images, with and without a base image.
{
  oci,
  functionsWith,
  greet,
  jq,
  nixpkgsLib,
  ...
}:
let
  inherit (oci)
    ociBuildImage
    ociImageConfig
    ociImageLayout
    ociImageManifest
    ociLayerTar
    ociProvenance
    ;

  builderId = "https://example.com/builders/1";
  base = ociBuildImage {
    name = "base";
    tag = "1";
    files = [
      {
        text = "base\n";
        destination = "/etc/base";
      }
    ];
  };
  image = ociBuildImage {
    name = "example.com/app";
    tag = "1";
    fromImage = base;
    config.Entrypoint = [ "${greet}/bin/greet" ];
    files = [
      {
        source = jq;
        destination = "/bin/jq";
      }
      {
        source = ./packages.nix;
        destination = "/packages.nix";
      }
    ];
  };
  empty =
    architecture:
    let
      layers = [ (ociLayerTar { }) ];
    in
    ociImageManifest {
      inherit layers;
      config = ociImageConfig {
        inherit layers;
        extraConfig = { inherit architecture; };
      };
    };
  platforms = ociImageLayout {
    manifests.both = [
      (empty "amd64")
      (empty "arm64")
    ];
  };
  modules = (functionsWith { pkgs.lib = nixpkgsLib; }).ociMakeImage {
    modules = [
      {
        image.name = "box";
        files = [
          {
            source = jq;
            destination = "/app";
          }
        ];
      }
    ];
  };
in
{
  inherit
    base
    image
    modules
    platforms
    ;
  ofImage = ociProvenance {
    inherit builderId image;
    parameters.revision = "1234";
  };
  ofPlatforms = ociProvenance {
    inherit builderId;
    image = platforms;
  };
  ofModules = ociProvenance {
    inherit builderId;
    image = modules;
  };
}
