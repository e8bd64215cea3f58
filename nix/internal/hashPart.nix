# The hash part of a store path, or `null` if a content-addressed package in it makes the path unknown before the build.
{ }:
path:
let
  plain = builtins.unsafeDiscardStringContext "${path}";
in
if dirOf plain == builtins.storeDir then builtins.substring 0 32 (baseNameOf plain) else null
