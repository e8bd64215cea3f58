# Lowers services as NixOS describes them, `systemd.services.<n>`, to values of `s6.services.<n>`, without systemd.
#
# `units/directives.nix` has what becomes of each directive. Values are in, values are out: nothing here knows options,
# and nothing needs nixpkgs.
{
  # The shell that runs scripts, as a program and its first arguments.
  shell,
  # Packages with the programs that make files and links at the start.
  tools ? [ ],
  # The version of s6 in the image, if that is known.
  s6Version ? null,
  # The home directory of a user.
  homeOf ? name: throw "oci-layout: WorkingDirectory=~ needs the home of ${name}",
  # A store path from a name and a text.
  toFile ? builtins.toFile,
}:
{
  # Services and targets by their names.
  services,
  targets ? { },
  # Rules for files, as lines, and as `systemd.tmpfiles.settings` has them.
  tmpfilesRules ? [ ],
  tmpfilesSettings ? { },
  # Whether every service starts, or as in systemd those that a target wants.
  all ? true,
  # Whether `script`, `preStart` and so on are in `serviceConfig` already, as in an evaluated NixOS.
  hasScripts ? false,
}:
let
  lib = import ./internal/lib.nix;
  values = import ./units/values.nix { inherit lib; };
  words = import ./units/words.nix { inherit lib; };
  specifiers = import ./units/specifiers.nix { inherit lib; };
  quantities = import ./units/quantities.nix { };
  classify = import ./units/classify.nix { directives = import ./units/directives.nix { }; };
  lifecycle = import ./units/lifecycle.nix { inherit quantities values; };
  lower = import ./units/service.nix {
    inherit
      classify
      hasScripts
      homeOf
      lib
      lifecycle
      quantities
      s6Version
      values
      ;
    commands = import ./units/commands.nix {
      inherit
        lib
        shell
        values
        words
        ;
    };
    directories = import ./units/directories.nix {
      inherit
        lib
        toFile
        values
        words
        ;
    };
    environment = import ./units/environment.nix { inherit lib values words; };
    specifiersOf = specifiers.ofService;
  };

  # An instance, as `a@b`, has what its template `a@` says.
  enabled = lib.filterAttrs (_: unit: unit.enable or true) services;
  ofTemplate =
    name: unit:
    let
      parts = builtins.match "([^@]*@).+" name;
      template = if parts == null then { } else services.${builtins.head parts} or { };
    in
    {
      serviceConfig = { };
    }
    // template
    // builtins.mapAttrs (attribute: added attribute (template.${attribute} or null)) unit
    // {
      # A variable PATH that NixOS made says what this list does.
      ownPath = unit.path or [ ];
    };
  # As in systemd, where an instance is read after its template: lists grow, and other values replace those of the
  # template if they say something. Which targets want an instance, it says itself.
  added =
    attribute: old: new:
    if
      old == null
      || builtins.elem attribute [
        "aliases"
        "requiredBy"
        "upheldBy"
        "wantedBy"
      ]
    then
      new
    else if builtins.isList old && builtins.isList new then
      old ++ new
    else if builtins.isAttrs old && builtins.isAttrs new then
      old
      // builtins.mapAttrs (
        directive: value:
        if old ? ${directive} && builtins.elem directive accumulating then
          lib.toList old.${directive} ++ lib.toList value
        else
          value
      ) new
    else if new == null || new == "" then
      old
    else
      new;
  accumulating = [
    "AmbientCapabilities"
    "CacheDirectory"
    "ConfigurationDirectory"
    "Environment"
    "EnvironmentFile"
    "ExecCondition"
    "ExecReload"
    "ExecStart"
    "ExecStartPost"
    "ExecStartPre"
    "ExecStop"
    "ExecStopPost"
    "LoadCredential"
    "LogsDirectory"
    "PassEnvironment"
    "RuntimeDirectory"
    "SetCredential"
    "StateDirectory"
    "SuccessExitStatus"
    "SupplementaryGroups"
  ];
  units = builtins.mapAttrs ofTemplate (
    lib.filterAttrs (name: _: builtins.match ".*@" name == null) enabled
  );

  order = import ./units/order.nix { inherit lib values; } {
    inherit all;
    services = units;
    targets = lib.filterAttrs (_: target: target.enable or true) targets;
  };
  tmpfiles = import ./units/tmpfiles.nix {
    inherit
      lib
      shell
      specifiers
      tools
      values
      words
      ;
  };
  ofRules = tmpfiles {
    rules = tmpfilesRules;
    settings = tmpfilesSettings;
  };

  isOneshot = builtins.mapAttrs (
    name: unit:
    (lifecycle {
      inherit unit;
      place = "systemd.services.${name}";
      serviceConfig = unit.serviceConfig;
    }).isOneshot
  ) units;
  # All that start before a service, so that a oneshot after a oneshot after a daemon is one after the daemon too.
  allBefore =
    name:
    map ({ key }: key) (
      builtins.genericClosure {
        startSet = map (key: { inherit key; }) order.after.${name};
        operator = { key }: map (key: { inherit key; }) order.after.${key};
      }
    );
  lowered = builtins.mapAttrs (
    name: after:
    lower {
      inherit name;
      unit = units.${name};
      after = builtins.attrNames ofRules.services ++ after;
      isPost = builtins.any (other: !isOneshot.${other}) (allBefore name);
      absent = order.absent.${name};
    }
  ) order.after;
  started = builtins.attrNames lowered;
  dynamicUsers = builtins.filter (user: user != null) (
    map (name: lowered.${name}.dynamicUser) started
  );
in
{
  services =
    if ofRules.services ? tmpfiles && units ? tmpfiles then
      throw "oci-layout: systemd.services.tmpfiles has the name of the service for systemd.tmpfiles; rename it"
    else
      ofRules.services // builtins.mapAttrs (_: { service, ... }: service) lowered;
  inherit (ofRules) written;
  # Accounts that units bring along.
  users = values.unique dynamicUsers;
  warnings =
    builtins.concatMap (name: lowered.${name}.warnings) started
    ++ (
      if all then
        [ ]
      else
        map (name: "systemd.services.${name} does not start: no target wants it") (
          builtins.attrNames (removeAttrs units started)
        )
    );
}
