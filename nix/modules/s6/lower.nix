# A service in the terms of the step `services`, with numbers for names and every member present.
{
  lib,
  ids,
  shell,
  path,
}:
name: service:
let
  place = "s6.services.${name}";

  commandOf =
    command:
    if builtins.isString command then
      {
        line = command;
        unit = name;
      }
    else
      command;
  scriptOf =
    script:
    shell
    ++ [
      "-c"
      "set -e\n${script}"
    ];
  # A text is a script, an element of a list a command.
  stepsOf =
    steps:
    if builtins.isString steps then
      lib.optional (steps != "") (plainStep (scriptOf steps))
    else
      map (
        step:
        if step ? command then
          plainStep (commandOf step.command) // removeAttrs step [ "command" ]
        else
          plainStep (commandOf step)
      ) steps;
  plainStep = command: {
    inherit command;
    ignoreFailure = false;
    asRoot = false;
    condition = false;
  };

  uid = if service.user == null then 0 else ids.uidOf "${place}.user" service.user;
  gid =
    if service.group != null then
      ids.gidOf "${place}.group" service.group
    else if service.user == null then
      0
    else
      ids.gidOfUser service.user;
  groups =
    lib.optionals (service.user != null) (ids.groupsOf service.user) ++ service.supplementaryGroups;
  home = ids.homeOf (if service.user == null then "root" else service.user);
  owner = of: {
    uid = if of.user == null then uid else ids.uidOf place of.user;
    gid =
      if of.group != null then
        ids.gidOf place of.group
      else if of.user == null then
        gid
      else
        ids.gidOfUser of.user;
  };

  fileOf =
    file:
    if lib.hasPrefix "-" file then
      {
        path = lib.removePrefix "-" file;
        optional = true;
      }
    else
      {
        path = file;
        optional = false;
      };
  variables = lib.filterAttrs (_: value: value != null) (
    lib.optionalAttrs (service.path != [ ]) { PATH = "${lib.makeBinPath service.path}:${path}"; }
    // service.environment
  );
in
{
  inherit name;
  kind = service.type;
  command = if service.script != null then scriptOf service.script else commandOf service.command;
  preStart = stepsOf service.preStart;
  postStart = stepsOf service.postStart;
  stop = stepsOf service.stop;
  user =
    if service.user == null && service.group == null && groups == [ ] then
      null
    else
      {
        inherit uid gid;
        groups = lib.unique (map (ids.gidOf place) groups);
        name = if service.user == null then "root" else service.user;
        inherit home;
      };
  environment = builtins.mapAttrs (_: value: "${toString value}") variables;
  environmentFiles = map fileOf (
    if service.environmentFile == null then [ ] else lib.toList service.environmentFile
  );
  inherit (service)
    ambientCapabilities
    asRoot
    limits
    pidFile
    prefix
    restart
    restartDelay
    startLimit
    stopSignal
    stopTimeout
    successExitStatus
    umask
    workingDirectoryOptional
    ;
  workingDirectory =
    if service.workingDirectory != "~" then
      service.workingDirectory
    else if service.user == null then
      throw "oci-layout: ${place}.workingDirectory: the service has no user whose home ~ could be; set user, or write a path"
    else
      home;
  logger =
    if builtins.isString service.execLogger then
      builtins.filter (word: word != "") (lib.splitString " " service.execLogger)
    else
      service.execLogger;
  directories = map (
    directory:
    let
      entry =
        if builtins.isString directory then
          {
            path = directory;
            mode = "0755";
            user = null;
            group = null;
            recursive = true;
          }
        else
          directory;
    in
    {
      inherit (entry) path mode recursive;
    }
    // owner entry
  ) service.directories;
  files = map (
    file:
    {
      inherit (file) source path mode;
    }
    // owner file
  ) service.files;
  readiness =
    if service.readiness == null then
      null
    else if service.readiness.fd != null then
      { inherit (service.readiness) fd timeout; }
    else if service.readiness.sdNotify then
      { inherit (service.readiness) sdNotify timeout; }
    else
      { inherit (service.readiness) command interval timeout; };
}
