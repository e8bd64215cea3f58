# The options of a service.
{ lib }:
{ config, name, ... }:
let
  inherit (lib) mkOption types;
  option =
    type: default: description:
    mkOption { inherit type default description; };
  argv = types.listOf types.str;
  seconds = types.either types.int types.float;
  command = types.either types.str (types.either argv (types.attrsOf types.str));
  step = types.either types.str (types.either argv (types.attrsOf types.raw));
  steps = types.either types.lines (types.listOf step);

  owned = {
    user =
      option (types.nullOr types.str) null
        "The name of the owner. `null` is the user of the service.";
    group =
      option (types.nullOr types.str) null
        "The name of the owner's group. `null` is that of the service.";
  };
  directory = types.submodule {
    options = owned // {
      path = mkOption {
        type = types.path;
        description = "The path in the container.";
      };
      mode = option types.str "0755" "The octal digits of the mode.";
      recursive =
        option types.bool true
          "Whether a start that changes the owner also changes it of all that the directory contains.";
    };
  };
  file = types.submodule {
    options = owned // {
      source = mkOption {
        type = types.path;
        description = "The file that is copied when the container starts.";
      };
      path = mkOption {
        type = types.path;
        description = "The path of the copy in the container.";
      };
      mode = option types.str "0400" "The octal digits of the mode.";
    };
  };
  readiness = types.submodule {
    options = {
      fd =
        option (types.nullOr types.ints.unsigned) null
          "The number of the descriptor that the program writes a line to when it is ready.";
      sdNotify = option types.bool false "Whether the program reports by `sd_notify`.";
      command =
        option argv [ ]
          "A program with its arguments that ends with 0 when the service is ready.";
      interval = option seconds 0.2 "The time between two calls of `command`, in seconds.";
      timeout =
        option (types.nullOr seconds) 60
          "The time after which a service that is not ready has failed, in seconds. With `null` it has any time.";
    };
  };
  startLimit = types.submodule {
    options = {
      burst = option types.ints.positive 5 "The number of starts.";
      interval = option seconds 10 "The time in which the starts count, in seconds.";
    };
  };
in
{
  options = {
    enable = option types.bool true "Whether the image runs the service.";
    type = mkOption {
      type = types.enum [
        "oneshot-pre"
        "long-run"
        "oneshot-post"
      ];
      default = "long-run";
      description = ''
        `oneshot-pre` ends before later services start, `long-run` is a daemon that stays in the foreground, and
        `oneshot-post` runs when the daemons are ready.
      '';
    };
    command = option (types.nullOr command) null ''
      The program with its arguments, which are passed as they are. A string is a command line with the quotes and
      variables of systemd's `ExecStart`.
    '';
    execStart = option (types.nullOr command) null "Another name for `command`.";
    asRoot =
      option types.bool false
        "Whether `command` runs as root. The commands around it run as `user`, who owns `directories` and `files`.";
    script =
      option (types.nullOr types.lines) null
        "A script for `s6.shell`, instead of `command`. The first command that fails ends it.";
    preStart = option steps [ ] ''
      What runs before each start: a script, or a list of commands. A command is a list, a string as in `command`, or a set
      of `command`, `ignoreFailure`, `asRoot` and `condition`. If a `condition` fails, the service is skipped.
    '';
    postStart = option steps [ ] "What runs when the service is ready, as in `preStart`.";
    stop = option steps [ ] "What runs to stop the service, before the signal, as in `preStart`.";
    after =
      option argv [ ]
        "The names of services that start before this one. Oneshots have ended, and daemons are ready.";
    before = option argv [ ] "The names of services that start after this one.";
    user =
      option (types.nullOr types.str) null
        "The name of the user that runs the service. `null` is the user of the container, by default root.";
    group =
      option (types.nullOr types.str) null
        "The name of its group. `null` is the primary group of `user`.";
    supplementaryGroups = option argv [ ] "The names of further groups.";
    environment = option (types.attrsOf (
      types.nullOr (
        types.oneOf [
          types.str
          types.int
          types.path
          types.package
        ]
      )
    )) { } "Environment variables, in addition to those of the container. `null` stands for none.";
    environmentFile = option (types.nullOr (types.either types.str argv)) null ''
      A file with environment variables, or several. They are read at each start and never run. A `-` before the path
      says that the file may be missing.
    '';
    path =
      option (types.listOf types.package) [ ]
        "Packages whose programs come before the others on the service's `PATH`.";
    workingDirectory =
      option (types.nullOr types.str) null
        "The working directory. `~` is the home of `user`.";
    workingDirectoryOptional =
      option types.bool false
        "Whether the service starts in `/` if there is no such directory.";
    umask = option (types.nullOr types.str) null "The octal digits of the mask for new files.";
    execLogger = option (types.nullOr (
      types.either types.str argv
    )) null "A program that reads the output of the service.";
    prefix = option (types.nullOr types.str) null "A text before each line of output.";
    directories = option (types.listOf (types.either types.path directory)) [ ] ''
      Directories that the service owns. The image contains them, and each start makes them again, because a volume may
      hide them.
    '';
    files = option (types.listOf file) [ ] "Files that each start copies, for example credentials.";
    readiness =
      option (types.nullOr readiness) null
        "How the service says that it is ready. With `null` it is ready at once.";
    pidFile = option (types.nullOr types.path) null ''
      The file in which a program that goes to the background writes its process ID. The service is ready when it has done
      so. This needs s6 2.14 or newer.
    '';
    restart =
      option
        (types.enum [
          "never"
          "on-failure"
          "always"
        ])
        "never"
        "When a daemon starts again. If it does not, its end is the end of the container, with the same exit code.";
    restartOnFailure = option types.bool false "Another way to write `restart = \"on-failure\"`.";
    restartDelay = option seconds 1 "The time before a daemon starts again, in seconds.";
    startLimit =
      option (types.nullOr startLimit) null
        "How often a daemon may start. `null` sets no limit.";
    successExitStatus = option (types.listOf types.int) [ ] "Exit codes that count as 0.";
    stopSignal = option types.str "SIGTERM" "The signal that stops the service.";
    stopTimeout =
      option (types.nullOr seconds) 10
        "The time after which the service is killed, in seconds. With `null`, only the runtime kills it.";
    limits =
      option (types.attrsOf types.str) { }
        "Soft limits of resources by their names, for example `nofile`: a number, or `infinity`.";
    ambientCapabilities =
      option argv [ ]
        "The capabilities that the service keeps although its user is not root.";
  };

  config = {
    command = lib.mkIf (config.execStart != null) config.execStart;
    restart = lib.mkIf config.restartOnFailure (lib.mkDefault "on-failure");
  };
}
