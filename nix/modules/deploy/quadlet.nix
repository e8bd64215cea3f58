# `deploy.quadlet`: a folder with NAME.container, from which podman's generator makes a unit of systemd.
{
  it,
  lib,
  ociFiles,
  ...
}:
let
  # systemd expands specifiers and variables in the command line that the generator writes.
  text = builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ];
  seconds = number: "${toString number}s";
  unlessNull = value: lib.optionalAttrs (value != null);

  # podman's generator takes it for the name of another unit.
  isUnit = builtins.match ".*[.](build|image)" it.reference != null;
  Container = {
    Image =
      if isUnit then
        throw "oci-layout: deploy.quadlet: podman takes ${it.reference} for the name of a unit; choose a tag that does not end with .build or .image"
      else
        text it.reference;
  }
  // lib.optionalAttrs it.isLocal { Pull = "never"; }
  // lib.optionalAttrs it.readOnly { ReadOnly = true; }
  // lib.optionalAttrs it.noNewPrivileges { NoNewPrivileges = true; }
  // lists {
    DropCapability = it.drop;
    AddCapability = it.add;
    # podman gives a directory in memory to the user of the container by the option U.
    Tmpfs = map (path: text path + lib.optionalString (it.user.uid != 0) ":U") it.tmpfs;
    Volume = lib.mapAttrsToList (path: source: text "${source}:${path}") it.mounts;
    PublishPort = it.ports;
    Sysctl = lib.optional it.hasLowPort "net.ipv4.ip_unprivileged_port_start=0";
  }
  // unlessNull it.seccomp { SeccompProfile = text it.seccomp; }
  // unlessNull it.healthcheck {
    HealthCmd = text (builtins.toJSON it.healthcheck.command);
    HealthInterval = seconds it.healthcheck.interval;
    HealthTimeout = seconds it.healthcheck.timeout;
    HealthStartPeriod = seconds it.healthcheck.startPeriod;
    HealthRetries = it.healthcheck.retries;
  };
  lists = lib.filterAttrs (_: values: values != [ ]);

  unit = {
    Unit.Description = it.name;
    inherit Container;
    Service.Restart = it.restart;
    Install.WantedBy = "multi-user.target default.target";
  };
  line =
    key: value: "${key}=${if builtins.isBool value then lib.boolToString value else toString value}";
  section =
    name:
    "[${name}]\n"
    + lib.concatMapStrings (
      key: lib.concatMapStrings (value: line key value + "\n") (lib.toList unit.${name}.${key})
    ) (builtins.attrNames unit.${name});
in
ociFiles {
  name = "oci-quadlet";
  files = [
    {
      destination = "/${it.name}.container";
      text = builtins.concatStringsSep "\n" (
        map section [
          "Unit"
          "Container"
          "Service"
          "Install"
        ]
      );
    }
  ];
  passthru = { inherit unit; };
}
