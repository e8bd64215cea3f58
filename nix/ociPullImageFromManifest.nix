/**
  Pulls an image from a registry by its manifest, a file next to the expression that is committed like a lock file. The
  manifest contains every digest, so no hash is needed. Each blob is a derivation of its own, and images share blobs.

  # Arguments

  - [imageName] `[REGISTRY/]PATH[:TAG]`, the repository that has the blobs.
  - [manifest] The file, byte for byte as in the registry. This command prints it:
    `oci-layout pull --manifest --platform linux/amd64 docker.io/library/alpine:3.20 > alpine.json`
  - [imageDigest] The expected digest of the file, or `null`. It detects a change by an editor, for example an added
    newline. Default: `null`.
  - [tag] The tag of the image in the layout. `null` is none. Default: `null`.
  - [plainHttp] Whether to use HTTP without TLS. A registry on this machine that does not support TLS needs no setting.
    Default: `false`.
  - [name] The name of the derivation. `null` is a name that contains the image. Default: `null`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociPullImageFromManifest { imageName = "docker.io/library/alpine"; manifest = ./alpine.json; }
  ```
*/
{ step, storeName }:
{
  imageName,
  manifest,
  imageDigest ? null,
  tag ? null,
  plainHttp ? false,
  name ? null,
  passthru ? { },
}:
let
  text = builtins.readFile manifest;
  digest = "sha256:${builtins.hashString "sha256" text}";
  document = builtins.fromJSON text;
  refuse = reason: throw "oci-layout: ${toString manifest}, the manifest of ${imageName}, ${reason}";
  print = "commit the output of `oci-layout pull --manifest --platform OS/ARCH ${imageName}`";

  blob =
    descriptor:
    let
      hex = builtins.match "sha256:([0-9a-f]{64})" descriptor.digest;
    in
    if hex == null then
      refuse "refers to the blob ${descriptor.digest}; only sha256 is supported"
    else
      {
        inherit (descriptor) digest;
        path = "${step "pull-blob" {
          # All images with this blob share the derivation.
          name = "oci-blob-${builtins.substring 0 12 (builtins.head hex)}";
          reference = imageName;
          inherit (descriptor) digest size mediaType;
          inherit plainHttp;
          outputHash = builtins.head hex;
          outputHashAlgo = "sha256";
          outputHashMode = "flat";
          impureEnvVars = import ./internal/impureEnvVars.nix;
        }}";
      };
in
if document ? manifests then
  refuse "is an index of several platforms; ${print}"
else if !(document ? config && document ? layers) then
  refuse "is not an image manifest; ${print}"
else if imageDigest != null && imageDigest != digest then
  refuse "has the digest ${digest}, expected ${imageDigest}; restore the exact bytes, without an added newline"
else
  step "blobs-to-layout" {
    name = if name != null then name else storeName imageName;
    manifest = builtins.toFile "manifest.json" text;
    blobs = map blob ([ document.config ] ++ document.layers);
    inherit tag;
    unsafeDiscardReferences.out = true;
    passthru = passthru // {
      inherit imageName;
      imageDigest = digest;
    };
  }
