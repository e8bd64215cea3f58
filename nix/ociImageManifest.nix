scope@{ elements, ociImageConfig, platform, step, ... }:
/**
  An image of a configuration and layers, as small documents that name them; the layers stay where they are.

  - `layers`: a list of layers (`ociLayerTar`, `ociClosureLayers`, or folders that the program made), the lowest first.
  - `extraConfig`, `base`, `inheritConfig`, `unsetEnv`: as in `ociImageConfig`.
  - `config`: a configuration made by `ociImageConfig` of the same layers, in place of those four.
  - `extraManifest`: members of the [manifest](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md),
    `annotations` for one, which go over `schemaVersion` and `mediaType`. `config` and `layers` are always those given.
  - `strict`: whether warnings are errors.
  - `name`, `passthru`: of the derivation.

  ```nix
  ociImageManifest {
    layers = [ dependencies app ];
    extraConfig.config.Entrypoint = [ "/bin/app" ];
    extraManifest.annotations."org.opencontainers.image.title" = "app";
  }
  ```
*/
{ name ? "oci-manifest"
, layers
, extraConfig ? { }
, extraManifest ? { }
, config ? null
, base ? config.base or null
, inheritConfig ? true
, unsetEnv ? [ ]
, strict ? false
, passthru ? { }
}:
let
  ofConfig =
    if extraConfig != { } then "extraConfig"
    else if unsetEnv != [ ] then "unsetEnv"
    else "inheritConfig";
in
if config != null && (extraConfig != { } || unsetEnv != [ ] || inheritConfig != true)
then throw "oci-layout: an image manifest has config and ${ofConfig}: give ${ofConfig} to the ociImageConfig that made config"
else
let
  manifest = step "image-manifest" (scope.base base // {
    inherit name extraConfig inheritConfig unsetEnv extraManifest strict;
    layers = elements "layers" layers;
    config = if config == null then null else "${config}";
    platform = platform extraConfig;
    preferLocalBuild = true;
    allowSubstitutes = false;
    passthru = passthru // {
      inherit layers base;
      config = if config != null then config else ociImageConfig { inherit layers extraConfig base inheritConfig unsetEnv strict; };
      mediaDescriptor = "${manifest}/media-descriptor.json";
    };
  });
in
manifest
