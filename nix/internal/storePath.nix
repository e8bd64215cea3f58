# The store path that contains a package, a path, or a string like "${package}/bin/app".
{ }:
value:
let
  text = "${value}";
  store = "${builtins.storeDir}/";
  plain = builtins.unsafeDiscardStringContext text;
  # Nix knows only a placeholder for the output of a content-addressed derivation before the build.
  isPlaceholder = builtins.hasContext text && builtins.match "/[0-9a-z]{52}(/.*)?" plain != null;
  from = if isPlaceholder then 1 else builtins.stringLength store;
  inside = builtins.substring from (builtins.stringLength plain) plain;
  name = builtins.head (builtins.split "/" inside);
in
if isPlaceholder || builtins.substring 0 from plain == store then
  builtins.substring 0 (from + builtins.stringLength name) text
else
  throw "oci-layout: ${plain} is not in the Nix store; pass a package, a path without quotes, or a store path"
