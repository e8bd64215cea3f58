# A derivation name for an image name, which may contain slashes and colons.
{ }:
name:
let
  parts = builtins.filter builtins.isString (builtins.split "[^a-zA-Z0-9+._?=-]+" name);
in
"image-" + builtins.concatStringsSep "-" parts
