# `users`: accounts, in the shape that they have in NixOS, with numbers that do not depend on other accounts.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (config) image;
  cfg = config.users;
  ids = cfg.ids;

  # The image's own user, unless a module declares it.
  isDeclared = cfg.users ? ${image.user};
  isPredefined = cfg.declaredIds.isPredefined image.user;
  hasBase = image.fromImage != null;
  # A base has accounts of its own, and only declared ones replace them.
  writes = !hasBase || cfg.users != { } || cfg.groups != { };
  lines = list: lib.concatMapStrings (line: "${line}\n") list;
  isSet = option: option.highestPrio < (lib.mkOptionDefault null).priority;

  internal =
    description:
    mkOption {
      type = types.raw;
      internal = true;
      visible = false;
      readOnly = true;
      inherit description;
    };
  idsOf =
    users:
    import ./users/ids.nix {
      inherit lib users;
      inherit (cfg) groups;
    };

  refused = [
    "password"
    "initialPassword"
    "passwordFile"
    "hashedPasswordFile"
  ];
  each = function: builtins.concatLists (lib.mapAttrsToList function cfg.users);
in
{
  options.users = {
    users = mkOption {
      type = types.attrsOf (
        types.submodule (
          import ./users/user.nix {
            inherit lib;
            users = cfg;
          }
        )
      );
      default = { };
      description = "Users. `root` and `nobody` always exist.";
      example = lib.literalExpression "{ alice.isNormalUser = true; }";
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule (import ./users/group.nix { inherit lib; }));
      default = { };
      description = "Groups. `root`, `users`, `nogroup` and `nobody` always exist, and so does a group for each user that names none.";
      example = lib.literalExpression ''{ media.members = [ "alice" ]; }'';
    };
    defaultUserShell = mkOption {
      type = types.either types.path types.package;
      default = "/bin/sh";
      description = "The login shell of normal users.";
    };
    ids = internal "The accounts with their numbers, sorted, and functions from names to numbers.";
    declaredIds = internal "The same without the image's own user.";
  };

  config = {
    users.declaredIds = idsOf cfg.users;
    users.ids = idsOf (
      cfg.users
      // lib.optionalAttrs (!isDeclared && !isPredefined) {
        ${image.user} = {
          inherit (image) uid gid;
          home = "/home/${image.user}";
          shell = "/sbin/nologin";
        };
      }
    );

    assertions =
      each (
        name: user:
        map (option: {
          assertion = user.${option} == null;
          message = "users.users.${name}.${option}: an image has no secrets, because everybody who has it reads them; set hashedPassword, or mount /etc/shadow";
        }) refused
      )
      ++ each (
        name: user:
        map (group: {
          assertion = ids.hasGroup group;
          message = "users.users.${name}.extraGroups: there is no group ${group}; add it to users.groups";
        }) user.extraGroups
      )
      ++ builtins.concatLists (
        lib.mapAttrsToList (
          name: group:
          map (member: {
            assertion = ids.hasUser member;
            message = "users.groups.${name}.members: there is no user ${member}; add it to users.users";
          }) group.members
        ) cfg.groups
      )
      ++ [
        {
          assertion =
            !(isDeclared && isSet options.image.uid) || image.uid == ids.uidOf "image.user" image.user;
          message = "image.uid is ${toString image.uid}, but users.users.${image.user} has the number ${toString (ids.uidOf "image.user" image.user)}; set users.users.${image.user}.uid alone";
        }
      ];
    warnings =
      each (
        name: user:
        lib.optional (user.hashedPassword != null || user.initialHashedPassword != null)
          "users.users.${name}: everybody who has the image can read the hash of the password, and try passwords on it"
      )
      ++ lib.optional (
        hasBase && writes
      ) "users: /etc/passwd, /etc/group and /etc/shadow of this image replace those of image.fromImage";

    build = lib.mkIf writes {
      files = [
        {
          destination = "/etc/passwd";
          text = lines ids.passwd;
        }
        {
          destination = "/etc/group";
          text = lines ids.group;
        }
        {
          destination = "/etc/shadow";
          text = lines ids.shadow;
          mode = "0400";
        }
      ]
      ++ lib.optional (!hasBase && !(config.environment.etc ? "nsswitch.conf")) {
        destination = "/etc/nsswitch.conf";
        text = "hosts: files dns\n";
      };
      directories =
        lib.optionalAttrs (!hasBase) {
          # Everybody reaches a store below it.
          "/root".mode = if lib.hasPrefix "/root/" builtins.storeDir then "0711" else "0700";
          "/var/empty" = { };
        }
        // lib.optionalAttrs (!isDeclared && !hasBase && !isPredefined) {
          "/home/${image.user}" = {
            inherit (image) uid gid;
          };
        }
        // lib.mapAttrs' (
          name: user:
          # A service that needs the directory says more.
          lib.nameValuePair user.home (
            lib.mkDefault {
              mode = user.homeMode;
              uid = ids.uidOf "users.users.${name}" name;
              gid = ids.gidOfUser name;
            }
          )
        ) (lib.filterAttrs (_: user: user.createHome) cfg.users);
    };
  };
}
