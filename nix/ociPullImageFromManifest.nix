{ step, storeName, ... }:
/**
  An image of a registry by its manifest, which is a file beside the expression, committed like a lock file: it has the
  digest of everything, so that no hash is to be given. Each blob is a derivation of its own, and blobs that images have
  in common are fetched once.

  - `imageName`: `[REGISTRY/]PATH[:TAG]`, where the blobs are.
  - `manifest`: the file, byte for byte as the registry has it:
    `oci-layout pull --manifest --platform linux/amd64 docker.io/library/alpine:3.20 > alpine.json` prints it.
  - `imageDigest`: the digest that the file has, if that is to be checked: editors like to add a newline.
  - `tag`: the image's tag in the layout; by default none.
  - `plainHttp`: whether the registry is asked without TLS; one on this machine is if it does not speak it.
  - `name`, `passthru`: of the derivation.

  ```nix
  ociPullImageFromManifest { imageName = "docker.io/library/alpine"; manifest = ./alpine.json; }
  ```
*/
{ imageName
, manifest
, imageDigest ? null
, tag ? null
, plainHttp ? false
, name ? null
, passthru ? { }
}:
let
  text = builtins.readFile manifest;
  digest = "sha256:${builtins.hashString "sha256" text}";
  document = builtins.fromJSON text;
  refuse = reason: throw "oci-layout: ${toString manifest}, the manifest of ${imageName}, ${reason}";
  print = "`oci-layout pull --manifest --platform OS/ARCH ${imageName}` prints the manifest of one platform: commit that";

  blob = descriptor:
    let
      hex = builtins.match "sha256:([0-9a-f]{64})" descriptor.digest;
    in
    if hex == null then refuse "names a blob by ${descriptor.digest}: only sha256 is known here"
    else {
      inherit (descriptor) digest;
      path = "${step "pull-blob" {
        # The same for every image that has this blob.
        name = "oci-blob-${builtins.substring 0 12 (builtins.head hex)}";
        reference = imageName;
        inherit (descriptor) digest size mediaType;
        inherit plainHttp;
        outputHash = builtins.head hex;
        outputHashAlgo = "sha256";
        outputHashMode = "flat";
        impureEnvVars = import ./impureEnvVars.nix;
      }}";
    };
in
if document ? manifests then refuse "is an index, for several platforms: ${print}"
else if !(document ? config && document ? layers) then refuse "is no image manifest: ${print}"
else if imageDigest != null && imageDigest != digest
then refuse "has the digest ${digest}, and not ${imageDigest}: not a byte of it may be changed, nor a newline added"
else step "blobs-to-layout" {
  name = if name != null then name else storeName imageName;
  manifest = builtins.toFile "manifest.json" text;
  blobs = map blob ([ document.config ] ++ document.layers);
  inherit tag;
  unsafeDiscardReferences.out = true;
  passthru = passthru // { inherit imageName; imageDigest = digest; };
}
