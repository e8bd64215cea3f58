# The store path that a package, a path, or a string like "${package}/bin/app" lies in.
{ ... }:
value:
let
  text = "${value}";
  store = "${builtins.storeDir}/";
  from = builtins.stringLength store;
  plain = builtins.unsafeDiscardStringContext text;
  inside = builtins.substring from (builtins.stringLength plain) plain;
  name = builtins.head (builtins.split "/" inside);
in
if builtins.substring 0 from plain == store
then builtins.substring 0 (from + builtins.stringLength name) text
else throw "oci-layout: ${plain} is not in the Nix store: give a package, a path without quotes, or a path of the store"
