# What the other modules add to the image, in the terms of `ociBuildImage`.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  internal =
    type: default: description:
    mkOption {
      inherit type default description;
      internal = true;
      visible = false;
    };
in
{
  options.build = {
    files = internal (types.listOf types.raw) [ ] "Files of the image, as in `ociBuildImage`.";
    directories = internal (types.attrsOf types.raw) { } (
      "Directories of the image by their paths: `mode`, `uid` and `gid`. A path has one owner, however many modules name it."
    );
    hasNixDatabase =
      internal types.bool false
        "Whether the image contains the database of the Nix store.";
    init = internal types.raw null "The package with the program that starts the services, or `null`.";
  };
}
