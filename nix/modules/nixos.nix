# What the modules of an image add to an empty NixOS: units, accounts, files below `/etc`, rules of tmpfiles, packages and
# certificates. systemd is no part of it.
{
  config,
  lib,
  nixosSystems,
  pkgs,
  ...
}:
let
  inherit (nixosSystems) full empty;
  added = new: old: removeAttrs new (builtins.attrNames old);
  ofFull = full.config;
  ofEmpty = empty.config;

  lower = import ./systemd/lower.nix { inherit config lib pkgs; };
  kinds = import ./systemd/refused.nix;
  units = lower {
    all = false;
    hasScripts = true;
    services = added ofFull.systemd.services ofEmpty.systemd.services;
    targets = added ofFull.systemd.targets ofEmpty.systemd.targets;
    tmpfilesRules = builtins.filter (
      rule: !(builtins.elem rule ofEmpty.systemd.tmpfiles.rules)
    ) ofFull.systemd.tmpfiles.rules;
    tmpfilesSettings = added (ofFull.systemd.tmpfiles.settings or { }) (
      ofEmpty.systemd.tmpfiles.settings or { }
    );
    other = builtins.mapAttrs (
      kind: _: added (ofFull.systemd.${kind} or { }) (ofEmpty.systemd.${kind} or { })
    ) kinds;
  };

  # The accounts that units run as may be in the empty system too.
  runningAs = builtins.concatMap (service: [
    (service.serviceConfig.User or null)
  ]) (builtins.attrValues (added ofFull.systemd.services ofEmpty.systemd.services));
  predefined = [
    "root"
    "nobody"
  ];
  userNames = builtins.filter (
    name:
    !(builtins.elem name predefined)
    && (!(ofEmpty.users.users ? ${name}) || builtins.elem name runningAs)
  ) (builtins.attrNames ofFull.users.users);
  isNologin = shell: builtins.match ".*nologin" "${shell}${shell.shellPath or ""}" != null;
  userOf =
    user:
    {
      inherit (user) uid home;
      group = if user.group == "" then user.name else user.group;
    }
    // builtins.intersectAttrs {
      name = 0;
      description = 0;
      isNormalUser = 0;
      extraGroups = 0;
      createHome = 0;
      homeMode = 0;
      hashedPassword = 0;
      initialHashedPassword = 0;
      password = 0;
      initialPassword = 0;
      hashedPasswordFile = 0;
    } user
    // lib.optionalAttrs (user.shell or null != null && !(isNologin user.shell)) {
      inherit (user) shell;
    };
  usersOf = names: lib.genAttrs names (name: userOf ofFull.users.users.${name});
  groupOf = group: {
    inherit (group) gid;
    members = builtins.filter (member: builtins.elem member userNames) (group.members or [ ]);
  };
  # A group of the empty system, as `users`, counts if an account needs it.
  neededGroups = builtins.concatMap (
    name:
    let
      user = ofFull.users.users.${name};
    in
    [ user.group ] ++ user.extraGroups or [ ]
  ) userNames;
  groups = lib.filterAttrs (
    name: _: !(ofEmpty.users.groups ? ${name}) || builtins.elem name neededGroups
  ) ofFull.users.groups;

  # systemd's files, and those of programs that only a whole system has.
  isOfSystem =
    name:
    builtins.match "(systemd|tmpfiles\\.d|udev|dbus-1|pam\\.d|pam|polkit-1|nixos|static)(/.*)?|pam.*|sudoers|fstab|profile|set-environment|nsswitch\\.conf|hostname|os-release|lsb-release" name
    != null;
  certificates = [
    "ssl/certs/ca-bundle.crt"
    "ssl/certs/ca-certificates.crt"
  ];
  contentsOf = file: file.text or null;
  sourceOf = file: builtins.unsafeDiscardStringContext "${file.source}";
  isNew =
    name: file:
    !(ofEmpty.environment.etc ? ${name})
    || contentsOf file != contentsOf ofEmpty.environment.etc.${name}
    || (contentsOf file == null && sourceOf file != sourceOf ofEmpty.environment.etc.${name});
  etc = lib.filterAttrs (
    name: file:
    file.enable or true && !(isOfSystem name) && (builtins.elem name certificates || isNew name file)
  ) ofFull.environment.etc;
  fileOf =
    file:
    (if contentsOf file != null then { inherit (file) text; } else { inherit (file) source; })
    // builtins.intersectAttrs {
      target = 0;
      mode = 0;
      user = 0;
      group = 0;
    } file;

  pathOf = package: builtins.unsafeDiscardStringContext "${package}";
  known = map pathOf ofEmpty.environment.systemPackages;

  # The values that modules give to the options of the image, with their priority.
  given =
    options:
    builtins.mapAttrs (
      _: option:
      if option ? highestPrio then
        lib.mkIf (option.highestPrio < (lib.mkOptionDefault null).priority) (
          lib.mkOverride option.highestPrio option.value
        )
      else
        given option
    ) options;
  ofImage =
    builtins.intersectAttrs
      (import ./nixos/declare.nix { system = null; } {
        config = null;
        inherit lib pkgs;
      }).options.image
      full.options.image;
in
{
  config = lib.mkMerge [
    units
    {
      image = given ofImage;
      files = ofFull.files;
      s6 = {
        services = builtins.mapAttrs (_: module: { ... }: { imports = [ module ]; }) ofFull.s6.services;
        enable = lib.mkIf (ofFull.s6.enable != null) ofFull.s6.enable;
        packages = lib.mkIf (ofFull.s6.packages != null) ofFull.s6.packages;
      };
      users.users = usersOf userNames;
      users.groups = builtins.mapAttrs (_: groupOf) groups;
      environment.etc = builtins.mapAttrs (_: fileOf) etc;
      environment.systemPackages = builtins.filter (
        package: !(builtins.elem (pathOf package) known)
      ) ofFull.environment.systemPackages;
      warnings = builtins.filter (warning: !(builtins.elem warning ofEmpty.warnings)) ofFull.warnings;
      assertions = ofFull.assertions;
    }
  ];
}
