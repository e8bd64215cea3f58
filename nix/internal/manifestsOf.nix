# The images of `manifests` of a layout: each with its `names`, a tag or none, and its `manifest`.
{ elements }:
manifests:
let
  # A result of ociBuildImage is a layout with one image.
  manifestOf = image: if builtins.isAttrs image then image.manifest or image else image;
  named =
    names: value:
    map (image: {
      inherit names;
      manifest = manifestOf image;
    }) (elements "manifests" value);
in
if builtins.isAttrs manifests && !(manifests ? outPath) then
  builtins.concatMap (tag: named [ tag ] manifests.${tag}) (builtins.attrNames manifests)
else
  named [ ] manifests
