# The options of a group.
{ lib }:
{ name, ... }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    name = mkOption {
      type = types.str;
      default = name;
      defaultText = lib.literalMD "the name of the attribute";
      description = "The name of the group.";
    };
    gid = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "The number of the group. `null` is a number from 20000 to 29999 that depends on the name alone.";
    };
    members = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "The names of users that belong to the group.";
    };
  };
}
