scope@{ elements, platform, step, ... }:
/**
  The configuration of an image with these layers.

  - `layers`: a list of layers, the lowest first.
  - `extraConfig`: the members of the [image configuration](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md),
    which go over `{ architecture; os = "linux"; }`, the platform being that of the packages. `config` has `Env`,
    `Entrypoint` and so on; keys may be written in any case, and `null` removes what the base has. `rootfs` is always
    that of the layers.
  - `base`: the image below the layers: a layout (a folder, an oci-archive or a docker-archive), or `{ layout; tag; }` where it has
    several images. Its layers come first, and its configuration is taken over where nothing else is said. What others
    made is checked before it is used.
  - `inheritConfig`: what of the base's configuration is taken over: `true`, `false`, or those parts that are not, as in
    `{ entrypoint = false; }`; the parts are `env`, `entrypoint`, `cmd`, `user`, `workingDir`, `exposedPorts`, `volumes`,
    `labels`, `stopSignal`, `history`, `metadata` and `other`.
  - `unsetEnv`: a list of names of variables in the base's `Env` that are not taken over.
  - `strict`: whether warnings are errors.
  - `name`, `passthru`: of the derivation.

  `Env` merges by name with that of the base, and its values may refer to variables of the base or to earlier ones:
  `PATH=/app/bin:$PATH`, `${NAME:-default}`; `$$` is a dollar sign. What engines refuse is an error that names the member.

  ```nix
  ociImageConfig { layers = [ app ]; extraConfig.config.Entrypoint = [ "/bin/app" ]; }
  ```
*/
{ name ? "oci-config"
, layers
, extraConfig ? { }
, base ? null
, inheritConfig ? true
, unsetEnv ? [ ]
, strict ? false
, passthru ? { }
}:
let
  config = step "image-config" (scope.base base // {
    inherit name extraConfig inheritConfig unsetEnv strict;
    layers = elements "layers" layers;
    platform = platform extraConfig;
    preferLocalBuild = true;
    allowSubstitutes = false;
    passthru = passthru // {
      inherit layers base;
      mediaDescriptor = "${config}/media-descriptor.json";
      platform = "${config}/platform.json";
    };
  });
in
config
