# The name of a derivation for an image of this name, which may have slashes and colons in it.
{ ... }:
name:
let
  parts = builtins.filter builtins.isString (builtins.split "[^a-zA-Z0-9+._?=-]+" name);
in
"image-" + builtins.concatStringsSep "-" parts
