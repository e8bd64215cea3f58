# The command of the only service, as an image's entry point, if the service can be the first process of a container.
# Otherwise `null`.
{ lib, gidOfUser }:
services:
let
  service = builtins.head services;
  plain = {
    asRoot = false;
    preStart = [ ];
    postStart = [ ];
    stop = [ ];
    environmentFiles = [ ];
    workingDirectoryOptional = false;
    umask = null;
    logger = null;
    prefix = null;
    directories = [ ];
    files = [ ];
    restart = "never";
    successExitStatus = [ ];
    limits = { };
    pidFile = null;
    ambientCapabilities = [ ];
  };
  isPlain =
    service.kind == "long-run"
    && builtins.intersectAttrs plain service == plain
    # The container has no descriptor to report on. The other ways of reporting only matter to later services.
    && (service.readiness == null || !(service.readiness ? fd))
    # The image gives its user the group of that user. The number of an unknown user is the better error.
    && (
      service.user == null
      ||
        service.user.groups == [ ]
        && builtins.seq service.user.uid (service.user.gid == gidOfUser service.user.name)
    );

  # A command line in which quotes surround whole words, and nothing is expanded.
  word = "(\"[^\"\\\\$%]*\"|'[^'\\\\$%]*'|[^ \t\n\"'\\\\$%;]+)";
  # Matches forget which store paths a string refers to.
  words =
    line:
    map (word: builtins.substring 0 0 line + word) (
      map (
        part:
        let
          text = builtins.head part;
          length = builtins.stringLength text;
        in
        if builtins.match "[\"'].*" text == null then text else builtins.substring 1 (length - 2) text
      ) (builtins.filter builtins.isList (builtins.split word line))
    );
  command =
    if service.command == null || builtins.isList service.command then
      service.command
    else if service.command ? argv0 then
      null
    else if builtins.match "[ \t\n]*${word}([ \t\n]+${word})*[ \t\n]*" service.command.line != null then
      words service.command.line
    else
      null;
in
if builtins.length services == 1 && isPlain then command else null
