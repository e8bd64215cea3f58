# How a service starts, fails and stops, beyond its commands: kind, readiness, restarts, signals and exit codes.
{ quantities, values }:
{
  place,
  unit,
  serviceConfig,
}:
let
  get = name: values.lastOf (serviceConfig.${name} or null);
  textOf =
    name: otherwise:
    let
      value = get name;
    in
    if value == null then otherwise else values.textOf value;
  unitConfig = unit.unitConfig or { };

  hasCommand = values.listOf (serviceConfig.ExecStart or null) != [ ] || unit.script or "" != "";
  type = textOf "Type" (
    if get "BusName" != null then
      "dbus"
    else if hasCommand then
      "simple"
    else
      "oneshot"
  );
  notifies = {
    sdNotify = true;
    timeout =
      let
        inSeconds = quantities.seconds "${place}: TimeoutStartSec" startTimeout;
      in
      # As in systemd, 0 is no limit.
      if inSeconds == 0 then null else inSeconds;
  };
  types = {
    exec = { };
    forking = { };
    notify = notifies;
    notify-reload = notifies;
    oneshot = { };
    simple = { };
  };
  refused = {
    dbus = "a container has no message bus; set Type=simple";
    idle = "it waits for jobs of systemd; set Type=simple";
  };
  readiness =
    types.${type} or (throw "oci-layout: ${place}: Type=${type} is not supported: ${
      refused.${type} or "systemd has no such type"
    }");

  numbers = {
    HUP = 1;
    INT = 2;
    QUIT = 3;
    ABRT = 6;
    KILL = 9;
    USR1 = 10;
    SEGV = 11;
    USR2 = 12;
    PIPE = 13;
    ALRM = 14;
    TERM = 15;
    CONT = 18;
    WINCH = 28;
  };
  ofNumber = builtins.listToAttrs (
    map (name: {
      name = toString numbers.${name};
      value = name;
    }) (builtins.attrNames numbers)
  );
  signal =
    directive: text:
    let
      parts = builtins.match "(SIG)?([A-Z0-9]+)" text;
      name = if parts == null then null else ofNumber.${text} or (builtins.elemAt parts 1);
    in
    if name == null || !(numbers ? ${name}) then
      throw "oci-layout: ${place}: ${directive}: the signal ${text} is not supported; use one of ${
        builtins.concatStringsSep ", " (map (name: "SIG${name}") (builtins.attrNames numbers))
      }"
    else
      name;

  # sysexits.h, and the codes that systemd takes from the Linux Standard Base.
  codes = {
    SUCCESS = 0;
    FAILURE = 1;
    INVALIDARGUMENT = 2;
    NOTIMPLEMENTED = 3;
    NOPERMISSION = 4;
    NOTINSTALLED = 5;
    NOTCONFIGURED = 6;
    NOTRUNNING = 7;
    USAGE = 64;
    DATAERR = 65;
    NOINPUT = 66;
    NOUSER = 67;
    NOHOST = 68;
    UNAVAILABLE = 69;
    SOFTWARE = 70;
    OSERR = 71;
    OSFILE = 72;
    CANTCREAT = 73;
    IOERR = 74;
    TEMPFAIL = 75;
    PROTOCOL = 76;
    NOPERM = 77;
    CONFIG = 78;
  };
  code =
    text:
    if builtins.match "[0-9]+" text != null then
      builtins.fromJSON text
    else
      codes.${text} or (128 + numbers.${signal "SuccessExitStatus" text});

  restarts = {
    no = "never";
    always = "always";
    on-failure = "on-failure";
    on-abnormal = "on-failure";
    on-abort = "on-failure";
  };
  restartText =
    let
      text = textOf "Restart" "no";
    in
    # A `false` of Nix, or NixOS' own.
    if text == "false" then "no" else text;
  restart =
    restarts.${restartText}
      or (throw "oci-layout: ${place}: Restart=${restartText} is not supported; use no, on-failure or always");

  first =
    list: otherwise:
    let
      found = builtins.filter (value: value != null) list;
    in
    if found == [ ] then otherwise else builtins.head found;
  burst = first [
    (unit.startLimitBurst or null)
    (unitConfig.StartLimitBurst or null)
    (get "StartLimitBurst")
  ] 5;
  interval = quantities.wholeSeconds "${place}: StartLimitIntervalSec" (
    first [
      (unit.startLimitIntervalSec or null)
      (unitConfig.StartLimitIntervalSec or null)
      (unitConfig.StartLimitInterval or null)
      (get "StartLimitInterval")
    ] 10
  );
  hasLimit = restart != "never" && interval != 0 && toString burst != "0";
  startTimeout = first [
    (get "TimeoutStartSec")
    (get "TimeoutSec")
    # The default of systemd.
  ] 90;
  stopTimeout = first [
    (get "TimeoutStopSec")
    (get "TimeoutSec")
  ] null;
  inSeconds = quantities.wholeSeconds "${place}: TimeoutStopSec" stopTimeout;
  killMode = textOf "KillMode" "control-group";
in
{
  inherit type;
  isOneshot = type == "oneshot";
  dropped =
    (
      if restartText == "on-abnormal" || restartText == "on-abort" then
        [
          {
            name = "Restart=${restartText}";
            text = "it is Restart=on-failure";
          }
        ]
      else
        [ ]
    )
    ++ (
      if
        builtins.elem killMode [
          "control-group"
          "mixed"
          "process"
        ]
      then
        [ ]
      else
        [
          {
            name = "KillMode=${killMode}";
            text = "it is KillMode=mixed";
          }
        ]
    )
    ++ (
      if get "TimeoutStartSec" == null || readiness ? sdNotify then
        [ ]
      else
        [
          {
            name = "TimeoutStartSec";
            text = "only services that notify have a limit";
          }
        ]
    );
  options = {
    inherit restart;
    readiness = if readiness == { } then null else readiness;
    successExitStatus = map code (values.blankSeparated (serviceConfig.SuccessExitStatus or null));
    startLimit =
      if !hasLimit then
        null
      else
        {
          burst = if builtins.isString burst then builtins.fromJSON burst else burst;
          # A limit for the whole life of the container is one for a year.
          interval = if interval == null then 31557600 else interval;
        };
    stopSignal = "SIG${signal "KillSignal" (textOf "KillSignal" "SIGTERM")}";
  }
  // (
    if restart == "never" then
      { }
    else
      {
        restartDelay =
          let
            delay = quantities.seconds "${place}: RestartSec" (first [ (get "RestartSec") ] "100ms");
          in
          if delay == null then
            throw "oci-layout: ${place}: RestartSec=infinity never restarts; set Restart=no"
          else
            delay;
      }
  )
  // (
    if stopTimeout == null then
      { }
    else
      # As in systemd, 0 is no limit.
      { stopTimeout = if inSeconds == 0 then null else inSeconds; }
  );
}
