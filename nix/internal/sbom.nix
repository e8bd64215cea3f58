# The bill of materials of an image: what its files say, the graph of its store paths, and `meta` of its packages, of which
# `packages` names further ones.
{
  contents,
  lib,
  step,
}:
{
  image,
  layers,
  packages,
  format,
}:
let
  # A folder that another program wrote says nothing of its paths.
  known = builtins.filter (layer: layer ? held) layers;
  holds = contents { without = known; };

  textOf =
    licence:
    if builtins.isAttrs licence then
      licence.spdxId or licence.fullName or licence.shortName or null
    else
      licence;
  metaOf = package: {
    paths = map (output: builtins.unsafeDiscardStringContext "${package.${output}}") (
      package.outputs or [ "outPath" ]
    );
    licences = builtins.filter builtins.isString (
      map textOf (lib.toList (package.meta.license or [ ]))
    );
    cpe = package.meta.identifiers.cpe or null;
  };
in
step "sbom" (
  {
    name = "oci-sbom";
    image = "${image}";
    inherit format;
    packages = map metaOf (
      builtins.filter (package: package ? meta) packages
      ++ builtins.concatMap (layer: layer.held.bill.described) known
    );
    copied = builtins.concatMap (
      layer:
      lib.optional (layer.held.bill.copied != [ ]) {
        layer = "${layer}";
        paths = layer.held.bill.copied;
      }
    ) known;
    # It names paths, and needs none of them.
    unsafeDiscardReferences.out = true;
    preferLocalBuild = true;
    allowSubstitutes = false;
  }
  // builtins.intersectAttrs { exportReferencesGraph = 0; } holds.attributes
)
