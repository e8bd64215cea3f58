# The attributes of a layer's step that describe the layers below: the entries of the base image, and of each layer in
# `above`. A separate derivation reads each of them. All layers above share it, and none of them depends on the layer.
{
  baseAttributes,
  elements,
  lib,
  platformOf,
  step,
}:
{
  base,
  above ? [ ],
  platform,
}:
let
  entries =
    name: attributes:
    "${step "entries" (
      attributes
      // {
        inherit name;
        preferLocalBuild = true;
      }
    )}";

  # The step verifies each layer that it reads, so the base need not be verified before.
  ofBase = entries "oci-base-entries" (
    removeAttrs (baseAttributes base) [ "checked" ]
    // {
      platform = platformOf platform;
    }
  );
  ofLayer = layer: entries "oci-layer-entries" { layers = [ "${layer}" ]; };

  below = lib.optional (base != null) ofBase ++ map ofLayer (elements "above" above);
in
lib.optionalAttrs (below != [ ]) { inherit below; }
