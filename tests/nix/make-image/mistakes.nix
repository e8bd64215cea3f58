# Modules that stop the evaluation, each with the sentence about it.
{
  functionsWith,
  lib,
  named,
  make,
  pkgs,
  ...
}:
let
  daemon.command = [ "/bin/daemon" ];
  one = service: named { s6.services.it = daemon // service; };
  mistake = image: sentence: { inherit image sentence; };
in
{
  no-name = mistake (make { }) "oci-layout: ociMakeImage: the image has no name; set image.name";
  no-lib =
    mistake ((functionsWith { }).ociMakeImage { modules = [ ]; })
      "oci-layout: ociMakeImage needs the module system of nixpkgs; pass pkgs or lib to the functions, as in nix/default.nix";
  tmpfs-of-the-store =
    mistake
      (named {
        image.hardening = {
          enable = true;
          tmpfs = [ "/nix" ];
        };
      })
      "- image.hardening.tmpfs: /nix would hide the programs of the image; choose a directory outside of /nix/store";
  tmpfs-over-a-file =
    mistake
      (named {
        environment.etc."app/app.conf".text = "";
        image.hardening = {
          enable = true;
          tmpfs = [ "/etc/app" ];
        };
      })
      "- image.hardening.tmpfs: /etc/app would hide /etc/app/app.conf of the image; move the file, remove /etc/app, or set image.hardening.readOnlyRootfs = false";
  tmpfs-over-a-folder = mistake (named {
    files = [
      {
        destination = "/srv/www";
        source = ./.;
      }
    ];
    image.hardening = {
      enable = true;
      tmpfs = [ "/srv/www" ];
    };
  }) "- image.hardening.tmpfs: /srv/www would hide /srv/www of the image; move the file";
  written-by-a-service =
    mistake
      (named {
        image.hardening.enable = true;
        s6.services.it = daemon // {
          files = [
            {
              source = ./.;
              path = "/etc/it/key";
            }
          ];
        };
      })
      "- s6.services.it.files: the start cannot write /etc/it/key, because the root is read-only; add its directory to image.hardening.tmpfs, or write it below /run";
  written-by-a-rule =
    mistake
      (named {
        image.hardening.enable = true;
        systemd.tmpfiles.rules = [
          "d /var/lib/it"
          "L /var/lib/it/link - - - - /target"
          "f /srv/it 0644 root root - text"
        ];
      })
      ''- systemd.tmpfiles.rules: "f /srv/it 0644 root root - text": the start cannot write /srv/it, because the root is read-only'';
  tmpfs-of-all = mistake (named {
    image.hardening = {
      enable = true;
      tmpfs = [ "/" ];
    };
  }) ''- image.hardening.tmpfs: "/" is the root; choose a directory below it'';
  tmpfs-with-dots = mistake (named {
    image.hardening = {
      enable = true;
      tmpfs = [ "/a/../b" ];
    };
  }) ''- image.hardening.tmpfs: "/a/../b" has . or .. in it; write the path without'';
  tmpfs-with-two-slashes =
    mistake
      (named {
        image.hardening = {
          enable = true;
          tmpfs = [ "/a//b" ];
        };
      })
      ''- image.hardening.tmpfs: "/a//b" has a slash too much; write one between names, and none at the end'';
  mounted-with-a-slash =
    mistake
      (named {
        image.deploy.volumes."/data" = "/srv/www/";
      })
      ''- image.deploy.volumes: "/srv/www/" has a slash too much; write one between names, and none at the end'';
  directory-of-a-service = mistake (named {
    image.hardening.enable = true;
    s6.services.it = daemon // {
      directories = [ "/d:x" ];
    };
  }) ''- s6.services.it.directories: "/d:x" has a colon or a comma; choose another path'';
  tmpfs-in-two-lines = mistake (named {
    image.hardening = {
      enable = true;
      tmpfs = [ "/a\nb" ];
    };
  }) ''image.hardening.tmpfs: "/a\nb" cannot be written in a line'';
  tmpfs-with-options = mistake (named {
    image.hardening = {
      enable = true;
      tmpfs = [ "/a:rw" ];
    };
  }) ''image.hardening.tmpfs: "/a:rw" has a colon or a comma; choose another path'';
  capability =
    mistake
      (named {
        image.hardening = {
          enable = true;
          capabilities.add = [ "CAP_NET_BIND" ];
        };
      })
      "image.hardening.capabilities: there is no capability CAP_NET_BIND; write names as in capabilities(7), such as NET_BIND_SERVICE";
  all-capabilities = mistake (named {
    image.hardening = {
      enable = true;
      capabilities.add = [ "ALL" ];
    };
  }) "- image.hardening.capabilities: ALL is in drop and in add; remove it from one of them";
  dropped-and-added = mistake (named {
    image.hardening = {
      enable = true;
      capabilities.drop = [ "NET_RAW" ];
      capabilities.add = [ "CAP_NET_RAW" ];
    };
  }) "- image.hardening.capabilities: NET_RAW is in drop and in add; remove it from one of them";
  dropped-from-s6 = mistake (named {
    image.hardening = {
      enable = true;
      capabilities.drop = [ "CAP_SETUID" ];
    };
    s6.enable = true;
    s6.services.it = daemon;
  }) "- image.hardening.capabilities.drop: s6 needs SETUID to run the services; remove SETUID";
  dropped-from-a-service =
    mistake
      (named {
        image.hardening = {
          enable = true;
          capabilities.drop = [ "NET_RAW" ];
        };
        s6.services.it = daemon // {
          ambientCapabilities = [ "CAP_NET_RAW" ];
        };
      })
      "- s6.services.it.ambientCapabilities: CAP_NET_RAW is in image.hardening.capabilities.drop; remove it from one of them";
  capability-of-a-service =
    mistake
      (named {
        image.hardening.enable = true;
        s6.services.it = daemon // {
          ambientCapabilities = [ "CAP_FOO" ];
        };
      })
      "s6.services.it.ambientCapabilities: there is no capability CAP_FOO; write names as in capabilities(7), such as NET_BIND_SERVICE";
  read-only-nix =
    mistake
      (named {
        nix.enable = true;
        nix.package = pkgs.hello;
        image.hardening.enable = true;
      })
      "image.hardening.readOnlyRootfs: Nix in the image writes to its store; set image.hardening.readOnlyRootfs = false, or remove nix.enable";
  seccomp-in-two-lines = mistake (named {
    image.hardening = {
      enable = true;
      seccompProfile = "/a\nb";
    };
  }) ''image.hardening.seccompProfile: "/a\nb" cannot be written in a line'';
  published-port =
    mistake (named { image.deploy.ports = [ "http:80" ]; })
      "image.deploy.ports: expected [ADDRESS:]PORT:CONTAINER_PORT[/PROTOCOL], as in 8080:80, found http:80";
  published-above-all-ports =
    mistake (named { image.deploy.ports = [ "65536:80" ]; })
      "image.deploy.ports: expected [ADDRESS:]PORT:CONTAINER_PORT[/PROTOCOL], as in 8080:80, found 65536:80";
  published-at-no-port =
    mistake (named { image.deploy.ports = [ "0:80" ]; })
      "image.deploy.ports: expected [ADDRESS:]PORT:CONTAINER_PORT[/PROTOCOL], as in 8080:80, found 0:80";
  no-port = mistake (named {
    image.deploy.ports = [ 0 ];
  }) "image.deploy.ports: expected [ADDRESS:]PORT:CONTAINER_PORT[/PROTOCOL], as in 8080:80, found 0";
  tag-of-a-unit =
    mistake (named { image.tag = "1.image"; }).deploy.quadlet
      "oci-layout: deploy.quadlet: podman takes docker.io/library/box:1.image for the name of a unit; choose a tag that does not end with .build or .image";
  name-of-a-pod =
    mistake
      (make { image.name = "me/${lib.concatStrings (lib.genList (_: "a") 64)}"; }).deploy.kubernetes
      "has more than the 63 letters that Kubernetes allows; shorten the last part of the image name";
  mounted-relative = mistake (named {
    image.deploy.volumes.data = "data";
  }) ''image.deploy.volumes: "data" is not absolute; write it with / at the beginning'';
  mounted-over-the-store =
    mistake (named { image.deploy.volumes."/nix/store" = "data"; })
      "image.deploy.volumes: /nix/store would hide the programs of the image; choose a directory outside of /nix/store";
  # podman's generator would look for another file.
  mounted-from-a-quadlet =
    mistake (named { image.deploy.volumes."/data" = "data.volume"; })
      ''image.deploy.volumes: expected the path of a directory of the machine, or a name of a volume in lower-case letters, digits and "-", found "data.volume"'';
  mounted-from =
    mistake (named { image.deploy.volumes."/data" = "My_Data"; })
      ''image.deploy.volumes: expected the path of a directory of the machine, or a name of a volume in lower-case letters, digits and "-", found "My_Data"'';

  no-home =
    mistake (one { workingDirectory = "~"; })
      "s6.services.it.workingDirectory: the service has no user whose home ~ could be; set user, or write a path";
  no-s6 =
    mistake
      ((functionsWith { pkgs = removeAttrs pkgs [ "execline" ]; }).ociMakeImage {
        modules = [
          {
            image.name = "a";
            s6.services.one = daemon;
            s6.services.two = daemon;
          }
        ];
      })
      "oci-layout: s6.packages: the services of the image need execline, which is not in pkgs; add it to pkgs, or set s6.packages";
  no-list = mistake ((functionsWith { pkgs.lib = lib; }).ociMakeImage {
    modules = {
      image.name = "a";
    };
  }) "oci-layout: ociMakeImage: modules: expected a list, found a set";
  tag-of-a-flavour =
    mistake ((named { image.flavours.other = { }; }).flavours.other.override { tag = "1"; })
      "oci-layout: ociMakeImage: unknown argument \"tag\"; set image.name, image.tag and so on in a module";
  assertions = mistake (named {
    assertions = [
      {
        assertion = false;
        message = "one";
      }
      {
        assertion = true;
        message = "two";
      }
      {
        assertion = false;
        message = "three";
      }
    ];
  }) "the modules of the image ask for what cannot be:\n- one\n- three";
  two-owners = mistake (named {
    s6.services.one = daemon // {
      user = "a";
      directories = [ "/srv" ];
    };
    s6.services.two = daemon // {
      user = "b";
      directories = [ "/srv" ];
    };
    users.users.a = { };
    users.users.b = { };
  }) "the directory /srv has two values of gid";
  unknown-option = mistake (named { imag.name = "x"; }) "The option `imag' does not exist.";
  platforms =
    mistake (named { image.platforms = [ "riscv64-linux" ]; })
      "image.platforms is riscv64-linux, but the packages are for x86_64-linux; make an image for each platform";

  cycle =
    mistake
      (named {
        s6.services = {
          a = daemon // {
            after = [ "b" ];
          };
          b = daemon // {
            after = [ "a" ];
          };
          c = daemon;
        };
      })
      "oci-layout: s6.services: each of these waits for the next: a, b, a; remove one of them from after or before";
  long-cycle = mistake (named {
    s6.services = {
      a = daemon // {
        after = [ "b" ];
      };
      b = daemon // {
        after = [ "c" ];
      };
      c = daemon // {
        after = [ "d" ];
      };
      d = daemon // {
        after = [ "b" ];
      };
    };
  }) "each of these waits for the next: b, c, d, b; remove";
  absent = mistake (one
    { after = [ "db" ]; }
  ) "s6.services.it.after: there is no enabled service db; add it to s6.services, or remove the name";
  no-command = mistake (named {
    s6.services.it = { };
  }) "- s6.services.it has neither command nor script; set one of them";
  two-commands = mistake (one {
    script = "x";
  }) "- s6.services.it has both command and script; remove one of them";
  needs-s6 = mistake (named {
    s6 = {
      enable = false;
      services.it = daemon // {
        restartOnFailure = true;
      };
    };
  }) "- s6.enable is false, but s6.services.it needs more than a first process; remove s6.enable";
  two-need-s6 = mistake (named {
    s6 = {
      enable = false;
      services = {
        a = daemon;
        b = daemon;
      };
    };
  }) "- s6.enable is false, but there are 2 services; remove s6.enable";
  no-user = mistake (one {
    user = "web";
  }) "oci-layout: s6.services.it.user: there is no user web; add it to users.users";
  no-group = mistake (one {
    supplementaryGroups = [ "media" ];
  }) "oci-layout: s6.services.it: there is no group media; add it to users.groups";

  collision = mistake (named {
    users.users = {
      u32 = { };
      u50 = { };
    };
  }) "oci-layout: users: the users u32 and u50 both have the number 25956; set users.users.u50.uid";
  given-twice = mistake (named {
    users.users = {
      a.uid = 5;
      b.uid = 5;
    };
  }) "oci-layout: users: the users a and b both have the number 5; set users.users.b.uid";
  groups-twice = mistake (named {
    users.groups = {
      a.gid = 5;
      b.gid = 5;
    };
  }) "oci-layout: users: the groups a and b both have the number 5; set users.groups.b.gid";
  number-of-root = mistake (named {
    users.users.a.uid = 0;
  }) "oci-layout: users: the users root and a both have the number 0; set users.users.a.uid";
  two-numbers = mistake (named {
    image.user = "a";
    image.uid = 6;
    users.users.a.uid = 5;
  }) "- image.uid is 6, but users.users.a has the number 5; set users.users.a.uid alone";
  password =
    mistake (named { users.users.a.password = "secret"; })
      "- users.users.a.password: an image has no secrets, because everybody who has it reads them; set hashedPassword, or mount /etc/shadow";
  initial-password = mistake (named {
    users.users.a.initialPassword = "secret";
  }) "- users.users.a.initialPassword: an image has no secrets";
  password-file = mistake (named {
    users.users.a.hashedPasswordFile = "/secret";
  }) "- users.users.a.hashedPasswordFile: an image has no secrets";
  old-password-file = mistake (named {
    users.users.a.passwordFile = "/secret";
  }) "- users.users.a.passwordFile: an image has no secrets";
  no-extra-group = mistake (named {
    users.users.a.extraGroups = [ "wheel" ];
  }) "- users.users.a.extraGroups: there is no group wheel; add it to users.groups";
  no-primary-group = mistake (named {
    users.users.a.group = "wheel";
  }) "oci-layout: users.users.a: there is no group wheel; add it to users.groups";
  no-member = mistake (named {
    users.groups.wheel.members = [ "a" ];
  }) "- users.groups.wheel.members: there is no user a; add it to users.users";
  colon =
    mistake (named { users.users.a.description = "a:b"; })
      "oci-layout: users.users.a: a value contains a colon, which separates the fields of /etc/passwd; remove it";
  owner = mistake (named {
    files = [
      {
        destination = "/x";
        text = "";
        user = "web";
      }
    ];
  }) "oci-layout: files: /x: there is no user web; add it to users.users";
  etc = mistake (named {
    environment.etc.x = { };
  }) "- environment.etc.x has neither text nor source; set one of them";
  root-by-number = mistake (named {
    image.uid = 0;
  }) "image: user nonroot with uid 0 means root; set isRoot = true to run the program as root";
}
