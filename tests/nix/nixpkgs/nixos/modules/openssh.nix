# Shaped as the service of NixOS: a container waits for connections by a socket, unless it is told not to, and libraries of
# systemd are on the path of libraries.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.openssh;
  option =
    default:
    lib.mkOption {
      type = lib.types.bool;
      inherit default;
    };
in
{
  options.services.openssh = {
    enable = option false;
    startWhenNeeded = option false;
  };
  config.systemd = {
    sockets = lib.mkIf (cfg.enable && cfg.startWhenNeeded) { sshd.socketConfig.ListenStream = 22; };
    packages = lib.mkIf cfg.enable [ pkgs.openssh ];
    services = lib.mkIf (cfg.enable && !cfg.startWhenNeeded) {
      sshd = {
        wantedBy = [ "multi-user.target" ];
        environment.LD_LIBRARY_PATH = lib.concatMapStringsSep ":" (
          package: "${package}/lib"
        ) config.system.nssModules;
        serviceConfig.ExecStart = "${pkgs.openssh}/bin/sshd -D";
      };
    };
  };
}
