# One unit as a value of `s6.services`, with its warnings and the accounts that it needs.
{
  classify,
  commands,
  directories,
  environment,
  homeOf,
  lib,
  lifecycle,
  quantities,
  specifiersOf,
  s6Version,
  values,
  # Whether texts as `script` are in the directives already, as NixOS does it.
  hasScripts,
}:
{
  name,
  unit,
  # The services that start before this one, and those of them that run as long as the container or follow one that does.
  after,
  isPost,
  absent,
}:
let
  place = "systemd.services.${name}";
  serviceConfig = unit.serviceConfig or { };
  unitConfig = unit.unitConfig or { };
  specifiers = specifiersOf name;
  context = {
    inherit
      name
      place
      serviceConfig
      specifiers
      unit
      ;
  };
  get = directive: values.lastOf (serviceConfig.${directive} or null);
  expanded =
    directive:
    let
      value = get directive;
    in
    if value == null then null else specifiers.expand "${place}: ${directive}" (values.textOf value);
  isTrue = directive: values.isTrue "${place}: ${directive}" (get directive);

  command = commands { inherit name place specifiers; };
  life = lifecycle { inherit place serviceConfig unit; };
  owned = directories {
    inherit
      name
      place
      serviceConfig
      specifiers
      ;
  };
  variables = environment {
    inherit
      place
      serviceConfig
      specifiers
      unit
      ;
  };

  script =
    attribute: arguments:
    lib.optional (!hasScripts && !(values.isEmpty (unit.${attribute} or ""))) (
      command.script unit.${attribute} arguments
    );
  steps =
    attribute: directive:
    map (
      step:
      step
      // {
        asRoot = step.asRoot || isTrue "PermissionsStartOnly";
        condition = false;
      }
    ) (script attribute "" ++ command.lines directive (serviceConfig.${directive} or null));

  main =
    command.lines "ExecStart" (serviceConfig.ExecStart or null)
    ++ script "script" (unit.scriptArgs or "");
  last = builtins.elemAt main (builtins.length main - 1);
  early = lib.optionals life.isOneshot (
    map (step: step // { condition = false; }) (
      builtins.genList (builtins.elemAt main) (if main == [ ] then 0 else builtins.length main - 1)
    )
  );
  stops = steps "preStop" "ExecStop";
  # A oneshot that does not remain is stopped when it has ended.
  stopsAtOnce = life.isOneshot && !(isTrue "RemainAfterExit");

  tests = {
    ConditionDirectoryNotEmpty = ''for file in "$1"/* "$1"/.[!.]*; do test ! -e "$file" || exit 0; done; exit 1'';
    ConditionFileIsExecutable = "test -f \"$1\" && test -x \"$1\"";
    ConditionFileNotEmpty = "test -f \"$1\" && test -s \"$1\"";
    ConditionPathExists = "test -e \"$1\"";
    ConditionPathIsDirectory = "test -d \"$1\"";
    ConditionPathIsSymbolicLink = "test -L \"$1\"";
  };
  condition =
    directive: value:
    let
      text = specifiers.expand "${place}: ${directive}" (values.textOf value);
      parts = builtins.match "(\\|?)(!?)(/.*)" text;
    in
    if parts == null || builtins.head parts != "" then
      throw "oci-layout: ${place}: ${directive}=${text} is not supported; write a path, or ! and a path"
    else
      command.test tests.${directive} (builtins.elemAt parts 1 == "!") (
        lib.addContextFrom text (builtins.elemAt parts 2)
      );
  conditions = builtins.concatMap (
    directive: map (condition directive) (values.listOf (unitConfig.${directive} or null))
  ) (builtins.attrNames tests);

  # s6 2.14 has the program that waits for such a daemon.
  canWatch = s6Version != null && builtins.compareVersions s6Version "2.14" >= 0;
  foreground = "let the program stay in the foreground, and set Type=simple";
  pidFile =
    let
      file = expanded "PIDFile";
    in
    if life.type != "forking" then
      null
    else if file == null then
      throw "oci-layout: ${place}: Type=forking is not supported without PIDFile: ${foreground}, or set PIDFile"
    else if !canWatch then
      throw "oci-layout: ${place}: Type=forking needs s6 2.14 or newer, and ${
        if s6Version == null then
          "no package of s6.packages is s6 with a version"
        else
          "s6.packages has ${s6Version}"
      }: ${foreground}, or set s6.packages"
    else if builtins.substring 0 1 file == "/" then
      values.ofRun file
    else
      "/run/${file}";

  isDynamic = isTrue "DynamicUser";
  user =
    let
      given = expanded "User";
    in
    if given != null then
      given
    else if isDynamic then
      builtins.head (builtins.match "([^@]*).*" name)
    else
      null;
  account = if user == "root" || user == "0" then null else user;
  group = expanded "Group";

  directory = expanded "WorkingDirectory";
  directoryParts = builtins.match "(-?)(.*)" directory;
  workingDirectory =
    if builtins.elemAt directoryParts 1 == "~" then
      homeOf (if account == null then "root" else account)
    else
      lib.addContextFrom directory (builtins.elemAt directoryParts 1);

  limits = builtins.listToAttrs (
    builtins.concatMap (
      directive:
      let
        parts = builtins.match "Limit([A-Z]+)" directive;
        value = get directive;
      in
      if parts == null || value == null then
        [ ]
      else
        [
          {
            name = lib.toLower (builtins.head parts);
            value = quantities.limit "${place}: ${directive}" (builtins.head parts) value;
          }
        ]
    ) (builtins.attrNames serviceConfig)
  );
  capabilities = values.blankSeparated (serviceConfig.AmbientCapabilities or null);

  # Attributes of the unit that stand for directives.
  attributes = {
    PartOf = unit.partOf or [ ];
    OnFailure = unit.onFailure or [ ];
    OnSuccess = unit.onSuccess or [ ];
  };
  given = lib.filterAttrs (_: names: names != [ ]) attributes;
  texts = {
    ExecReload = unit.reload or "";
    ExecStopPost = unit.postStop or "";
  };
  givenTexts = if hasScripts then { } else lib.filterAttrs (_: text: !(values.isEmpty text)) texts;
  output =
    directive:
    let
      value = get directive;
    in
    lib.optional
      (
        value != null
        && !(builtins.elem value [
          "inherit"
          "journal"
          "journal+console"
          "kmsg"
          "kmsg+console"
          "syslog"
          "tty"
        ])
      )
      {
        name = "${directive}=${values.textOf value}";
        text = "output goes to that of the container";
      };
  dropped =
    classify.dropped name "Unit" (unitConfig // given)
    ++ classify.dropped name "Service" (serviceConfig // givenTexts)
    ++ life.dropped
    ++ output "StandardOutput"
    ++ output "StandardError"
    ++ variables.droppedPath
    ++ map (other: {
      name = "Wants=${other}";
      text = "the image does not have it";
    }) absent;

  checked =
    value:
    if unit.confinement.enable or false then
      throw "oci-layout: ${place}: confinement is not supported in a container: it needs RootDirectory; disable it"
    else if lib.toList (unit.startAt or [ ]) != [ ] then
      throw "oci-layout: ${place}: startAt is not supported: a container has no timers; let the cluster start a container at that time"
    else if
      !(builtins.elem (get "StandardInput") [
        null
        "null"
      ])
    then
      throw "oci-layout: ${place}: StandardInput=${get "StandardInput"} is not supported; use null"
    else if builtins.length main > 1 && !life.isOneshot then
      throw "oci-layout: ${place}: only Type=oneshot may have several ExecStart; keep one"
    else if main == [ ] && !life.isOneshot then
      throw "oci-layout: ${place} has no ExecStart; set serviceConfig.ExecStart or script"
    else if main == [ ] && stops == [ ] then
      throw "oci-layout: ${place} has neither ExecStart nor ExecStop; set serviceConfig.ExecStart or script"
    else if
      builtins.any (name: builtins.match "cap_[a-z_]+" (lib.toLower name) == null) capabilities
    then
      throw "oci-layout: ${place}: AmbientCapabilities: write names, as CAP_NET_BIND_SERVICE"
    else
      # All refusals, before anything is used.
      builtins.seq (builtins.length dropped) value;
in
{
  warnings = classify.warning name dropped;
  # The name of the account that the unit brings along.
  dynamicUser = if isDynamic then account else null;
  service = checked (
    {
      inherit after;
      type =
        if !life.isOneshot then
          "long-run"
        else if isPost then
          "oneshot-post"
        else
          "oneshot-pre";
      preStart =
        conditions
        ++ map (step: step // { condition = true; }) (
          command.lines "ExecCondition" (serviceConfig.ExecCondition or null)
        )
        ++ steps "preStart" "ExecStartPre"
        ++ early;
      postStart = steps "postStart" "ExecStartPost" ++ lib.optionals stopsAtOnce stops;
      stop = lib.optionals (!stopsAtOnce) stops;
      user = account;
      inherit group;
      asRoot = main != [ ] && last.asRoot;
      supplementaryGroups = values.blankSeparated (serviceConfig.SupplementaryGroups or null);
      environment = variables.environment // owned.environment;
      environmentFile = variables.files;
      inherit (variables) path;
      inherit (owned) directories files;
      inherit limits;
      umask = expanded "UMask";
      inherit pidFile;
      ambientCapabilities = capabilities;
    }
    // life.options
    # A oneshot may have no command, and stop something that others have started.
    // (if main == [ ] then { script = ":"; } else { inherit (last) command; })
    // lib.optionalAttrs (main != [ ] && last.ignoreFailure) {
      successExitStatus = builtins.genList (code: code + 1) 255;
    }
    // lib.optionalAttrs (directory != null) {
      inherit workingDirectory;
      workingDirectoryOptional = builtins.head directoryParts == "-";
    }
  );
}
