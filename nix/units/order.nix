# Which services start, and which of them start before which. Targets have no programs: they stand for their members.
{ lib, values }:
{
  # Units by their names without suffix.
  services,
  targets,
  # Whether every service starts, or as in systemd those that a target wants.
  all,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    hasAttr
    listToAttrs
    mapAttrs
    ;

  # The targets of systemd itself.
  known =
    let
      target = wants: { inherit wants; };
    in
    mapAttrs (_: target) {
      "basic.target" = [
        "sysinit.target"
        "sockets.target"
        "timers.target"
        "paths.target"
        "slices.target"
      ];
      "default.target" = [ "multi-user.target" ];
      "getty.target" = [ ];
      "graphical.target" = [ "multi-user.target" ];
      "initrd-fs.target" = [ ];
      "local-fs-pre.target" = [ ];
      "local-fs.target" = [ "local-fs-pre.target" ];
      "machines.target" = [ ];
      "multi-user.target" = [
        "basic.target"
        "getty.target"
        "machines.target"
        "remote-fs.target"
      ];
      "network-online.target" = [ "network.target" ];
      "network-pre.target" = [ ];
      "network.target" = [ "network-pre.target" ];
      "nss-lookup.target" = [ ];
      "nss-user-lookup.target" = [ ];
      "paths.target" = [ ];
      "remote-fs-pre.target" = [ ];
      "remote-fs.target" = [ "remote-fs-pre.target" ];
      "slices.target" = [ ];
      "sockets.target" = [ ];
      "sysinit.target" = [
        "local-fs.target"
        "swap.target"
      ];
      "swap.target" = [ ];
      "time-set.target" = [ ];
      "time-sync.target" = [ "time-set.target" ];
      "timers.target" = [ ];
    };
  suffixed =
    suffix: units:
    listToAttrs (
      map (name: {
        name = "${name}.${suffix}";
        value = units.${name};
      }) (attrNames units)
    );
  given = suffixed "service" services // suffixed "target" targets;
  nodes =
    known
    // mapAttrs (
      name: unit: unit // { wants = unit.wants or [ ] ++ (known.${name} or { wants = [ ]; }).wants; }
    ) given;
  isTarget = name: builtins.match ".*\\.target" name != null;
  placeOf =
    name:
    "systemd.${
      if isTarget name then "targets" else "services"
    }.${builtins.head (builtins.match "(.*)\\.[a-z]+" name)}";

  aliases = listToAttrs (
    concatMap (
      name:
      map (alias: {
        name = alias;
        value = name;
      }) (nodes.${name}.aliases or [ ])
    ) (attrNames nodes)
  );
  resolve = map (name: aliases.${name} or name);
  present = names: filter (name: hasAttr name nodes) (resolve names);

  # A dependency, of the unit's attribute and of its section [Unit].
  ofUnit =
    attribute: directive: unit:
    unit.${attribute} or [ ] ++ values.blankSeparated (unit.unitConfig.${directive} or null);
  relation =
    attribute: directive: mapAttrs (_: unit: resolve (ofUnit attribute directive unit)) nodes;
  after = relation "after" "After";
  before = relation "before" "Before";
  wants = relation "wants" "Wants";
  upholds = relation "upholds" "Upholds";
  requires = relation "requires" "Requires";
  bindsTo = relation "bindsTo" "BindsTo";
  requisite = relation "requisite" "Requisite";
  conflicts = relation "conflicts" "Conflicts";
  installed = mapAttrs (
    _: unit: resolve (unit.wantedBy or [ ] ++ unit.requiredBy or [ ] ++ unit.upheldBy or [ ])
  ) nodes;

  # Every start has done what this one does before services start.
  needed =
    name:
    filter (other: other != "systemd-tmpfiles-setup.service") (requires.${name} ++ bindsTo.${name});
  # What a unit starts.
  pulls =
    name:
    present (wants.${name} ++ upholds.${name} ++ needed name)
    ++ filter (other: elem name installed.${other}) (attrNames nodes);

  closure =
    start: next:
    map ({ key }: key) (
      builtins.genericClosure {
        startSet = map (key: { inherit key; }) start;
        operator = { key }: map (key: { inherit key; }) (next key);
      }
    );
  startedUnits = closure ([ "default.target" ] ++ (if all then attrNames given else [ ])) pulls;
  started = filter (name: !isTarget name) startedUnits;

  # systemd starts units with default dependencies after these.
  hasDefaults =
    name:
    values.isTrue "${placeOf name}: DefaultDependencies" (
      nodes.${name}.unitConfig.DefaultDependencies or true
    );
  early = [
    "sysinit.target"
    "basic.target"
  ];
  explicit = mapAttrs (
    name: names:
    names
    ++ filter (other: elem name before.${other}) (attrNames nodes)
    ++ (if !isTarget name && hasDefaults name then early else [ ])
  ) after;
  # A target comes after its members, except for those that come after it.
  direct = mapAttrs (
    name: names:
    names
    ++ (if isTarget name then filter (other: !(elem name explicit.${other})) (pulls name) else [ ])
  ) explicit;
  afterOf =
    name:
    filter (other: elem other started) (
      closure (present direct.${name}) (other: if isTarget other then present direct.${other} else [ ])
    );

  checked =
    name:
    let
      slices = other: builtins.match ".*\\.slice" other != null;
      missing = filter (other: !(hasAttr other nodes) && !(slices other)) (
        needed name ++ requisite.${name}
      );
      absent = filter (other: !(isTarget other) && !(slices other) && !(elem other started)) (
        requisite.${name}
      );
      clashing = filter (other: elem other started) conflicts.${name};
    in
    if missing ++ absent != [ ] then
      throw "oci-layout: ${placeOf name} requires ${
        builtins.head (missing ++ absent)
      }, which does not start in the image; enable it, or remove it from requires, bindsTo and requisite"
    else if clashing != [ ] then
      throw "oci-layout: ${placeOf name} conflicts with ${builtins.head clashing}, and the image starts both; disable one of them"
    else
      true;
  withoutSuffix = name: builtins.head (builtins.match "(.*)\\.service" name);
in
{
  # The services that start, by their names, each with the names of those that start before it.
  after =
    assert builtins.all checked startedUnits;
    listToAttrs (
      map (name: {
        name = withoutSuffix name;
        value = builtins.sort builtins.lessThan (map withoutSuffix (afterOf name));
      }) started
    );
  # The names that `wants` has and the image has not.
  absent = mapAttrs (
    name: _: filter (other: !(hasAttr other nodes) && !(isTarget other)) wants."${name}.service"
  ) services;
}
