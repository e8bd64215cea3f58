# Which services start, and after which others.
let
  service = unit: { serviceConfig.ExecStart = "/bin/a"; } // unit;
  oneshot =
    unit:
    {
      serviceConfig = {
        ExecStart = "/bin/a";
        Type = "oneshot";
      };
    }
    // unit;
  after = names: { after = names; };
in
{
  direct = {
    given.services = {
      web = service {
        after = [
          "db.service"
          "network.target"
          "gone.service"
        ];
        requires = [ "db.service" ];
      };
      db = service { };
      early = service { before = [ "db.service" ]; };
    };
    services = {
      web = after [ "db" ];
      db = after [ "early" ];
      early = after [ ];
    };
    warnings = [ ];
  };
  # As unitConfig has it, with blanks.
  inSection = {
    given.services = {
      web = service {
        unitConfig = {
          After = "db.service other.service";
          Requires = "db.service";
          BindsTo = [ "other.service" ];
          Requisite = "db.service";
          Wants = "network-online.target";
          Upholds = "other.service";
          Conflicts = "gone.service";
          DefaultDependencies = false;
        };
      };
      db = service { };
      other = service { unitConfig.Before = "db.service"; };
    };
    services = {
      web = after [
        "db"
        "other"
      ];
      db = after [ "other" ];
    };
  };

  # A target is its members, also those that name it themselves, and targets among them.
  targets = {
    given = {
      services = {
        web = service { after = [ "all.target" ]; };
        one = service { wantedBy = [ "all.target" ]; };
        two = service { requiredBy = [ "part.target" ]; };
        three = oneshot { };
        four = service { upheldBy = [ "part.target" ]; };
      };
      targets = {
        all.wants = [ "part.target" ];
        part.requires = [ "three.service" ];
      };
    };
    services.web = after [
      "four"
      "one"
      "three"
      "two"
    ];
  };
  # A member that comes after its target is no cycle.
  memberAfterTarget = {
    given.services = {
      one = service {
        wantedBy = [ "multi-user.target" ];
        after = [ "multi-user.target" ];
      };
      two = service { wantedBy = [ "multi-user.target" ]; };
    };
    services = {
      one = after [ "two" ];
      two = after [ ];
    };
  };
  targetsInOrder = {
    given = {
      services = {
        late = service { wantedBy = [ "late.target" ]; };
        first = service { wantedBy = [ "first.target" ]; };
        web = service { after = [ "late.target" ]; };
        between = service { before = [ "late.target" ]; };
      };
      targets = {
        first = { };
        late.after = [ "first.target" ];
      };
    };
    services.web = after [
      "between"
      "first"
      "late"
    ];
  };
  # sysinit.target comes before what has default dependencies.
  defaultDependencies = {
    given.services = {
      early = oneshot {
        wantedBy = [ "sysinit.target" ];
        unitConfig.DefaultDependencies = "no";
      };
      web = service { };
      detached = service { unitConfig.DefaultDependencies = false; };
    };
    services = {
      early = after [ ];
      web = after [ "early" ];
      detached = after [ ];
    };
  };
  aliases = {
    given.services = {
      web = service { after = [ "database.service" ]; };
      db = service { aliases = [ "database.service" ]; };
    };
    services.web = after [ "db" ];
  };
  kinds = {
    given.services = {
      before = oneshot { };
      daemon = service { after = [ "before.service" ]; };
      setup = oneshot { after = [ "daemon.service" ]; };
      more = oneshot { after = [ "setup.service" ]; };
    };
    services = {
      before.type = "oneshot-pre";
      daemon.type = "long-run";
      setup.type = "oneshot-post";
      more.type = "oneshot-post";
    };
  };
  # As systemd does it, on request.
  wanted = {
    given = {
      all = false;
      services = {
        web = service {
          wantedBy = [ "multi-user.target" ];
          wants = [ "helper.service" ];
          requires = [ "helper.target" ];
        };
        helper = service { };
        member = service { wantedBy = [ "helper.target" ]; };
        byHand = service {
          # Nothing is refused that does not start.
          serviceConfig.RootDirectory = "/x";
        };
        off = service {
          enable = false;
          wantedBy = [ "multi-user.target" ];
        };
        # An instance says itself what wants it.
        "many@" = service { wantedBy = [ "multi-user.target" ]; };
        "many@one" = service { wantedBy = [ ]; };
      };
      targets.helper = { };
    };
    services = {
      web = after [ ];
      helper = after [ ];
      member = after [ ];
    };
    names = [
      "helper"
      "member"
      "web"
    ];
    warnings = [
      "systemd.services.byHand does not start: no target wants it"
      "systemd.services.many@one does not start: no target wants it"
    ];
  };

  # Rules for files are a service before all others.
  tmpfiles = {
    given = {
      services.web = service { requires = [ "systemd-tmpfiles-setup.service" ]; };
      tmpfilesRules = [
        "# a comment"
        ""
        "d /run/web 0750 web www 10d -"
        "d /var/run/%%"
        "D  '/srv/a b'"
        "f+ %S/text 0600 web - - a\\tb %% c"
        "f /etc/empty"
        "L /etc/link - - - - /target"
        "L+ /etc/forced - - - - ../target"
        "x /tmp/x"
        "e /var/e - - - 1d"
      ];
      tmpfilesSettings.ten."/var/web".d = {
        mode = ":0700";
        user = "web";
        age = "-";
      };
    };
    services = {
      web = after [ "tmpfiles" ];
      tmpfiles = {
        type = "oneshot-pre";
        directories = [
          {
            path = "/run/web";
            mode = "0750";
            user = "web";
            group = "www";
          }
          {
            path = "/run/%";
            mode = "0755";
            user = "root";
            group = "root";
          }
          {
            path = "/srv/a b";
            mode = "0755";
            user = "root";
            group = "root";
          }
          {
            path = "/var/web";
            mode = "0700";
            user = "web";
            group = "root";
          }
        ];
      };
    };
  };
  onlyNothing = {
    given = {
      services = { };
      # Values after `:` are for what is new.
      tmpfilesRules = [
        "x /tmp/x"
        "z /srv/a :0600 :web :web"
        "z /srv/* - - -"
        "e /srv/* :0600 - - 10d"
      ];
    };
    names = [ ];
  };
}
