# What evaluation decides, as true statements.
{
  functionsWith,
  lib,
  make,
  named,
  oci,
  pkgs,
  ...
}:
let
  configOf = image: image.manifest.extraConfig.config;
  orderOf =
    services: map (service: service.name) (named { s6 = { inherit services; }; }).init.services;
  serviceOf =
    service:
    builtins.head
      (named {
        s6.enable = true;
        s6.services.it = service;
        users.users.web = { };
        users.groups.media.members = [ "web" ];
      }).init.services;
  textOf =
    image: path: (lib.findFirst (file: file.destination == path) null image.config.build.files).text;
  daemon = {
    command = [ "/bin/daemon" ];
  };
  once = type: after: daemon // { inherit type after; };

  few = named { users.users.web = { }; };
  more = named {
    users.users.web = { };
    users.users.aaa = { };
    users.users.zzz.uid = 7;
    users.groups.aab = { };
  };
  linesOf =
    image: path: builtins.filter (line: line != "") (lib.splitString "\n" (textOf image path));
  first = named (
    { pkgs, ... }: {
      s6.services.web = {
        execStart = "${pkgs.busybox}/bin/busybox httpd -h '/srv/my files' -c \"\"";
        user = "web";
        workingDirectory = "/srv";
        stopSignal = "SIGQUIT";
        path = [ pkgs.hello ];
        environment = {
          NUMBER = 1;
          TEXT = "a \"b\" $c %d";
          NONE = null;
        };
      };
      users.users.web = { };
    }
  );
in
{
  # busybox gives no capabilities to users.
  capabilities-bring-their-program =
    let
      packagesOf =
        ambientCapabilities:
        (named {
          s6.services.it = daemon // {
            inherit ambientCapabilities;
          };
        }).config.s6.packages;
      usual = [
        pkgs.s6
        pkgs.execline
        pkgs.busybox
      ];
    in
    packagesOf [ ] == usual && packagesOf [ "CAP_CHOWN" ] == [ pkgs.util-linuxMinimal ] ++ usual;

  # Numbers of accounts.
  ids-stay-when-accounts-are-added =
    lib.all (path: lib.all (line: builtins.elem line (linesOf more path)) (linesOf few path))
      [
        "/etc/passwd"
        "/etc/group"
        "/etc/shadow"
      ];
  ids-depend-on-the-name-alone =
    (configOf (named {
      image.user = "web";
      users.users.web = { };
    })).User == "29631:29631";
  passwd-is-sorted-by-number =
    textOf more "/etc/passwd" == ''
      root:x:0:0:root:/root:/bin/sh
      zzz:x:7:7::/var/empty:/sbin/nologin
      aaa:x:28710:28710::/var/empty:/sbin/nologin
      web:x:29631:29631::/var/empty:/sbin/nologin
      nonroot:x:65532:65532::/home/nonroot:/sbin/nologin
      nobody:x:65534:65534:nobody:/var/empty:/sbin/nologin
    '';
  the-user-of-the-image-has-an-account =
    lib.hasPrefix "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100::/home/app:/sbin/nologin\n"
      (
        textOf (named {
          image.user = "app";
          image.uid = 1000;
          image.gid = 100;
        }) "/etc/passwd"
      );
  normal-users =
    lib.hasPrefix "root:x:0:0:root:/root:/bin/sh\nalice:x:5:100:Alice:/home/alice:/bin/sh\n"
      (
        textOf (named {
          users.users.alice = {
            uid = 5;
            isNormalUser = true;
            description = "Alice";
          };
        }) "/etc/passwd"
      );
  members-of-groups = builtins.elem "media:x:24738:alice,bob" (
    linesOf (named {
      users.groups.media.members = [ "alice" ];
      users.users = {
        alice = { };
        bob.extraGroups = [ "media" ];
      };
    }) "/etc/group"
  );
  hashed-passwords = builtins.elem "alice:$6$x$y:1::::::" (
    linesOf (named { users.users.alice.hashedPassword = "$6$x$y"; }) "/etc/shadow"
  );
  a-base-keeps-its-accounts = (named { image.fromImage = few; }).config.build.files == [ ];

  # Names of the seed.
  aliases =
    let
      image = configOf (named {
        image = {
          env.A = "b";
          entryPoint = [ "/x" ];
          exposedPorts."53/udp" = { };
          tag = "3";
        };
      });
    in
    image.Entrypoint == [ "/x" ]
    && image.ExposedPorts == { "53/udp" = { }; }
    && builtins.elem "A=b" image.Env;
  alias-of-the-base = (named { image.from = few; }).fromImage.outPath == few.outPath;
  alias-with-a-priority =
    (configOf (named {
      imports = [ { image.entrypoint = [ "/a" ]; } ];
      image.entryPoint = lib.mkForce [ "/b" ];
    })).Entrypoint == [ "/b" ];
  interactive =
    builtins.elem pkgs.bashInteractive
      (named { image.interactive = true; }).config.image.dependencies;
  packages-are-on-path =
    lib.hasPrefix "${pkgs.hello}/bin:/usr/local/sbin:"
      (named { environment.systemPackages = [ pkgs.hello ]; }).config.image.environment.PATH;
  tags =
    let
      image = named {
        image.tags = [
          "1"
          "1.0"
        ];
      };
    in
    builtins.attrNames image.manifests == [
      "box:1"
      "box:1.0"
    ]
    && image.imageTag == "1"
    && image.imageName == "box";
  the-result-is-that-of-ociBuildImage = lib.all (name: few ? ${name}) [
    "copyTo"
    "copyToPodman"
    "copyToRegistry"
    "fromImage"
    "imageName"
    "imageTag"
    "layers"
    "manifest"
    "override"
    "push"
    "config"
    "options"
    "init"
  ];
  override = (few.override { modules = [ { image.name = "other"; } ]; }).imageName == "other";
  the-tag-of-the-ready-nix-is-that-of-its-package =
    let
      git = pkgs.hello;
      cacert = pkgs.hello;
      withGit = functionsWith {
        pkgs = pkgs // {
          inherit git cacert;
        };
      };
    in
    (withGit.images.nix.override (old: {
      modules = old.modules ++ [ { nix.package = pkgs.hello; } ];
    })).imageTag == pkgs.hello.version;
  flavours =
    let
      image = named {
        image.tags = [
          "1"
          "1.0"
        ];
        image.environment.KIND = "plain";
        image.entrypoint = [ "/x" ];
        image.flavours = {
          other.image.environment.KIND = lib.mkForce "other";
          debug = { pkgs, ... }: {
            image.debug.enable = true;
            image.debug.packages = [ pkgs.hello ];
          };
        };
      };
      inherit (image.flavours) debug other;
      layers = image: map (layer: layer.outPath) image.layers;
    in
    builtins.attrNames other.manifests == [
      "box:1-other"
      "box:1.0-other"
    ]
    && builtins.elem "KIND=other" (configOf other).Env
    && builtins.elem "KIND=plain" (configOf image).Env
    && debug.imageTag == "1-debug"
    && lib.all (layer: builtins.elem layer (layers debug)) (layers image)
    && builtins.length debug.layers > builtins.length image.layers
    && lib.last (configOf debug).Entrypoint == "/x"
    # A flavour of a flavour is a third image.
    &&
      builtins.attrNames debug.flavours.other.manifests == [
        "box:1-debug-other"
        "box:1.0-debug-other"
      ]
    && builtins.elem "KIND=other" (configOf debug.flavours.other).Env
    && lib.last (configOf debug.flavours.other).Entrypoint == "/x";
  a-debug-image-handles-its-stop-signal =
    let
      holds =
        signal: image:
        (configOf image).StopSignal == signal && builtins.elemAt (configOf image).Entrypoint 4 == signal;
      debug.image.debug.enable = true;
    in
    holds "SIGQUIT" (named {
      imports = [ debug ];
      image.stopSignal = "SIGQUIT";
    })
    && holds "SIGTERM" (named {
      imports = [ debug ];
      image.fromImage = few;
    });
  a-flavour-has-the-override-of-the-call =
    let
      image = named { image.flavours.other.image.environment.KIND = "other"; };
      changed = image.flavours.other.override (old: {
        modules = old.modules ++ [ { image.environment.MORE = "more"; } ];
      });
      again = changed.override { modules = [ { image.name = "again"; } ]; };
    in
    changed.imageTag == "latest-other"
    && lib.all (variable: builtins.elem variable (configOf changed).Env) [
      "KIND=other"
      "MORE=more"
    ]
    && builtins.attrNames again.manifests == [ "again:latest-other" ];

  # The first process.
  one-service-is-the-first-process =
    first.init == null
    &&
      configOf first == {
        Entrypoint = [
          "${pkgs.busybox}/bin/busybox"
          "httpd"
          "-h"
          "/srv/my files"
          "-c"
          ""
        ];
        Env = [
          "NUMBER=1"
          "PATH=${pkgs.hello}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
          "TEXT=a \"b\" $c %d"
        ];
        ExposedPorts = { };
        Labels."org.opencontainers.image.title" = "box";
        StopSignal = "SIGQUIT";
        User = "29631:29631";
        Volumes = { };
        WorkingDir = "/srv";
      };
  homes-are-found =
    (configOf (named {
      s6.services.web = daemon // {
        user = "web";
        workingDirectory = "~";
      };
      users.users.web.home = "/home/of/web";
    })).WorkingDir == "/home/of/web";
  without-a-user-it-is-root =
    (configOf (named {
      s6.services.web = daemon;
    })).User == "0:0";
  the-image-decides-about-the-user =
    (configOf (named {
      s6.services.web = daemon;
      image.isRoot = false;
    })).User == "65532:65532";
  an-entry-point-of-the-image-wins =
    (configOf (named {
      s6.services.web = daemon;
      image.entrypoint = [ "/mine" ];
    })).Entrypoint == [ "/mine" ];

  # What needs s6.
  more-than-one-process =
    lib.all
      (
        service:
        (named {
          s6.services.web = daemon // service;
          users.users.web = { };
          users.groups.media.members = [ "web" ];
        }).init != null
      )
      [
        { restartOnFailure = true; }
        { preStart = "true"; }
        { postStart = [ [ "/x" ] ]; }
        { stop = [ "/x" ]; }
        { type = "oneshot-pre"; }
        { directories = [ "/var/lib/web" ]; }
        { environmentFile = "/run/secrets/env"; }
        { execLogger = "/bin/logger"; }
        { prefix = "web: "; }
        { umask = "0027"; }
        { limits.nofile = "1024"; }
        { readiness.fd = 3; }
        { user = "web"; }
        { command = lib.mkForce "/bin/daemon $PORT"; }
        { command = lib.mkForce "/bin/daemon \"a\\\"b\""; }
        { command = lib.mkForce "/bin/daemon a\"b\""; }
      ];
  disabled-services-do-not-count =
    (named {
      s6.services = {
        web = daemon;
        other = daemon // {
          enable = false;
        };
      };
    }).init == null;
  nothing-to-run = (named { }).init == null;
  the-start-script =
    (configOf (named {
      s6.enable = true;
      s6.services.web = daemon;
    })).Entrypoint == [
      "${
        (named {
          s6.enable = true;
          s6.services.web = daemon;
        }).init
      }/bin/start-services"
    ];

  # Order.
  types-come-in-order =
    orderOf {
      a = once "oneshot-post" [ ];
      b = daemon;
      c = once "oneshot-pre" [ ];
      d = daemon;
    } == [
      "c"
      "b"
      "d"
      "a"
    ];
  after-decides =
    orderOf {
      a = daemon // {
        after = [ "b" ];
      };
      b = daemon // {
        after = [ "c" ];
      };
      c = daemon;
    } == [
      "c"
      "b"
      "a"
    ];
  before-decides =
    orderOf {
      a = daemon;
      b = daemon // {
        before = [ "a" ];
      };
    } == [
      "b"
      "a"
    ];
  a-oneshot-between-daemons =
    orderOf {
      a = once "oneshot-pre" [ "db" ];
      db = daemon;
      first = once "oneshot-pre" [ ];
      web = daemon // {
        after = [ "a" ];
      };
    } == [
      "first"
      "db"
      "a"
      "web"
    ];

  # The data for the step, in which every member is present.
  a-service =
    serviceOf daemon == {
      name = "it";
      kind = "long-run";
      command = [ "/bin/daemon" ];
      asRoot = false;
      preStart = [ ];
      postStart = [ ];
      stop = [ ];
      user = null;
      environment = { };
      environmentFiles = [ ];
      workingDirectory = null;
      workingDirectoryOptional = false;
      umask = null;
      logger = null;
      prefix = null;
      directories = [ ];
      files = [ ];
      readiness = null;
      restart = "never";
      restartDelay = 1;
      startLimit = null;
      successExitStatus = [ ];
      stopSignal = "SIGTERM";
      stopTimeout = 10;
      limits = { };
      ambientCapabilities = [ ];
      pidFile = null;
    };
  a-service-with-much =
    let
      service = serviceOf {
        script = "exec daemon";
        user = "web";
        preStart = [
          [
            "/a"
            "b"
          ]
          "/c d"
          {
            command = [ "/e" ];
            ignoreFailure = true;
            condition = true;
          }
        ];
        stop = "echo stop";
        environmentFile = [
          "/one"
          "-/two"
        ];
        directories = [
          "/var/lib/web"
          {
            path = "/srv";
            mode = "0750";
            user = "root";
            recursive = false;
          }
        ];
        files = [
          {
            source = "/secret";
            path = "/run/credentials/it/secret";
          }
        ];
        readiness.command = [ "/ready" ];
        restartOnFailure = true;
        execLogger = "/bin/logger -t it";
      };
      step = command: {
        inherit command;
        ignoreFailure = false;
        asRoot = false;
        condition = false;
      };
      shell = [
        "${pkgs.busybox}/bin/busybox"
        "sh"
        "-c"
      ];
      web = {
        uid = 29631;
        gid = 29631;
      };
    in
    removeAttrs service (
      builtins.attrNames (
        removeAttrs (serviceOf daemon) [
          "command"
          "preStart"
          "stop"
          "user"
          "environmentFiles"
          "directories"
          "files"
          "readiness"
          "restart"
          "logger"
        ]
      )
    ) == {
      command = shell ++ [ "set -e\nexec daemon" ];
      preStart = [
        (step [
          "/a"
          "b"
        ])
        (step {
          line = "/c d";
          unit = "it";
        })
        (
          step [ "/e" ]
          // {
            ignoreFailure = true;
            condition = true;
          }
        )
      ];
      stop = [ (step (shell ++ [ "set -e\necho stop" ])) ];
      user = web // {
        groups = [ 24738 ];
        name = "web";
        home = "/var/empty";
      };
      environmentFiles = [
        {
          path = "/one";
          optional = false;
        }
        {
          path = "/two";
          optional = true;
        }
      ];
      directories = [
        (
          web
          // {
            path = "/var/lib/web";
            mode = "0755";
            recursive = true;
          }
        )
        {
          uid = 0;
          gid = 0;
          path = "/srv";
          mode = "0750";
          recursive = false;
        }
      ];
      files = [
        (
          web
          // {
            source = "/secret";
            path = "/run/credentials/it/secret";
            mode = "0400";
          }
        )
      ];
      readiness = {
        command = [ "/ready" ];
        interval = 0.2;
        timeout = 60;
      };
      restart = "on-failure";
      logger = [
        "/bin/logger"
        "-t"
        "it"
      ];
    };
  services-share-directories =
    (named {
      s6.services = builtins.listToAttrs (
        map
          (name: {
            inherit name;
            value = daemon // {
              user = "web";
              directories = [ "/var/lib/web" ];
            };
          })
          [
            "one"
            "two"
          ]
      );
      users.users.web = {
        createHome = true;
        home = "/var/lib/web";
      };
    }).config.build.directories."/var/lib/web".mode == "0755";
  another-group-needs-s6 =
    (named {
      s6.services.it = daemon // {
        user = "web";
        group = "media";
      };
      users.users.web = { };
      users.groups.media = { };
    }).init != null;
  directories-are-in-the-image =
    (named {
      s6.services.it = daemon // {
        user = "web";
        directories = [ "/var/lib/web" ];
      };
      users.users.web = { };
    }).config.build.directories."/var/lib/web" == {
      mode = "0755";
      uid = 29631;
      gid = 29631;
    };

  # Modules.
  modules-have-arguments =
    (oci.ociMakeImage {
      specialArgs.word = "box";
      modules = [
        (
          {
            word,
            config,
            lib,
            pkgs,
            options,
            ...
          }:
          {
            image.name =
              assert options.image ? name && pkgs ? hello;
              word;
          }
        )
      ];
    }).imageName == "box";
  modules-can-be-files =
    (oci.ociMakeImage { modules = [ ./module.nix ]; }).imageName == "from-a-file";
  etc-files =
    lib.all
      (
        file:
        builtins.elem file
          (named {
            environment.etc = {
              "a/text".text = "a";
              link.source = "${pkgs.hello}/bin";
              direct = {
                source = "${pkgs.hello}/bin";
                mode = "direct-symlink";
              };
              copy = {
                source = "${pkgs.hello}/bin/greet";
                mode = "0440";
                uid = 5;
                group = "users";
              };
              moved = {
                text = "b";
                target = "other";
                mode = "0600";
                user = "nobody";
              };
              off = {
                text = "c";
                enable = false;
              };
            };
          }).config.build.files
      )
      [
        {
          destination = "/etc/a/text";
          text = "a";
        }
        {
          destination = "/etc/link";
          symlink = "${pkgs.hello}/bin";
        }
        {
          destination = "/etc/direct";
          symlink = "${pkgs.hello}/bin";
        }
        {
          destination = "/etc/copy";
          source = "${pkgs.hello}/bin/greet";
          mode = "0440";
          uid = 5;
          gid = 100;
        }
        {
          destination = "/etc/other";
          text = "b";
          mode = "0600";
          uid = 65534;
          gid = 0;
        }
      ];
}
