# What is refused. The test has the sentences.
let
  lower = import ./lower.nix;
  unit = unit: lower { services.a = unit; };
  service =
    serviceConfig:
    unit {
      serviceConfig = {
        ExecStart = "/bin/a";
      }
      // serviceConfig;
    };
  rule =
    rule:
    lower {
      services = { };
      tmpfilesRules = [ rule ];
    };
  running = unit: { serviceConfig.ExecStart = "/bin/a"; } // unit;
in
{
  unknown = service { ExecStrat = "/bin/a"; };
  wrongSection = service { After = "b.service"; };
  unknownInUnit = unit (running {
    unitConfig.Afer = "b.service";
  });
  rootDirectory = service { RootDirectory = "/srv"; };
  tmpfiles = lower {
    services.tmpfiles.serviceConfig.ExecStart = "/bin/a";
    tmpfilesRules = [ "d /run/a" ];
  };
  limitOfContainer = service { LimitRTPRIO = 99; };
  bindPaths = service { BindPaths = [ "/a" ]; };
  sockets = service { Sockets = "a.socket"; };
  encrypted = service { LoadCredentialEncrypted = "a"; };
  pam = service { PAMName = "login"; };
  network = service { NetworkNamespacePath = "/x"; };
  condition = unit (running {
    unitConfig.ConditionVirtualization = "!container";
  });
  assertion = unit (running {
    unitConfig.AssertPathExists = "/x";
  });
  triggered = unit (running {
    unitConfig.ConditionPathExists = "|/x";
  });
  confinement = unit (running {
    confinement.enable = true;
  });
  startAt = unit (running {
    startAt = "daily";
  });

  forking = service { Type = "forking"; };
  dbus = service { BusName = "org.a"; };
  idle = service { Type = "idle"; };
  noType = service { Type = "simpel"; };
  onSuccess = service { Restart = "on-success"; };
  onWatchdog = service { Restart = "on-watchdog"; };
  several = service {
    ExecStart = [
      "/bin/a"
      "/bin/b"
    ];
  };
  noCommand = unit { serviceConfig.Type = "simple"; };
  nothing = unit { };
  emptyCommand = service { ExecStart = "-"; };
  prefix = service { ExecStart = "|echo"; };
  specifier = service { ExecStart = "/bin/a %H"; };
  specifierInPath = service { WorkingDirectory = "/home/%U"; };
  quote = service { Environment = "A='b"; };
  escape = service { Environment = "A=\\q"; };
  assignment = service { Environment = "A=b c"; };
  timeSpan = service { TimeoutStopSec = "5 parsecs"; };
  limit = service { LimitNOFILE = "1K"; };
  signal = service { KillSignal = "SIGRTMIN+3"; };
  yes = service { DynamicUser = "perhaps"; };
  outside = service { StateDirectory = "../etc"; };
  absolute = service { CacheDirectory = "/srv"; };
  link = service { StateDirectory = "a:b"; };
  credential = service { LoadCredential = "key"; };
  credentialByName = service { LoadCredential = "key:key"; };
  capability = service { AmbientCapabilities = "~CAP_KILL"; };
  input = service { StandardInput = "tty"; };

  requires = unit (running {
    requires = [ "gone.service" ];
  });
  disabled = lower {
    services = {
      a = running { bindsTo = [ "b.service" ]; };
      b = running { enable = false; };
    };
  };
  requiresSocket = unit (running {
    requires = [ "a.socket" ];
  });
  targetRequires = lower {
    services = { };
    targets.t.requires = [ "gone.service" ];
  };
  conflicts = lower {
    services = {
      a = running { conflicts = [ "b.service" ]; };
      b = running { };
    };
  };

  noRule = rule "d";
  removal = rule "r /tmp/x";
  owner = rule "Z /srv 0755 a a";
  pattern = rule "z /srv/* 0755 a a";
  patternOfDirectories = rule "e /srv/* - a";
  masked = rule "z /srv ~0600";
  acl = rule "a+ /srv - - - - u:a:r";
  noType' = rule "K /srv";
  modifier = rule "f^ /srv";
  mode = rule "d /srv u+x";
}
