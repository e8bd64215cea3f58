# The options of a user.
{ lib, users }:
{ config, name, ... }:
let
  inherit (lib) mkDefault mkOption types;
  text =
    description:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      inherit description;
    };
  refused = text "Refused: an image has no secrets.";
in
{
  options = {
    name = mkOption {
      type = types.str;
      default = name;
      defaultText = lib.literalMD "the name of the attribute";
      description = "The name of the user.";
    };
    uid = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = ''
        The number of the user. `null` is a number from 20000 to 29999 that depends on the name alone, so that the owners
        of volumes stay the same when users are added.
      '';
    };
    description = mkOption {
      type = types.str;
      default = "";
      description = "A comment, for example the full name.";
    };
    isNormalUser = mkOption {
      type = types.bool;
      default = false;
      description = "Whether a person uses the account: it has the group `users`, a home in `/home`, and a shell.";
    };
    isSystemUser = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted for modules of NixOS. Every user that is not a normal one is a system user.";
    };
    group = mkOption {
      type = types.str;
      default = name;
      defaultText = lib.literalMD "the name of the user, or `users` with `isNormalUser`";
      description = "The name of the primary group.";
    };
    extraGroups = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "The names of further groups.";
    };
    home = mkOption {
      type = types.path;
      default = "/var/empty";
      description = "The home directory.";
    };
    createHome = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the image contains the home directory, which the user owns.";
    };
    homeMode = mkOption {
      type = types.str;
      default = "0700";
      description = "The octal digits of the mode of the home directory.";
    };
    shell = mkOption {
      type = types.nullOr (types.either types.path types.package);
      default = "/sbin/nologin";
      description = "The login shell. The image contains it if it is a package or in one.";
    };
    useDefaultShell = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the login shell is `users.defaultUserShell`.";
    };
    hashedPassword = text "The hash of the password, as `mkpasswd` prints it. With `null`, no password logs in.";
    initialHashedPassword = text "Another name for `hashedPassword`.";
    password = refused;
    initialPassword = refused;
    passwordFile = refused;
    hashedPasswordFile = refused;
  };

  config = lib.mkMerge [
    (lib.mkIf config.isNormalUser {
      group = mkDefault "users";
      createHome = mkDefault true;
      home = mkDefault "/home/${config.name}";
      useDefaultShell = mkDefault true;
    })
    (lib.mkIf config.useDefaultShell { shell = mkDefault users.defaultUserShell; })
  ];
}
