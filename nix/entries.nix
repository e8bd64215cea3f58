# What a layer has to know of the layers below it, as attributes of its step: the entries of the base image, and of each
# layer in `above`. A derivation of its own reads each, so that all layers above them share it, and need no layer itself.
scope@{ elements, step, ... }:
{ base, above ? [ ], platform }:
let
  entries = name: attributes: "${step "entries" (attributes // { inherit name; preferLocalBuild = true; })}";

  choice = { architecture ? null, os ? null, variant ? null }@choice: scope.platform choice;
  # Reading checks each layer against its digest: the check of the whole layout need not come first.
  ofBase = entries "oci-base-entries" (removeAttrs (scope.base base) [ "checked" ] // { platform = choice platform; });
  ofLayer = layer: entries "oci-layer-entries" { layers = [ layer ]; };

  below = (if base == null then [ ] else [ ofBase ]) ++ map ofLayer (elements "above" above);
in
if below == [ ] then { } else { inherit below; }
