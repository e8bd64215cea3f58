# The attributes of a step with a base image, which is `null`, a layout, or `{ layout; tag; }`. A separate derivation
# verifies a layout that these functions did not build, so that Nix verifies it once.
{
  lib,
  ociVerify,
  storePath,
}:
base:
let
  parsed = {
    tag = null;
  }
  // (if builtins.isAttrs base && !(base ? outPath) then base else { layout = base; });
  layout = builtins.seq (storePath parsed.layout) "${parsed.layout}";
  isOurs = builtins.isAttrs parsed.layout && parsed.layout ? manifests;
in
lib.optionalAttrs (base != null) (
  {
    base = {
      inherit layout;
      inherit (parsed) tag;
    };
  }
  // lib.optionalAttrs (!isOurs) {
    checked = ociVerify {
      name = "oci-base-checked";
      inherit layout;
    };
  }
)
