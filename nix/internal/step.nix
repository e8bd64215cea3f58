# A derivation whose builder is `oci-layout`. `step` is the subcommand of `oci-layout nix`, which reads the attributes as
# JSON. `passthru` becomes attributes of the result, and is not part of the derivation, nor is `meta`. It is a set, or a
# function from the result to a set.
{
  builder,
  lib,
  system,
}:
let
  # Nix 2.8 ignores this attribute, and Nix 2.18 and later support it. The versions between report an error, because the
  # feature is experimental there.
  isExperimental =
    builtins.compareVersions builtins.nixVersion "2.14" >= 0
    && builtins.compareVersions builtins.nixVersion "2.18" < 0;
  unsupported = lib.optional isExperimental "unsafeDiscardReferences";
  outside = [
    "passthru"
    "meta"
  ]
  ++ unsupported;

  derivationOf =
    step:
    {
      name,
      passthru ? { },
      ...
    }@attributes:
    let
      drv = derivation (
        removeAttrs attributes outside
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
      further = if lib.isFunction passthru then passthru result else passthru;

      # As in nixpkgs, `change` is a set, or a function of the old attributes, or of the new and the old ones.
      overrideAttrs =
        change:
        let
          old = attributes // {
            passthru = further;
          };
          ofOld = change old;
          changes =
            if !(lib.isFunction change) then
              change
            else if lib.isFunction ofOld then
              change new old
            else
              ofOld;
          new = attributes // changes;
        in
        derivationOf step new;
      result =
        drv
        // builtins.intersectAttrs { meta = 0; } attributes
        // further
        // {
          inherit overrideAttrs;
          passthru = further;
        };
    in
    result;
in
derivationOf
