{ inputs, ... }:
let
  service = { config, pkgs, ... }: {
    s6.services.it = {
      command = [
        "${pkgs.busybox}/bin/busybox"
        "sh"
        "-c"
        "id; echo $GREETING; cat /etc/greeting"
      ];
      user = "web";
    };
    users.users.web = { };
    environment.etc.greeting.text = "to ${config.image.name}\n";
  };
in
{
  perSystem = { config, pkgs, ... }: {
    # The same image twice.
    oci.containers.modular = {
      tag = "1.0";
      package = pkgs.hello;
      environment.GREETING = "from the container";
      hardening = {
        enable = true;
        capabilities.add = [ "CHOWN" ];
      };
      deploy.ports = [ 8080 ];
      flavours.debug.image.debug.enable = true;
      modules = [ service ];
    };
    legacyPackages.modular = (inputs.oci-layout.lib.mkLib pkgs).ociMakeImage {
      modules = [
        service
        {
          image = {
            name = "modular";
            tag = "1.0";
            package = pkgs.hello;
            env.GREETING = "from the container";
            hardening.enable = true;
            hardening.capabilities.add = [ "CHOWN" ];
            deploy.ports = [ 8080 ];
          };
        }
      ];
    };

    oci.containers = {
      minimalist.package = pkgs.hello;
      lazy = {
        package = pkgs.hello;
        name = "minimalist";
        lazy = true;
      };

      full = {
        package = pkgs.hello;
        dependencies = [ pkgs.curl ];
        name = "registry.example/me/full";
        tags = [
          "1"
          "latest"
        ];
        entrypoint = [
          "${pkgs.hello}/bin/hello"
          "world"
        ];
        environment.GREETING = "from the environment";
        labels."org.opencontainers.image.title" = "All of it";
        ports = [
          8080
          "53/udp"
        ];
        volumes = [
          "/var/lib/full"
          "/tmp"
        ];
        workingDir = "/var/lib/full";
        stopSignal = "SIGQUIT";
        healthcheck = {
          command = [ "${pkgs.curl}/bin/curl" ];
          interval = 15;
        };
        user = "app";
        uid = 1000;
        gid = 100;
        platforms = [
          "x86_64-linux"
          "aarch64-linux"
        ];
        flavours.debug.image.debug.enable = true;
      };

      abroad = {
        package = pkgs.hello;
        healthcheck.command = [ "${pkgs.curl}/bin/curl" ];
        platforms = [ "aarch64-linux" ];
      };

      # One more of the same monorepo.
      sibling = {
        package = pkgs.coreutils;
        dependencies = [ pkgs.curl ];
        entrypoint = [
          "${pkgs.busybox}/bin/busybox"
          "sh"
          "-c"
          "id; touch ~/x /tmp/x && ls -l ~/x; touch /etc/x || echo refused"
        ];
      };

      root = {
        package = pkgs.coreutils;
        entrypoint = [
          "${pkgs.busybox}/bin/busybox"
          "id"
        ];
        isRoot = true;
        optimizeLayers = false;
      };

      based = {
        package = pkgs.curl;
        fromImage = config.packages.oci-sibling;
      };

      # Its program ends, and the container is there for whoever wants to see why.
      failing = {
        entrypoint = [
          "${pkgs.busybox}/bin/busybox"
          "sh"
          "-c"
          "echo working; exit 7"
        ];
        flavours.debug.image.debug.enable = true;
      };
    };
  };
}
