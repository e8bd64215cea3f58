/**
  Builds the configuration of an image with the given layers.

  An entry of `Env` replaces the entry of the base with the same name. Its value may refer to variables of the base and to
  earlier entries: `PATH=/app/bin:$PATH`, `${NAME:-default}`; `$$` is a dollar sign. A value that container engines reject is
  an error that names the member.

  # Arguments

  - [layers] A list of layers, the lowest first.
  - [extraConfig] Members of the
    [image configuration](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md). They override
    `{ architecture; os = "linux"; }`, where the architecture is that of the packages. `config` contains `Env`, `Entrypoint`
    and so on; the case of its member names does not matter. `null` removes a member of the base. `rootfs` always lists
    the layers. Default: `{ }`.
  - [base] The image below the layers: a layout (a folder, an oci-archive or a docker-archive), or `{ layout; tag; }` to
    select one image of several. Its layers come first, and its configuration applies where `extraConfig` sets nothing
    else. A layout that these functions did not build is verified before it is used. Default: `null`.
  - [inheritConfig] Which parts of the base's configuration apply: `true` for all, `false` for none, or the exceptions, for
    example `{ entrypoint = false; }`. The parts are `env`, `entrypoint`, `cmd`, `user`, `workingDir`, `exposedPorts`,
    `volumes`, `labels`, `stopSignal`, `history`, `metadata` and `other`. Default: `true`.
  - [unsetEnv] A list of names of variables in the base's `Env` that do not apply. Default: `[ ]`.
  - [strict] Whether warnings are errors. Default: `false`.
  - [name] The name of the derivation. Default: `"oci-config"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociImageConfig { layers = [ app ]; extraConfig.config.Entrypoint = [ "/bin/app" ]; }
  ```
*/
{
  baseAttributes,
  elements,
  platformOf,
  step,
}:
{
  name ? "oci-config",
  layers,
  extraConfig ? { },
  base ? null,
  inheritConfig ? true,
  unsetEnv ? [ ],
  strict ? false,
  passthru ? { },
}:
step "image-config" (
  baseAttributes base
  // {
    inherit
      name
      extraConfig
      inheritConfig
      unsetEnv
      strict
      ;
    layers = map (layer: "${layer}") (elements "layers" layers);
    platform = platformOf extraConfig;
    preferLocalBuild = true;
    allowSubstitutes = false;
    passthru =
      config:
      passthru
      // {
        inherit layers base;
        mediaDescriptor = "${config}/media-descriptor.json";
        platform = "${config}/platform.json";
      };
  }
)
