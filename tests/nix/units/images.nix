# Images with `systemd.services` and `system.services`: `claims` are true, `mistakes` stop the evaluation, and `run` runs.
{
  lib,
  make,
  named,
  pkgs,
  withDebian,
  ...
}:
let
  servicesOf =
    image:
    builtins.listToAttrs (map (service: lib.nameValuePair service.name service) image.init.services);
  ofUnit =
    unit:
    (servicesOf (named {
      s6.enable = true;
      systemd.services.it = unit;
      users.users.web = { };
    })).it;
  running = {
    serviceConfig.ExecStart = "/bin/it";
  };

  units = named {
    systemd.services = {
      db = {
        serviceConfig = {
          Type = "notify";
          ExecStart = "/bin/db";
          DynamicUser = true;
          StateDirectory = "db";
          StateDirectoryMode = "0700";
          PrivateTmp = true;
        };
        wantedBy = [ "data.target" ];
      };
      web = {
        script = "exec web";
        after = [ "data.target" ];
        environment.URL = "http://%p";
      };
    };
    systemd.targets.data = { };
    systemd.tmpfiles.rules = [ "d /run/shared 0770 web web" ];
    users.users.web = { };
    s6.services.web.restart = "always";
  };
  modular = named {
    system.services.web = {
      process.argv = [
        "/bin/web"
        "a 'b' \"c\" $HOME 100% \\"
      ];
      notificationProtocol.systemd = true;
      configData."web.conf".text = "port = 80\n";
      warnings = [ "of the service" ];
      services.worker = {
        _class = "service";
        process.argv = [
          (pkgs.hello + "/bin/greet")
        ];
        notificationProtocol.s6 = true;
        systemd.service = {
          after = [ "web.service" ];
          serviceConfig.StateDirectory = "worker";
        };
        systemd.services.setup = {
          before = [ "web-worker.service" ];
          serviceConfig = {
            Type = "oneshot";
            ExecStart = "/bin/setup";
          };
        };
      };
    };
  };
  ofModular = servicesOf modular;
  mistake = image: sentence: { inherit image sentence; };
in
rec {
  sentences = builtins.mapAttrs (_: mistake: mistake.sentence) mistakes;
  claims = {
    order =
      map (service: service.name) units.init.services == [
        "tmpfiles"
        "db"
        "web"
      ];
    dynamic-user-has-a-stable-number =
      (servicesOf units).db.user.uid == (named { users.users.db = { }; }).config.users.ids.uidOf "" "db";
    directories-have-their-owner =
      units.config.build.directories."/var/lib/db" == {
        mode = "0700";
        inherit ((servicesOf units).db.user) uid gid;
      };
    rules-are-directories = units.config.build.directories."/run/shared".mode == "0770";
    readiness =
      (servicesOf units).db.readiness == {
        sdNotify = true;
        timeout = 90;
      };
    s6-services-are-stronger = (servicesOf units).web.restart == "always";
    scripts-have-programs = lib.hasPrefix "${pkgs.busybox}/bin:" (servicesOf units)
    .web.environment.PATH;
    specifiers = (servicesOf units).web.environment.URL == "http://web";
    warnings =
      units.config.warnings == [
        "systemd.services.db: left out: PrivateTmp (the container's runtime restricts processes)"
      ];
    one-unit-is-the-first-process =
      let
        image = named { systemd.services.it.serviceConfig.ExecStart = "/bin/it 'a b'"; };
      in
      image.init == null
      &&
        image.config.image.entrypoint == [
          "/bin/it"
          "a b"
        ];
    # Without it, the image would lack the program.
    the-first-process-refers-to-its-program = builtins.hasContext (
      builtins.head
        (named { systemd.services.it.serviceConfig.ExecStart = "${pkgs.hello}/bin/greet"; })
        .config.image.entrypoint
    );
    values-refer-to-their-packages =
      let
        hello = "${pkgs.hello}/bin/greet";
        it = ofUnit {
          serviceConfig = {
            ExecStart = "@${hello} name";
            ExecStartPre = ":-${hello}";
            Environment = "A=${hello}";
            EnvironmentFile = hello;
            WorkingDirectory = "-${hello}";
            LoadCredential = "a:${hello}";
          };
          unitConfig.ConditionPathExists = hello;
        };
        rules = named {
          systemd.tmpfiles.rules = [ "L /etc/link - - - - ${hello}" ];
        };
      in
      lib.all builtins.hasContext [
        it.command.line
        (lib.last it.preStart).command.line
        (lib.last (builtins.head it.preStart).command)
        it.environment.A
        (builtins.head it.environmentFiles).path
        it.workingDirectory
        (builtins.head it.files).source
        (lib.last (builtins.head rules.init.services).command)
      ];
    lists-of-modules-are-one-list =
      (ofUnit (
        lib.mkMerge [
          running
          { serviceConfig.ExecStartPre = [ "/bin/one" ]; }
          { serviceConfig.ExecStartPre = lib.mkAfter "/bin/two"; }
        ]
      )).preStart == map
        (line: {
          command = {
            inherit line;
            unit = "it.service";
          };
          ignoreFailure = false;
          asRoot = false;
          condition = false;
        })
        [
          "/bin/one"
          "/bin/two"
        ];
    mkForce-replaces =
      (ofUnit (
        lib.mkMerge [
          running
          { serviceConfig.ExecStart = lib.mkForce "/bin/other"; }
        ]
      )).command.line == "/bin/other";
    forking =
      (servicesOf (named {
        s6.packages = [
          (pkgs.s6 // { version = "2.14.0.0"; })
          pkgs.execline
          pkgs.busybox
        ];
        systemd.services.it.serviceConfig = {
          Type = "forking";
          ExecStart = "/bin/it";
          PIDFile = "it.pid";
        };
      })).it.pidFile == "/run/it.pid";
    rules-below-var-run-bring-its-link =
      let
        links =
          rule:
          map (file: file.symlink) (
            builtins.filter (file: file.destination == "/var/run")
              (named {
                systemd.tmpfiles.rules = [ rule ];
              }).config.build.files
          );
      in
      links "d /var/run/a" == [ "/run" ] && links "d /run/a" == [ ];
    disabled-units-are-absent =
      (named {
        systemd.services.it = running // {
          enable = false;
        };
      }).init == null;

    modular-services =
      map (service: service.name) modular.init.services == [
        "web-worker-setup"
        "web"
        "web-worker"
      ];
    modular-arguments =
      ofModular.web.command.line == "\"/bin/web\" \"a 'b' \\\"c\\\" $$HOME 100% \\\\\"";
    modular-readiness =
      ofModular.web.readiness == {
        sdNotify = true;
        timeout = 90;
      };
    modular-descriptor =
      ofModular.web-worker.readiness == {
        fd = 3;
        timeout = 60;
      };
    modular-systemd-half = builtins.any (
      directory: directory.path == "/var/lib/worker"
    ) ofModular.web-worker.directories;
    modular-files = builtins.any (
      file: file.destination == "/etc/system-services/web/web.conf" && file.text == "port = 80\n"
    ) modular.config.build.files;
    modular-warnings = modular.config.warnings == [ "system.services.web: of the service" ];
  };

  mistakes = {
    root-directory = mistake (named {
      systemd.services.it.serviceConfig = {
        ExecStart = "/bin/it";
        RootDirectory = "/srv";
      };
    }) "oci-layout: systemd.services.it: RootDirectory is not supported in a container";
    cycle =
      mistake
        (named {
          systemd.services = {
            a = running // {
              after = [ "t.target" ];
            };
            b = running // {
              wantedBy = [ "t.target" ];
              after = [ "a.service" ];
            };
          };
          systemd.targets.t = { };
        })
        "oci-layout: s6.services: each of these waits for the next: a, b, a; remove one of them from after or before";
    no-user = mistake (named {
      systemd.services.it.serviceConfig = {
        ExecStart = "/bin/it";
        User = "nobody-declared";
      };
    }) "there is no user nobody-declared; add it to users.users";
    timer =
      mistake
        (named {
          systemd.timers.it.timerConfig.OnCalendar = "daily";
        })
        "systemd.timers.it: a container has no timers; let the cluster start a container at that time, and set `systemd.timers.it.enable = false`";
    unknown-s6 =
      mistake
        (named {
          systemd.services.it.serviceConfig = {
            Type = "forking";
            ExecStart = "/bin/it";
            PIDFile = "/run/it.pid";
          };
        })
        "systemd.services.it: Type=forking needs s6 2.14 or newer, and no package of s6.packages is s6 with a version: let the program stay";
    old-s6 =
      mistake
        (named {
          s6.packages = [
            (pkgs.s6 // { version = "2.13.1"; })
            pkgs.execline
            pkgs.busybox
          ];
          systemd.services.it.serviceConfig = {
            Type = "forking";
            ExecStart = "/bin/it";
            PIDFile = "/run/it.pid";
          };
        })
        "systemd.services.it: Type=forking needs s6 2.14 or newer, and s6.packages has 2.13.1: let the program stay in the foreground, and set Type=simple, or set s6.packages";
    # A list, as in NixOS.
    mount =
      mistake
        (named {
          systemd.mounts = [
            {
              what = "/dev/a";
              where = "/srv";
            }
          ];
        })
        "systemd.mounts.\"/srv\": a container mounts nothing; mount a volume at the path, and disable it by the option of the module that brings it";
    no-place =
      mistake
        (named {
          systemd.automounts = [ { } ];
        })
        "systemd.automounts.\"?\": a container mounts nothing; mount a volume at the path, and disable it";
    timers-have-names = mistake (named {
      systemd.timers = [ { } ];
    }) "systemd.timers' is not of type `attribute set of";
    different-values = mistake (named {
      systemd.services.it = lib.mkMerge [
        running
        { serviceConfig.ExecStart = "/bin/other"; }
      ];
    }) "oci-layout: systemd.services.it.serviceConfig.ExecStart has the values \"/bin/";
    modular-assertion = mistake (named {
      system.services.it = {
        process.argv = [ "/bin/it" ];
        services.part = {
          process.argv = [ "/bin/part" ];
          assertions = [
            {
              assertion = false;
              message = "it cannot be";
            }
          ];
        };
      };
    }) "- system.services.it-part: it cannot be";
  };

  # Steps, order, variables and rules, in a container. The last service ends it.
  run = make (
    { pkgs, ... }: {
      image.name = "units";
      users.users.web = { };
      systemd.tmpfiles.rules = [
        "d /srv/%% 0750 web web"
        "f '/srv/a b' 0640 web - - it's \"text\""
        "L /srv/link - - - - a b"
        "z '/srv/a b' 0600 - web"
        "z '/srv/a b' :0644 :root :root"
        "z /srv/absent 0600"
        "d /srv/e 0755 root root"
        "e /srv/e 1770 web 29631 1d"
        "e /srv/link 0700 root root"
        # A volume where not even root can write.
        "z /srv/fixed 0755 0 root"
        "z /srv/fixed 0755 root root"
      ];
      systemd.services = {
        db = {
          preStart = "echo pre";
          # logger writes to the socket as sd_notify does.
          script = ''
            trap 'echo stops; exit 0' TERM
            echo db
            ln -sf "$NOTIFY_SOCKET" /dev/log
            sleep 0.5
            echo db is ready
            logger READY=1
            while :; do sleep 0.1; done
          '';
          serviceConfig = {
            Type = "notify";
            RuntimeDirectory = "db/sockets";
            CacheDirectory = "db";
            CacheDirectoryMode = "0700";
            LogsDirectory = "db";
            ConfigurationDirectory = "db";
          };
          postStop = "echo never";
        };
        setup = {
          after = [ "db.service" ];
          path = [ pkgs.hello ];
          environment.TEXT = "a \"b\" 'c' $HOME\n%%d \\";
          serviceConfig = {
            Type = "oneshot";
            User = "web";
            StateDirectory = "web";
            WorkingDirectory = "%S/web";
            Environment = "\"WORDS=two words\"";
            ExecStartPre = [
              "-${pkgs.busybox}/bin/false"
              "+${pkgs.busybox}/bin/id -un"
            ];
            ExecStart = [
              "${pkgs.busybox}/bin/echo \${WORDS} $WORDS %n $$"
              "${pkgs.busybox}/bin/sh -c 'echo \"$$TEXT\"; pwd; id -un; echo $$STATE_DIRECTORY; greet'"
            ];
          };
        };
        skipped = {
          after = [ "db.service" ];
          unitConfig.ConditionPathExists = "!/srv";
          serviceConfig = {
            Type = "oneshot";
            ExecStart = "${pkgs.busybox}/bin/echo skipped";
          };
        };
        last = {
          after = [
            "setup.service"
            "skipped.service"
          ];
          script = ''
            stat -c '%n %a %U %G' /srv/% "/srv/a b" /srv/e /run/db/sockets /var/cache/db /var/log/db /etc/db /var/lib/web
            cat /srv/link
            exit 7
          '';
        };
      };
      imports = [ withDebian ];
    }
  );
}
