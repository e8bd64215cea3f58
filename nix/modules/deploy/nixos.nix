# `deploy.nixosModule`: a container of `virtualisation.oci-containers`, which loads the layout before each start.
{
  it,
  layout,
  ...
}:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.virtualisation.oci-containers) backend containers;
  isPodman = backend == "podman";
  service = containers.${it.name}.serviceName or "${backend}-${it.name}";
  owner =
    if it.user.uid == 0 then
      ""
    else if isPodman then
      ":U"
    else
      ":uid=${toString it.user.uid},gid=${toString it.user.gid}";
  # podman does not read the check of an image in the format of OCI.
  health = lib.optionals (it.healthcheck != null && isPodman) [
    "--health-cmd=${builtins.toJSON it.healthcheck.command}"
    "--health-interval=${toString it.healthcheck.interval}s"
    "--health-timeout=${toString it.healthcheck.timeout}s"
    "--health-start-period=${toString it.healthcheck.startPeriod}s"
    "--health-retries=${toString it.healthcheck.retries}"
  ];
in
{
  virtualisation.oci-containers.containers.${it.name} = {
    image = it.reference;
    inherit (it) ports;
    volumes = lib.mapAttrsToList (path: source: "${source}:${path}") it.mounts;
    extraOptions =
      lib.optional it.readOnly "--read-only"
      ++ map (path: "--tmpfs=${path}${owner}") it.tmpfs
      ++ lib.optional it.noNewPrivileges "--security-opt=no-new-privileges"
      ++ map (name: "--cap-drop=${name}") it.drop
      ++ map (name: "--cap-add=${name}") it.add
      ++ lib.optional (it.seccomp != null) "--security-opt=seccomp=${it.seccomp}"
      ++ lib.optional it.hasLowPort "--sysctl=net.ipv4.ip_unprivileged_port_start=0"
      ++ health;
  };
  systemd.services.${service} = {
    path = [ pkgs.skopeo ];
    serviceConfig = {
      ExecStartPre = lib.mkBefore [
        (
          if isPodman then
            "${layout.copyToPodman}/bin/copy-to-podman"
          else
            "${layout.copyToDockerDaemon}/bin/copy-to-docker-daemon"
        )
      ];
    }
    // lib.optionalAttrs (it.restart != "always") { Restart = lib.mkForce it.restart; };
  };
}
