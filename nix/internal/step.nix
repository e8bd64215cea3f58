# A derivation whose builder is `oci-layout`. `step` is the subcommand of `oci-layout nix`, which reads the attributes as
# JSON. `passthru` becomes attributes of the result, and is not part of the derivation.
{ builder, system }:
step:
{
  name,
  passthru ? { },
  ...
}@attributes:
let
  # Nix 2.8 ignores this attribute, and Nix 2.18 and later support it. The versions between report an error, because the
  # feature is experimental there.
  isExperimental =
    builtins.compareVersions builtins.nixVersion "2.14" >= 0
    && builtins.compareVersions builtins.nixVersion "2.18" < 0;
  unsupported = if isExperimental then [ "unsafeDiscardReferences" ] else [ ];

  drv = derivation (
    removeAttrs attributes ([ "passthru" ] ++ unsupported)
    // {
      inherit name system;
      builder = "${builder}/bin/oci-layout";
      args = [
        "nix"
        step
      ];
      __structuredAttrs = true;
    }
  );
in
drv // passthru // { inherit passthru; }
