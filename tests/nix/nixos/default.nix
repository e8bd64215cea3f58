# Images with the modules of a real NixOS, at `nixos`: `claims` are true, and `run` runs.
{
  nixos,
  names,
  debian,
  functionsWith,
  lib,
  packages,
  pkgs,
  ...
}@scope:
let
  set = import ./packages.nix {
    inherit lib names;
    inherit (packages) package;
    inherit (pkgs) busybox;
    real = {
      inherit (pkgs)
        busybox
        execline
        redis
        s6
        util-linuxMinimal
        ;
      # What scripts call.
      coreutils = pkgs.busybox;
      findutils = pkgs.busybox;
      gnugrep = pkgs.busybox;
      gnused = pkgs.busybox;
      postgresql_15 = pkgs.postgresql;
      # NixOS includes these files.
      nginxStable = packages.package "nginx" "mkdir -p $out/bin $out/conf; ln -s /usr/sbin/nginx $out/bin/; echo > $out/conf/fastcgi.conf; echo > $out/conf/uwsgi_params";
    };
  };
  oci = functionsWith { pkgs = set; };
  make =
    module:
    oci.ociMakeImage {
      inherit nixos;
      modules = [
        {
          image.name = "it";
          system.stateVersion = "25.05";
        }
        module
      ];
    };
  cases = import ./modules.nix;
  images = builtins.mapAttrs (_: { module, ... }: make module) cases;
  # A machine that runs the image of `make-image/deployed.nix`.
  deployed = import ./deployed.nix {
    inherit lib nixos;
    inherit ((import ../make-image/deployed.nix scope)) one;
    pkgs = set;
  };
in
{
  # Each is wholly evaluated, has its service, and has nothing of systemd and no folder of all packages.
  claims =
    builtins.mapAttrs (
      name:
      { service, ... }:
      let
        image = images.${name};
        needs = builtins.attrNames (
          builtins.getContext (
            builtins.toJSON [
              image.init.services
              image.config.build.files
              (map (package: "${package}") image.config.environment.systemPackages)
            ]
          )
        );
      in
      builtins.seq image.drvPath (
        builtins.any (other: other.name == service) image.init.services
        && !(builtins.any (path: builtins.match "[^-]*-(systemd.*|system-path)\\.drv" path != null) needs)
      )
    ) cases
    // deployed;

  # With the daemons of Debian.
  run = make (
    { pkgs, ... }:
    {
      image.name = lib.mkForce "daemons";
      image.hardening.enable = true;
      services.nginx = {
        enable = true;
        defaultMimeTypes = pkgs.writeText "mime.types" "types { text/html html; }";
        # Where nixpkgs' nginx has them.
        appendHttpConfig = lib.concatMapStrings (name: "${name}_temp_path /tmp/nginx_${name};\n") [
          "client_body"
          "fastcgi"
          "proxy"
          "scgi"
          "uwsgi"
        ];
        virtualHosts.localhost.root = "/srv/www";
      };
      services.postgresql = {
        enable = true;
        ensureDatabases = [ "app" ];
        ensureUsers = [
          {
            name = "app";
            ensureDBOwnership = true;
          }
        ];
      };
      services.redis.servers."".enable = true;
      files = import ../make-image/root.nix { inherit debian; };
    }
  );
}
