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
  # Several modules may name a path, if they agree on what they say of it.
  directory = lib.mkOptionType {
    name = "directory";
    merge =
      loc: definitions:
      builtins.foldl' (
        known:
        { value, ... }:
        let
          differing = builtins.filter (
            attribute: known ? ${attribute} && known.${attribute} != value.${attribute}
          ) (builtins.attrNames value);
          first = builtins.head differing;
        in
        if differing == [ ] then
          known // value
        else
          throw "oci-layout: ociMakeImage: the directory ${lib.last loc} has two values of ${first}: ${toString known.${first}} and ${toString value.${first}}; give it the same in all services, units and users"
      ) { } definitions;
  };
in
{
  options.build = {
    files = internal (types.listOf types.raw) [ ] "Files of the image, as in `ociBuildImage`.";
    directories = internal (types.attrsOf directory) { } (
      "Directories of the image by their paths: `mode`, `uid` and `gid`. A path has one owner, however many modules name it."
    );
    written = internal (types.listOf types.raw) [ ] (
      "The files that a start of the container writes: the `path`, and the `place` of the option that names it."
    );
    hasNixDatabase =
      internal types.bool false
        "Whether the image contains the database of the Nix store.";
    place = internal types.str "image" "How errors name the options of the image.";
    user =
      internal types.raw null
        "The `uid` and `gid` of the program: those of the declared user, or `image.uid` and `image.gid`.";
    deploy =
      internal types.raw null
        "`deploy` of the result, as a function of the `layout`, and of whether it `hasOneCheck` of health for all platforms.";
    init = internal types.raw null "The package with the program that starts the services, or `null`.";
  };
}
