# What the modules of an image add to an empty NixOS: units, accounts, files below `/etc`, rules of tmpfiles, packages and
# certificates. The image does not contain systemd.
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
  addedToList = new: old: builtins.filter (value: !(builtins.elem value old)) new;
  ofFull = full.config;
  ofEmpty = empty.config;

  byName = import ./systemd/by-name.nix { inherit lib; };
  lower = import ./systemd/lower.nix { inherit config lib pkgs; };
  kinds = import ./systemd/refused.nix;
  units = lower {
    all = false;
    hasScripts = true;
    # NixOS has these in `unitConfig` too, and here without a value unless a module sets them.
    services = builtins.mapAttrs (
      _: unit:
      removeAttrs unit [
        "startLimitBurst"
        "startLimitIntervalSec"
      ]
    ) (added ofFull.systemd.services ofEmpty.systemd.services);
    targets = added ofFull.systemd.targets ofEmpty.systemd.targets;
    tmpfilesRules = addedToList ofFull.systemd.tmpfiles.rules ofEmpty.systemd.tmpfiles.rules;
    tmpfilesSettings = added (ofFull.systemd.tmpfiles.settings or { }) (
      ofEmpty.systemd.tmpfiles.settings or { }
    );
    other = builtins.mapAttrs (
      kind: _: added (byName ofFull.systemd.${kind} or { }) (byName ofEmpty.systemd.${kind} or { })
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
    builtins.match "(systemd|tmpfiles\\.d|sysctl\\.d|udev|dbus-1|pam\\.d|pam|polkit-1|nixos|static)(/.*)?|pam.*|sudoers|fstab|profile|set-environment|nsswitch\\.conf|hostname|os-release|lsb-release" name
    != null;
  certificates = [
    "ssl/certs/ca-bundle.crt"
    "ssl/certs/ca-certificates.crt"
  ];
  contentsOf = file: file.text or null;
  # The folder of all packages differs, and would bring them into the image.
  sourceOf =
    file:
    builtins.replaceStrings [ (pathOf ofFull.system.path) ] [ (pathOf ofEmpty.system.path) ] (
      pathOf file.source
    );
  isNew =
    name: file:
    !(ofEmpty.environment.etc ? ${name})
    || contentsOf file != contentsOf ofEmpty.environment.etc.${name}
    || (contentsOf file == null && sourceOf file != sourceOf ofEmpty.environment.etc.${name});
  # The time zone is a link into the database.
  zones = lib.optional (
    ofFull.environment.etc ? localtime && isNew "localtime" ofFull.environment.etc.localtime
  ) "zoneinfo";
  etc = lib.filterAttrs (
    name: file:
    file.enable or true
    && !(isOfSystem name)
    && (builtins.elem name (certificates ++ zones) || isNew name file)
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
  addedPackages =
    new: old:
    let
      known = map pathOf old;
    in
    builtins.filter (package: !(builtins.elem (pathOf package) known)) new;
  # Parameters of the kernel that modules set. A warning names them, so that the user can set them for the container.
  kernel = builtins.filter (
    name: ofFull.boot.kernel.sysctl.${name} or null != ofEmpty.boot.kernel.sysctl.${name} or null
  ) (builtins.attrNames ofFull.boot.kernel.sysctl);
  unitFiles = addedPackages ofFull.systemd.packages ofEmpty.systemd.packages;

  # What programs find on every NixOS: many start others by system(3).
  usual = import ./systemd/links.nix { inherit config lib; } (
    [
      {
        destination = "/var/run";
        symlink = "/run";
      }
    ]
    ++ lib.optional (config.build.init != null) {
      destination = "/bin/sh";
      symlink = "${lib.getBin pkgs.busybox}/bin/sh";
    }
  );

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
      inherit (ofFull) files;
      build.files = usual;
      s6 = {
        services = builtins.mapAttrs (_: module: { ... }: { imports = [ module ]; }) ofFull.s6.services;
        enable = lib.mkIf (ofFull.s6.enable != null) ofFull.s6.enable;
        packages = lib.mkIf (ofFull.s6.packages != null) ofFull.s6.packages;
      };
      users.users = usersOf userNames;
      users.groups = builtins.mapAttrs (_: groupOf) groups;
      environment.etc = builtins.mapAttrs (_: fileOf) etc;
      environment.systemPackages = addedPackages ofFull.environment.systemPackages ofEmpty.environment.systemPackages;
      warnings =
        addedToList ofFull.warnings ofEmpty.warnings
        ++ map (
          package:
          "systemd.packages: left out: the files of units in ${
            package.name or (baseNameOf (pathOf package))
          }, because evaluation reads no packages; write what they say in systemd.services"
        ) unitFiles
        ++ map (
          name:
          "boot.kernel.sysctl.\"${name}\": left out: a container does not set the kernel's parameters; use the runtime's --sysctl, or set it on the machine"
        ) kernel;
      assertions = ofFull.assertions;
    }
  ];
}
