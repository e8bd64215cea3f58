# `environment.etc`, in the shape that it has in NixOS.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (config.users.ids) gidOf uidOf;

  entry = { config, name, ... }: {
    options = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether the image contains the file.";
      };
      target = mkOption {
        type = types.str;
        default = name;
        defaultText = lib.literalMD "the name of the attribute";
        description = "The path of the file below `/etc`.";
      };
      text = mkOption {
        type = types.nullOr types.lines;
        default = null;
        description = "The contents of the file.";
      };
      source = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "The file or folder that the contents come from. `text` replaces it.";
      };
      mode = mkOption {
        type = types.str;
        default = "symlink";
        description = ''
          The octal digits of the file's mode. With `symlink` or `direct-symlink`, a `source` becomes a symbolic link into the store, and a
          `text` a file with the mode 0644.
        '';
        example = "0440";
      };
      user = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The name of the user that owns a file with a mode. It replaces `uid`.";
      };
      group = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The name of the group that owns a file with a mode. It replaces `gid`.";
      };
      uid = mkOption {
        type = types.int;
        default = 0;
        description = "The number of the user that owns a file with a mode.";
      };
      gid = mkOption {
        type = types.int;
        default = 0;
        description = "The number of the group that owns a file with a mode.";
      };
    };
  };

  # NixOS links `symlink` by a folder of all files, and `direct-symlink` without.
  isLink = file: file.mode == "symlink" || file.mode == "direct-symlink";
  # The whole prefix is NixOS' way to name users by numbers.
  number =
    idOf: place: name: otherwise:
    let
      digits = if name == null then null else builtins.match "\\+([0-9]+)" name;
    in
    if name == null then
      otherwise
    else if digits != null then
      lib.toInt (builtins.head digits)
    else
      idOf place name;
  fileOf =
    name: file:
    let
      place = "environment.etc.${name}";
      destination = "/etc/${file.target}";
      attributes = lib.optionalAttrs (!isLink file) {
        inherit (file) mode;
        uid = number uidOf place file.user file.uid;
        gid = number gidOf place file.group file.gid;
      };
    in
    if file.text != null then
      attributes
      // {
        inherit destination;
        inherit (file) text;
      }
    else if isLink file then
      {
        inherit destination;
        symlink = "${file.source}";
      }
    else
      attributes
      // {
        inherit destination;
        inherit (file) source;
      };

  enabled = lib.filterAttrs (_: file: file.enable) config.environment.etc;
in
{
  options.environment.etc = mkOption {
    type = types.attrsOf (types.submodule entry);
    default = { };
    description = "Files below `/etc`.";
    example = lib.literalExpression ''{ "app/app.conf".text = "port = 8080\n"; }'';
  };

  config = {
    assertions = lib.mapAttrsToList (name: file: {
      assertion = file.text != null || file.source != null;
      message = "environment.etc.${name} has neither text nor source; set one of them";
    }) enabled;
    build.files = lib.mapAttrsToList fileOf enabled;
  };
}
