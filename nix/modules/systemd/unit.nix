# The options of units, as NixOS has them.
{ lib }:
let
  inherit (lib) mkOption types;
  option =
    type: default: description:
    mkOption { inherit type default description; };
  names = option (types.listOf types.str) [ ];
  text = option types.lines "";
  ignored =
    type: default: option type default "Without effect: it concerns the update of a running system.";

  # A value, or a list of them. Lists of several modules are one list.
  directive = lib.mkOptionType {
    name = "value of a directive";
    merge =
      loc: definitions:
      let
        values = map (definition: definition.value) definitions;
      in
      if builtins.any builtins.isList values then
        builtins.concatMap lib.toList values
      else if builtins.all (value: value == builtins.head values) values then
        builtins.head values
      else
        throw "oci-layout: ${builtins.concatStringsSep "." loc} has the values ${builtins.concatStringsSep " and " (map builtins.toJSON values)}; remove one, or use lib.mkForce";
  };
  directives = option (types.attrsOf directive) { };

  dependencies = {
    enable = option types.bool true "Whether the image has the unit.";
    description = option types.str "" "Text for people.";
    documentation = names "Addresses of documentation.";
    aliases = names "Further names that other units use for it.";
    after = names "Units that start before it.";
    before = names "Units that start after it.";
    requires = names "Units that must be in the image.";
    requisite = names "Units that must be in the image.";
    bindsTo = names "Units that must be in the image.";
    wants = names "Units that start if they are in the image.";
    upholds = names "Units that start if they are in the image.";
    partOf = names "Left out, with a warning.";
    conflicts = names "Units that must not be in the image.";
    wantedBy = names "Targets that have it as a member.";
    requiredBy = names "Targets that have it as a member.";
    upheldBy = names "Targets that have it as a member.";
    onFailure = names "Left out, with a warning.";
    onSuccess = names "Left out, with a warning.";
    unitConfig = directives "Directives of the section `[Unit]`.";
    startLimitBurst =
      option (types.nullOr types.int) null
        "How often the service may start in the interval.";
    startLimitIntervalSec = option (types.nullOr (
      types.either types.int types.str
    )) null "The interval, in seconds or as a time span of systemd.";
  };
in
{
  inherit dependencies;
  service.options = dependencies // {
    serviceConfig = directives "Directives of the section `[Service]`.";
    environment = option (types.attrsOf (
      types.nullOr (
        types.oneOf [
          types.str
          types.int
          types.path
          types.package
        ]
      )
    )) { } "Environment variables. `null` stands for none.";
    path = option (types.listOf (
      types.either types.package types.str
    )) [ ] "Packages whose programs are on `PATH`.";
    enableDefaultPath =
      option types.bool true
        "Whether busybox is on the `PATH` of a service with scripts.";
    script = text "A script instead of `serviceConfig.ExecStart`.";
    scriptArgs = option types.str "" "The arguments of the script, as in a command line.";
    preStart = text "A script before each start.";
    postStart = text "A script after each start.";
    preStop = text "A script that stops the service, before the signal.";
    postStop = text "Left out, with a warning.";
    reload = text "Left out, with a warning.";
    startAt = option (types.either types.str (
      types.listOf types.str
    )) [ ] "Refused: a container has no timers.";
    restartIfChanged = ignored types.bool true;
    reloadIfChanged = ignored types.bool false;
    stopIfChanged = ignored types.bool true;
    restartTriggers = ignored (types.listOf types.raw) [ ];
    reloadTriggers = ignored (types.listOf types.raw) [ ];
    enableStrictShellChecks = ignored types.bool false;
  };
  rule =
    let
      field = description: option (types.nullOr types.str) null description;
    in
    {
      type = field "The type, if it is not the name of the attribute.";
      mode = field "The octal digits of the mode.";
      user = field "The name of the owner.";
      group = field "The name of the group.";
      age = field "Without effect: nothing cleans directories.";
      argument = field "The text of a file, or the target of a link.";
    };
}
