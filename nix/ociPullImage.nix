/**
  Pulls an image from a registry into a layout, which is a base for other images, or a layout like any other. `oci-layout`
  itself downloads it, and `hash` fixes the result.

  The environment of the Nix daemon sets proxies and certificates, as for the fetchers of nixpkgs. Without certificates
  there, the program uses its own.

  # Arguments

  - [imageName] `[REGISTRY/]PATH[:TAG]`, for example `"docker.io/library/alpine:3.20"`.
  - [imageDigest] The digest of the image, or of the index of a multi-platform image. `oci-layout pull` and `crane digest`
    print it.
  - [hash] The hash of the output, in the form that Nix prints. With `""`, the build fails and prints the correct hash.
  - [os] The operating system of the image, in Go's words. Default: `"linux"`.
  - [arch] The processor architecture of the image, in Go's words. `null` is that of `hostSystem`. Default: `null`.
  - [variant] The variant of the architecture. `null` is that of `hostSystem`. Default: `null`.
  - [tag] The tag of the image in the layout. `null` is the tag in `imageName`, if it has one. Default: `null`.
  - [plainHttp] Whether to use HTTP without TLS. A registry on this machine that does not support TLS needs no setting.
    Default: `false`.
  - [name] The name of the derivation. `null` is a name that contains the image, its platform and its digest.
    Default: `null`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociPullImage {
    imageName = "docker.io/library/alpine:3.20";
    imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    hash = "";
  }
  ```
*/
{
  lib,
  platformOf,
  step,
  storeName,
}:
{
  imageName,
  imageDigest,
  hash,
  os ? "linux",
  arch ? null,
  variant ? null,
  tag ? null,
  plainHttp ? false,
  name ? null,
  passthru ? { },
}:
let
  wanted = platformOf (
    {
      inherit os;
    }
    // lib.optionalAttrs (arch != null) { architecture = arch; }
    // lib.optionalAttrs (variant != null) { inherit variant; }
  );
  digest = builtins.match "sha256:([0-9a-f]{64})" imageDigest;

  # Nix identifies a fixed output by its name and hash. The name contains everything that determines the output. Otherwise,
  # Nix would use the old output after a change of the digest without a change of the hash.
  parts = [
    (storeName imageName)
  ]
  ++ lib.optional (tag != null) tag
  ++ [
    wanted.os
    wanted.architecture
  ]
  ++ lib.optional (wanted ? variant) wanted.variant
  ++ [ (builtins.substring 0 12 (builtins.head digest)) ];
in
if digest == null then
  throw "oci-layout: image ${imageName}: expected imageDigest as sha256: and 64 lower-case hex digits, found ${imageDigest}"
else
  step "pull" {
    name = if name != null then name else builtins.concatStringsSep "-" parts;
    reference = "${imageName}@${imageDigest}";
    platform = wanted;
    inherit tag plainHttp;
    outputHash = hash;
    outputHashAlgo = "sha256";
    outputHashMode = "recursive";
    impureEnvVars = import ./internal/impureEnvVars.nix;
    passthru = passthru // {
      inherit imageName imageDigest;
    };
  }
