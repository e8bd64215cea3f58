# Each mapped directive, as it is given, and a part of what it becomes.
let
  plain = command: {
    inherit command;
    ignoreFailure = false;
    asRoot = false;
    condition = false;
  };
  line =
    line:
    plain {
      inherit line;
      unit = "a.service";
    };
  script =
    text:
    plain [
      "sh"
      "-c"
      "set -e\n${text}"
    ];
  # A service with these directives becomes one with these options.
  service = serviceConfig: expected: {
    given.services.a.serviceConfig = {
      ExecStart = "/bin/a";
    }
    // serviceConfig;
    services.a = expected;
    warnings = [ ];
  };
  unit = unit: expected: {
    given.services.a = {
      serviceConfig.ExecStart = "/bin/a";
    }
    // unit;
    services.a = expected;
    warnings = [ ];
  };
  oneshot = directives: service ({ Type = "oneshot"; } // directives);
  warned = case: warning: case // { warnings = [ "systemd.services.a: left out: ${warning}" ]; };
  directory = path: mode: {
    inherit path mode;
    user = null;
    group = null;
  };
  credential = name: source: {
    inherit source;
    path = "/run/credentials/a.service/${name}";
    mode = "0400";
    user = null;
    group = null;
  };
  package = name: {
    inherit name;
    outPath = "/store/${name}";
  };
  nixosPath = "/store/tool/bin:/store/systemd-257/bin:/store/tool/sbin:/store/systemd-257/sbin";
in
{
  simple =
    service
      {
        Type = "simple";
        KillMode = "mixed";
        StandardOutput = "journal";
        StandardError = "inherit";
        StandardInput = "null";
        PIDFile = "/run/a.pid";
      }
      {
        type = "long-run";
        command = {
          line = "/bin/a";
          unit = "a.service";
        };
        restart = "never";
        startLimit = null;
        readiness = null;
        stopSignal = "SIGTERM";
        user = null;
        after = [ ];
      };
  exec = service { Type = "exec"; } { readiness = null; };
  notify = service { Type = "notify"; } {
    readiness = {
      sdNotify = true;
      # systemd's default.
      timeout = 90;
    };
  };
  notifyReload =
    service
      {
        Type = "notify-reload";
        TimeoutStartSec = "1min 30s";
        TimeoutSec = 5;
      }
      {
        readiness = {
          sdNotify = true;
          timeout = 90;
        };
        stopTimeout = 5;
      };
  notifyForEver =
    service
      {
        Type = "notify";
        TimeoutSec = 0;
      }
      {
        readiness = {
          sdNotify = true;
          timeout = null;
        };
      };
  noTimeout = warned (oneshot {
    TimeoutStartSec = 5;
  } { readiness = null; }) "TimeoutStartSec (only services that notify have a limit)";
  rootCommand =
    service
      {
        ExecStart = "+/bin/a";
        ExecStartPre = "/bin/pre";
        User = "web";
        Group = "www";
      }
      {
        asRoot = true;
        user = "web";
        group = "www";
        preStart = [ (line "/bin/pre") ];
      };

  oneshots =
    oneshot
      {
        ExecStart = [
          ""
          "-/bin/a 1"
          "+/bin/a 2"
          "/bin/a 3"
        ];
        ExecStop = "/bin/stop";
      }
      {
        type = "oneshot-pre";
        preStart = [
          (line "/bin/a 1" // { ignoreFailure = true; })
          (line "/bin/a 2" // { asRoot = true; })
        ];
        command.line = "/bin/a 3";
        postStart = [ (line "/bin/stop") ];
        stop = [ ];
      };
  remaining =
    oneshot
      {
        RemainAfterExit = true;
        ExecStop = "/bin/stop";
      }
      {
        postStart = [ ];
        stop = [ (line "/bin/stop") ];
      };
  onlyStop = {
    given.services.a.serviceConfig = {
      RemainAfterExit = "yes";
      ExecStop = "/bin/stop";
    };
    services.a = {
      type = "oneshot-pre";
      script = ":";
      stop = [ (line "/bin/stop") ];
    };
  };

  steps =
    service
      {
        ExecCondition = "/bin/condition";
        ExecStartPre = [
          "!/bin/one 'a b' $VAR"
          "/bin/two"
        ];
        ExecStartPost = "/bin/post";
        ExecStop = [ "/bin/stop $MAINPID" ];
      }
      {
        preStart = [
          (line "/bin/condition" // { condition = true; })
          (line "/bin/one 'a b' $VAR" // { asRoot = true; })
          (line "/bin/two")
        ];
        postStart = [ (line "/bin/post") ];
        stop = [ (line "/bin/stop $MAINPID") ];
      };
  scripts =
    unit
      {
        serviceConfig = { };
        script = "exec a \"$@\"";
        scriptArgs = "%n '$x'";
        preStart = "echo pre";
        postStart = "echo post";
        preStop = "echo stop";
      }
      {
        command.line = "\"sh\" \"-c\" \"set -e\\nexec a \\\"$$@\\\"\" \"a\" a.service '$x'";
        preStart = [ (script "echo pre") ];
        postStart = [ (script "echo post") ];
        stop = [ (script "echo stop") ];
      };
  # NixOS has made programs of the texts.
  scriptsOfNixos = {
    given = {
      hasScripts = true;
      services.a = {
        script = "a";
        preStart = "b";
        reload = "c";
        serviceConfig.ExecStart = "/store/unit-script-a";
      };
    };
    services.a = {
      command.line = "/store/unit-script-a";
      preStart = [ ];
    };
    warnings = [ ];
  };
  prefixes = service { ExecStart = "-+@/bin/busybox 'my name' ntpd %% 100%%"; } {
    command = {
      line = "/bin/busybox ntpd % 100%";
      argv0 = "my name";
    };
    user = null;
    successExitStatus = builtins.genList (code: code + 1) 255;
  };
  verbatim = service { ExecStart = ":/bin/echo $HOME \${A}"; } {
    command.line = "/bin/echo $$HOME $\${A}";
  };
  # As the modules of prometheus and others write them.
  continued = service { ExecStart = "/bin/a \\\n  --b \\\n  \"c \\\\d\""; } {
    command.line = "/bin/a    --b    \"c \\\\d\"";
  };
  forking =
    service
      {
        Type = "forking";
        PIDFile = "%p/pid";
      }
      {
        pidFile = "/run/a/pid";
        readiness = null;
      };
  forkingBelowRoot = service {
    Type = "forking";
    PIDFile = "/srv/pid";
  } { pidFile = "/srv/pid"; };
  forkingBelowVarRun = service {
    Type = "forking";
    PIDFile = "/var/run/a.pid";
  } { pidFile = "/run/a.pid"; };
  # Of other types, it has no effect.
  pidFile = service { PIDFile = "/srv/pid"; } { pidFile = null; };
  asRoot =
    service
      {
        User = "web";
        PermissionsStartOnly = true;
        ExecStartPre = "/bin/pre";
      }
      {
        user = "web";
        preStart = [ (line "/bin/pre" // { asRoot = true; }) ];
      };

  user =
    service
      {
        User = "web";
        Group = "www";
        SupplementaryGroups = [
          "a b"
          "c"
        ];
        UMask = "0077";
        WorkingDirectory = "-~";
      }
      {
        user = "web";
        group = "www";
        supplementaryGroups = [
          "a"
          "b"
          "c"
        ];
        umask = "0077";
        workingDirectory = "/home/web";
        workingDirectoryOptional = true;
      };
  root = service { User = "root"; } { user = null; };
  dynamicUser =
    service
      {
        DynamicUser = true;
        WorkingDirectory = "%S/a";
      }
      {
        user = "a";
        workingDirectory = "/var/lib/a";
        workingDirectoryOptional = false;
      }
    // {
      users = [ "a" ];
    };
  dynamicUserWithName =
    service {
      DynamicUser = "yes";
      User = "b";
    } { user = "b"; }
    // {
      users = [ "b" ];
    };

  directories =
    service
      {
        StateDirectory = "a a/b";
        StateDirectoryMode = "0750";
        RuntimeDirectory = [
          "%p"
          "\"x y\""
        ];
        RuntimeDirectoryMode = 700;
        CacheDirectory = "c";
        CacheDirectoryMode = "0711";
        LogsDirectory = "l";
        LogsDirectoryMode = "0755";
        ConfigurationDirectory = "e";
        ConfigurationDirectoryMode = "0500";
      }
      {
        directories = [
          (directory "/run/a" "700")
          (directory "/run/x y" "700")
          (directory "/var/lib/a" "0750")
          (directory "/var/lib/a/b" "0750")
          (directory "/var/cache/c" "0711")
          (directory "/var/log/l" "0755")
          (
            directory "/etc/e" "0500"
            // {
              user = "root";
              group = "root";
            }
          )
        ];
        environment = {
          RUNTIME_DIRECTORY = "/run/a:/run/x y";
          STATE_DIRECTORY = "/var/lib/a:/var/lib/a/b";
          CACHE_DIRECTORY = "/var/cache/c";
          LOGS_DIRECTORY = "/var/log/l";
          CONFIGURATION_DIRECTORY = "/etc/e";
        };
      };
  credentials =
    service
      {
        LoadCredential = [ "key:/mnt/key:1" ];
        SetCredential = "text:a\\x41\\n%n";
      }
      {
        directories = [ (directory "/run/credentials/a.service" "0700") ];
        files = [
          (credential "text" "/store/credential-text: aA\na.service")
          (credential "key" "/mnt/key:1")
        ];
        environment.CREDENTIALS_DIRECTORY = "/run/credentials/a.service";
      };

  environment =
    unit
      {
        environment = {
          A = "from the unit";
          QUOTES = "\"'\\\n%%";
          NOTHING = null;
          NUMBER = 7;
        };
        serviceConfig = {
          ExecStart = "/bin/a";
          Environment = [
            "A=1 \"B=x y\" 'C=\\'z\\''"
            "A=2"
            "\"D=%S/%i 100%\""
          ];
          EnvironmentFile = [
            "-/run/%N.env"
            "/etc/env"
          ];
        };
      }
      {
        environment = {
          A = "2";
          B = "x y";
          C = "'z'";
          D = "/var/lib/ 100%";
          NUMBER = "7";
          QUOTES = "\"'\\\n%";
        };
        environmentFile = [
          "-/run/a.env"
          "/etc/env"
        ];
      };
  path =
    unit
      {
        environment.PATH = nixosPath;
        path = [
          (package "tool")
          (package "systemd-257")
        ];
      }
      {
        path = [ (package "tool") ];
        environment = { };
      };

  limits =
    service
      {
        LimitAS = "1G";
        LimitCORE = "0";
        LimitCPU = "90s";
        LimitDATA = "1K:infinity";
        LimitFSIZE = 5;
        LimitMEMLOCK = "64M";
        LimitNOFILE = "1024:65536";
        LimitNPROC = 10;
        LimitRSS = "infinity";
        LimitSTACK = "8M";
        AmbientCapabilities = "CAP_NET_BIND_SERVICE cap_kill";
      }
      {
        limits = {
          as = "1073741824";
          core = "0";
          cpu = "90";
          data = "1024:infinity";
          fsize = "5";
          memlock = "67108864";
          nofile = "1024:65536";
          nproc = "10";
          rss = "infinity";
          stack = "8388608";
        };
        ambientCapabilities = [
          "CAP_NET_BIND_SERVICE"
          "cap_kill"
        ];
      };

  restarts =
    service
      {
        Restart = "always";
        RestartSec = "1min 500ms";
        SuccessExitStatus = "3 TEMPFAIL SIGUSR1";
        KillSignal = "INT";
        TimeoutStopSec = "2min";
      }
      {
        restart = "always";
        restartDelay = 60.5;
        # systemd's default.
        startLimit = {
          burst = 5;
          interval = 10;
        };
        successExitStatus = [
          3
          75
          138
        ];
        stopSignal = "SIGINT";
        stopTimeout = 120;
      };
  restartByDefault = service { Restart = "on-failure"; } {
    restart = "on-failure";
    restartDelay = 0.1;
  };
  neverKilled =
    service
      {
        TimeoutSec = "infinity";
        KillSignal = 3;
      }
      {
        stopTimeout = null;
        stopSignal = "SIGQUIT";
      };
  limitsOfStarts =
    unit
      {
        serviceConfig = {
          ExecStart = "/bin/a";
          Restart = "always";
          StartLimitBurst = 9;
          StartLimitInterval = 9;
        };
        unitConfig = {
          StartLimitBurst = "3";
          StartLimitInterval = 4;
          StartLimitIntervalSec = "1min";
        };
      }
      {
        startLimit = {
          burst = 3;
          interval = 60;
        };
      };
  noLimitOfStarts = unit {
    serviceConfig = {
      ExecStart = "/bin/a";
      Restart = "always";
    };
    startLimitIntervalSec = 0;
  } { startLimit = null; };
  abnormal = warned (service { Restart = "on-abnormal"; } {
    restart = "on-failure";
  }) "Restart=on-abnormal (it is Restart=on-failure)";
  killMode = warned (service { KillMode = "none"; } {
    type = "long-run";
  }) "KillMode=none (it is KillMode=mixed)";
  output = warned (service { StandardOutput = "append:/var/log/a"; } {
    type = "long-run";
  }) "StandardOutput=append:/var/log/a (output goes to that of the container)";
  severalDropped =
    warned
      (service {
        PrivateTmp = true;
        ExecReload = "/bin/kill -HUP $MAINPID";
        ProtectSystem = "strict";
      } { type = "long-run"; })
      "ExecReload (nothing reloads a service in a container); PrivateTmp, ProtectSystem (the container's runtime restricts processes)";
  droppedTexts = {
    given.services.a = {
      serviceConfig.ExecStart = "/bin/a";
      postStop = "rm x";
      partOf = [ "b.service" ];
      wants = [
        "gone.service"
        "network-online.target"
      ];
      path = [ "/run/wrappers" ];
    };
    warnings = [
      "systemd.services.a: left out: ExecStopPost (a container ends with its services); path: /run/wrappers (only packages can be on PATH); PartOf (services start and stop in one order, each on its own); Wants=gone.service (the image does not have it)"
    ];
  };

  conditions =
    unit
      {
        unitConfig = {
          ConditionPathExists = [
            "!/var/lib/done"
            "/etc/%N"
          ];
          ConditionPathIsDirectory = "/a";
          ConditionPathIsSymbolicLink = "/b";
          ConditionFileNotEmpty = "/c";
          ConditionFileIsExecutable = "/d";
          X-Restart-Triggers = "a note of NixOS";
        };
      }
      {
        preStart =
          map
            (
              test:
              plain (
                [
                  "sh"
                  "-c"
                ]
                ++ test
              )
              // {
                asRoot = true;
                condition = true;
              }
            )
            [
              [
                "test -f \"$1\" && test -x \"$1\""
                "condition"
                "/d"
              ]
              [
                "test -f \"$1\" && test -s \"$1\""
                "condition"
                "/c"
              ]
              [
                "! ( test -e \"$1\" )"
                "condition"
                "/var/lib/done"
              ]
              [
                "test -e \"$1\""
                "condition"
                "/etc/a"
              ]
              [
                "test -d \"$1\""
                "condition"
                "/a"
              ]
              [
                "test -L \"$1\""
                "condition"
                "/b"
              ]
            ];
      };
  emptyDirectory = {
    given.services.a = {
      serviceConfig.ExecStart = "/bin/a";
      unitConfig.ConditionDirectoryNotEmpty = "/a";
    };
    warnings = [ ];
  };

  template = {
    given.services = {
      "a@" = {
        serviceConfig = {
          ExecStart = "/bin/a %i";
          ExecStartPre = "/bin/first";
          Environment = "A=1";
          User = "web";
        };
      };
      "a@one".serviceConfig = {
        User = "one";
        Environment = [ "B=2" ];
        ExecStartPre = "/bin/second";
      };
      "b@" = {
        serviceConfig.ExecStart = "/bin/b";
        path = [ (package "one") ];
        preStart = "of the template";
        postStart = "of the template";
        after = [ "a@one.service" ];
      };
      # As the options of units give it.
      "b@one" = {
        path = [ (package "two") ];
        # As NixOS makes it.
        environment.PATH = "/store/two/bin:/store/two/sbin";
        preStart = "";
        postStart = "its own";
        after = [ ];
        startLimitBurst = null;
      };
    };
    services."b@one" = {
      environment = { };
      after = [ "a@one" ];
      path = map package [
        "one"
        "two"
      ];
      preStart = [ (script "of the template") ];
      postStart = [ (script "its own") ];
    };
    services."a@one" = {
      environment = {
        A = "1";
        B = "2";
      };
      preStart = [
        (
          line "/bin/first"
          // {
            command.line = "/bin/first";
            command.unit = "a@one.service";
          }
        )
        (
          line "/bin/second"
          // {
            command.line = "/bin/second";
            command.unit = "a@one.service";
          }
        )
      ];
      command = {
        line = "/bin/a one";
        unit = "a@one.service";
      };
      user = "one";
    };
  };
}
