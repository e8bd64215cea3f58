# The hash part of a store path, or `null` if a package in it is content-addressed, so that nobody knows it yet.
{ ... }:
path:
let
  plain = builtins.unsafeDiscardStringContext "${path}";
in
if dirOf plain == builtins.storeDir then builtins.substring 0 32 (baseNameOf plain) else null
