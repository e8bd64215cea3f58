/**
  Builds an image from a configuration and layers. The result contains two small documents that refer to the layers by
  digest; it does not contain the layers.

  # Arguments

  - [layers] A list of layers, the lowest first: results of `ociLayerTar` and `ociClosureLayers`, or folders that
    `oci-layout layer-tar` wrote.
  - [extraConfig] As in `ociImageConfig`. Default: `{ }`.
  - [extraManifest] Members of the
    [manifest](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md), for example `annotations`. They
    override `schemaVersion` and `mediaType`, but not `config` and `layers`. Default: `{ }`.
  - [config] A result of `ociImageConfig` for the same layers. It replaces `extraConfig`, `inheritConfig` and `unsetEnv`.
    Default: `null`.
  - [base] As in `ociImageConfig`. Default: `config.base or null`.
  - [inheritConfig] As in `ociImageConfig`. Default: `true`.
  - [unsetEnv] As in `ociImageConfig`. Default: `[ ]`.
  - [strict] Whether warnings are errors. Default: `false`.
  - [name] The name of the derivation. Default: `"oci-manifest"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociImageManifest {
    layers = [ dependencies app ];
    extraConfig.config.Entrypoint = [ "/bin/app" ];
    extraManifest.annotations."org.opencontainers.image.title" = "app";
  }
  ```
*/
{
  baseAttributes,
  elements,
  ociImageConfig,
  platformOf,
  step,
}:
{
  name ? "oci-manifest",
  layers,
  extraConfig ? { },
  extraManifest ? { },
  config ? null,
  base ? config.base or null,
  inheritConfig ? true,
  unsetEnv ? [ ],
  strict ? false,
  passthru ? { },
}:
let
  ofConfig =
    if extraConfig != { } then
      "extraConfig"
    else if unsetEnv != [ ] then
      "unsetEnv"
    else
      "inheritConfig";
in
if config != null && (extraConfig != { } || unsetEnv != [ ] || inheritConfig != true) then
  throw "oci-layout: ociImageManifest: config and ${ofConfig} exclude each other; pass ${ofConfig} to ociImageConfig"
else
  step "image-manifest" (
    baseAttributes base
    // {
      inherit
        name
        extraConfig
        inheritConfig
        unsetEnv
        extraManifest
        strict
        ;
      layers = map (layer: "${layer}") (elements "layers" layers);
      config = if config == null then null else "${config}";
      platform = platformOf extraConfig;
      preferLocalBuild = true;
      allowSubstitutes = false;
      passthru =
        manifest:
        passthru
        // {
          inherit layers base;
          config =
            if config != null then
              config
            else
              ociImageConfig {
                inherit
                  layers
                  extraConfig
                  base
                  inheritConfig
                  unsetEnv
                  strict
                  ;
              };
          mediaDescriptor = "${manifest}/media-descriptor.json";
        };
    }
  )
