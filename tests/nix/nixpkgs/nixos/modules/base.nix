# Options and values that a NixOS without any module of a user has.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  set = options: types.attrsOf (types.submodule options);
in
{
  options = {
    assertions = option (types.listOf types.raw) [ ];
    warnings = option (types.listOf types.str) [ ];
    boot.isContainer = option types.bool false;
    nixpkgs.pkgs = option types.raw null;
    boot.kernel.sysctl = option (types.attrsOf types.raw) { };
    system.stateVersion = option types.str "";
    system.nssModules = option (types.listOf types.raw) [ ];
    system.path = option types.raw (
      pkgs.buildEnv {
        name = "system-path";
        paths = config.environment.systemPackages;
      }
    );
    time.timeZone = option (types.nullOr types.str) null;
    # NixOS has other images.
    image.modules = option (types.attrsOf types.raw) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    environment.etc = option (set (
      { name, ... }: {
        options = {
          enable = option types.bool true;
          target = option types.str name;
          text = option (types.nullOr types.lines) null;
          source = option (types.nullOr types.path) null;
          mode = option types.str "symlink";
          user = option types.str "+0";
          group = option types.str "+0";
        };
      }
    )) { };
    users.users = option (set (
      { name, ... }: {
        options = {
          name = option types.str name;
          uid = option (types.nullOr types.int) null;
          group = option types.str "";
          extraGroups = option (types.listOf types.str) [ ];
          description = option types.str "";
          home = option types.path "/var/empty";
          createHome = option types.bool false;
          homeMode = option types.str "700";
          isSystemUser = option types.bool false;
          isNormalUser = option types.bool false;
          shell = option types.raw (pkgs.shadow // { shellPath = "/bin/nologin"; });
          hashedPassword = option (types.nullOr types.str) null;
          initialHashedPassword = option (types.nullOr types.str) null;
          password = option (types.nullOr types.str) null;
          initialPassword = option (types.nullOr types.str) null;
          hashedPasswordFile = option (types.nullOr types.str) null;
        };
      }
    )) { };
    users.groups = option (set {
      options = {
        gid = option (types.nullOr types.int) null;
        members = option (types.listOf types.str) [ ];
      };
    }) { };
  };

  config = {
    environment.systemPackages = [ pkgs.systemd ];
    system.nssModules = [ pkgs.systemd ];
    services.openssh.startWhenNeeded = lib.mkIf config.boot.isContainer (lib.mkDefault true);
    environment.etc = {
      terminfo.source = "${config.system.path}/share/terminfo";
      zoneinfo.source = "${pkgs.tzdata}/share/zoneinfo";
      localtime = lib.mkIf (config.time.timeZone != null) {
        source = "/etc/zoneinfo/${config.time.timeZone}";
      };
      "sysctl.d/60-nixos.conf".text =
        "kernel.poweroff_cmd=${pkgs.systemd}/sbin/poweroff ${builtins.toJSON config.boot.kernel.sysctl}";
      "os-release".text = "ID=nixos\n";
      "nsswitch.conf".text = "hosts: mymachines systemd files dns\n";
      "ssl/certs/ca-certificates.crt".source = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
    };
    users.users = {
      root = {
        uid = 0;
        group = "root";
      };
      messagebus = {
        uid = 4;
        group = "messagebus";
      };
    };
    users.groups = {
      root.gid = 0;
      messagebus.gid = 4;
    };
    warnings = [ "of every system" ];
    systemd.services.systemd-journald.serviceConfig.ExecStart = "${pkgs.systemd}/bin/journald";
    systemd.tmpfiles.rules = [ "z /var/log 0755 root root" ];
    systemd.timers.clean = { };
    systemd.mounts = [
      {
        what = "fusectl";
        where = "/sys/fs/fuse/connections";
      }
    ];
  };
}
