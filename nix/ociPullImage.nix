{ platform, step, storeName, ... }:
/**
  An image of a registry, as a layout: a base for other images, or a layout like any other. The program fetches it, and
  the hash fixes what comes.

  - `imageName`: `[REGISTRY/]PATH[:TAG]`, as in `"docker.io/library/alpine:3.20"`.
  - `imageDigest`: the digest of the image, or of the index of an image for several platforms. `oci-layout pull` and
    `crane digest` print it.
  - `hash`: of the output, as Nix writes it; with `""`, the build fails and says the right one.
  - `os`, `arch`, `variant`: the platform, in Go's names; by default the one that images are made for here.
  - `tag`: the image's tag in the layout; by default that of `imageName`, if it has one.
  - `plainHttp`: whether the registry is asked without TLS; one on this machine is if it does not speak it.
  - `name`, `passthru`: of the derivation.

  Proxies and certificates come from the environment of the daemon, as with fetchers of nixpkgs; without certificates,
  the program has its own.

  ```nix
  ociPullImage {
    imageName = "docker.io/library/alpine:3.20";
    imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    hash = "";
  }
  ```
*/
{ imageName
, imageDigest
, hash
, os ? "linux"
, arch ? null
, variant ? null
, tag ? null
, plainHttp ? false
, name ? null
, passthru ? { }
}:
let
  given = { inherit os; ${if arch == null then null else "architecture"} = arch; };
  wanted = platform (given // { ${if variant == null then null else "variant"} = variant; });
  digest = builtins.match "sha256:([0-9a-f]{64})" imageDigest;

  # All that the output depends on is in its name: Nix knows a fixed output by its name and hash, and would go on to use
  # the old one where only the digest, and not the hash, was changed.
  parts = [ (storeName imageName) ] ++ (if tag == null then [ ] else [ tag ])
    ++ [ wanted.os wanted.architecture ] ++ (if wanted ? variant then [ wanted.variant ] else [ ])
    ++ [ (builtins.substring 0 12 (builtins.head digest)) ];
in
if digest == null
then throw "oci-layout: image ${imageName}: imageDigest is written sha256: and 64 digits, and not ${imageDigest}"
else step "pull" {
  name = if name != null then name else builtins.concatStringsSep "-" parts;
  reference = "${imageName}@${imageDigest}";
  platform = wanted;
  inherit tag plainHttp;
  outputHash = hash;
  outputHashAlgo = "sha256";
  outputHashMode = "recursive";
  impureEnvVars = import ./impureEnvVars.nix;
  passthru = passthru // { inherit imageName imageDigest; };
}
