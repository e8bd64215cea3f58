# What nix-container-images tests of its services, in the sandbox: each test has the names that it has there.
{
  named,
  oci,
  pkgs,
  withDebian,
  ...
}:
let
  test =
    module: script:
    oci.ociTestImage {
      image = named {
        imports = [
          module
          withDebian
        ];
      };
      inherit script;
    };
  stays = "trap 'exit 0' TERM; while :; do ${pkgs.busybox}/bin/sleep 0.1; done";
  once = script: after: {
    inherit after script;
    serviceConfig.Type = "oneshot";
  };
in
{
  # dependentOneshot, oneshotPost, preStart, oneshotPre, s6SimpleService, path, env, workingDirectory, propagatedEnv,
  # preservePATH, logger.
  surroundings =
    test
      {
        image.environment = {
          CONTAINER = "its own";
          PATH = "/a/path/of/its/own";
        };
        systemd.services = {
          before = once "echo before" [ ];
          between = once "echo between" [ "before.service" ];
          daemon = {
            after = [ "between.service" ];
            preStart = "echo before each start";
            path = [ pkgs.hello ];
            environment.TEXT = "a 'b'";
            serviceConfig.WorkingDirectory = "/srv";
            script = ''
              greet
              echo "$TEXT, $PWD, $CONTAINER"
              ${stays}
            '';
          };
          after = once "echo after" [ "daemon.service" ];
        };
        s6.services = {
          logged = {
            script = "echo through the logger; ${stays}";
            execLogger = [
              "${pkgs.busybox}/bin/sh"
              "-c"
              "while read -r line; do echo \"logged: $line\"; done"
            ];
          };
          last = {
            type = "oneshot-post";
            script = ''echo "PATH=$PATH"'';
            after = [
              "after"
              "logged"
            ];
          };
        };
        files = [
          {
            destination = "/srv";
            directory = true;
          }
        ];
      }
      ''
        start
        eventually grep -q ^PATH= log
        eventually grep -qx 'logged: through the logger' log
        stop
        # The sandbox refuses a bit that s6-supervise sets, which then starts again.
        grep -v '^logged: \|^s6-supervise ' log > others
        cmp others - <<END
        before
        between
        before each start
        hello
        a 'b', /srv, its own
        after
        PATH=/a/path/of/its/own
        END
      '';

  # stopIfOneshotFail.
  oneshotFails =
    test
      {
        systemd.services.fails = once "exit 5" [ ];
        systemd.services.later = {
          after = [ "fails.service" ];
          script = "echo later; ${stays}";
        };
      }
      ''
        code=0
        start
        finish || code=$?
        test "$code" = 5
        test "$(grep -c '^later' log)" = 0
      '';

  # stopIfLongrunNoRestartFails, after stopIfLongrunRestart: two starts, and then the other service.
  daemonsFail =
    test
      {
        s6.services.again = {
          script = "echo again; exit 1";
          restartOnFailure = true;
          restartDelay = 0;
        };
        s6.services.ends = {
          script = "while [ ! -e /tmp/end ]; do ${pkgs.busybox}/bin/sleep 0.1; done; exit 6";
          after = [ "again" ];
        };
      }
      ''
        twice() {
            test "$(grep -cx again log)" -ge 2
        }
        code=0
        start
        eventually twice
        touch "$root/tmp/end"
        finish || code=$?
        test "$code" = 6
      '';

  # s6DontTerminateOnError.
  failuresEndNothing =
    test
      {
        image.environment.S6_DONT_TERMINATE_ON_ERROR = "1";
        s6.services.fails.script = "exit 7";
        s6.services.goes-on.script = "echo goes on; ${stays}";
      }
      ''
        start
        eventually grep -q 'fails failed with 7' log
        eventually grep -qx 'goes on' log
        stop
      '';
}
