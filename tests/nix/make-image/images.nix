# Images that are built and run.
{
  make,
  named,
  pkgs,
  ...
}:
let
  sh = script: [
    "${pkgs.busybox}/bin/busybox"
    "sh"
    "-c"
    script
  ];
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
}
