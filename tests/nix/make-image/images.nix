# Images that are built and run.
{
  make,
  oci,
  pkgs,
  withDebian,
  ...
}:
let
  sh = script: [
    "${pkgs.busybox}/bin/busybox"
    "sh"
    "-c"
    script
  ];
  ready =
    name:
    oci.images.${name}.override (old: {
      modules = old.modules ++ [ withDebian ];
    });
in
{
  # Files and accounts, and the program of a package that is not root.
  accounts = make {
    image = {
      name = "accounts";
      tag = "1";
      package = pkgs.hello;
    };
    users.users = {
      alice = {
        isNormalUser = true;
        uid = 1000;
        extraGroups = [ "media" ];
      };
      web = { };
    };
    users.groups.media = { };
    environment.etc = {
      "app/link".source = "${pkgs.hello}/bin/greet";
      secret = {
        text = "for web alone\n";
        mode = "0400";
        user = "web";
        group = "media";
      };
    };
    environment.systemPackages = [ pkgs.coreutils ];
    files = [
      {
        destination = "/srv/www";
        directory = true;
        user = "web";
        group = "media";
        mode = "2750";
      }
    ];
  };

  # The first process of its container.
  first = make {
    image.name = "first";
    s6.services.it = {
      command = sh ''
        B=${pkgs.busybox}/bin/busybox
        echo "$$ $(pwd) $TEXT"
        $B id
        $B stat -c '%n %a %u:%g' /srv /tmp
      '';
      user = "web";
      workingDirectory = "/srv";
      environment.TEXT = "a 'b' \"c\" $HOME %n\n.";
    };
    users.users.web = { };
  };

  # Services of all types under s6. The last one fails, and so the container ends.
  services = make (
    { pkgs, ... }:
    let
      # It says when it is up and when it is stopped.
      daemon = name: {
        script = ''
          trap 'echo ${name} stops; exit 0' TERM
          echo ${name} runs
          touch /tmp/${name}
          while :; do sleep 0.1; done
        '';
        path = [ pkgs.busybox ];
        readiness.command = [
          "${pkgs.busybox}/bin/test"
          "-e"
          "/tmp/${name}"
        ];
      };
    in
    {
      image.name = "services";
      image.environment.CONTAINER = "its own";
      users.users.web = { };
      s6.services = {
        migrate = {
          type = "oneshot-pre";
          script = "echo migrate; echo migrated > /var/lib/web/state";
          user = "web";
          directories = [ "/var/lib/web" ];
        };
        db = daemon "db";
        web = daemon "web" // {
          after = [ "db" ];
          user = "web";
        };
        verbatim = {
          type = "oneshot-post";
          command = [
            "${pkgs.busybox}/bin/sh"
            "-c"
            "printf '%s\n' \"$TEXT\" \"$CONTAINER\""
          ];
          environment.TEXT = "a 'b' \"c\" $HOME `d` %n \\ e";
          after = [ "web" ];
        };
        prefixed = {
          type = "oneshot-post";
          execStart = "${pkgs.busybox}/bin/echo \"$CONTAINER\" 'a b'";
          after = [ "verbatim" ];
        };
        state = {
          type = "oneshot-post";
          script = "pwd; stat -c '%n %a %u:%g' /var/lib/web /var/lib/web/state";
          path = [ pkgs.busybox ];
          workingDirectory = "/var/lib";
          after = [ "prefixed" ];
        };
        # A daemon after a oneshot.
        fails = {
          script = "echo fails; exit 7";
          after = [ "state" ];
        };
      };
      imports = [ withDebian ];
    }
  );

  # Ready images, under Debian's s6.
  example = ready "example";
  example-systemd = ready "example-systemd";
}
