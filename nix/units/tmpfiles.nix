# Rules of tmpfiles.d(5): directories, files and links that are there when the services start.
#
# A start makes them again, because a volume may hide what the image contains.
{
  lib,
  shell,
  specifiers,
  # Packages with `mkdir`, `chmod`, `chown`, `ln`, `rm` and `stat`.
  tools,
  values,
  words,
}:
{
  # Lines, as in `systemd.tmpfiles.rules`.
  rules,
  # As `systemd.tmpfiles.settings`: by file, by path, by type.
  settings,
}:
let
  ofLine =
    line:
    let
      place = "systemd.tmpfiles.rules: \"${line}\"";
      # The last field is the rest of the line, quotes included.
      field = "(\"([^\"\\\\]|\\\\.)*\"|'([^'\\\\]|\\\\.)*'|[^ \t\"']+)";
      blank = "[ \t]+";
      parts = builtins.match "[ \t]*${field}${blank}${field}(${blank}${field}(${blank}${field}(${blank}${field}(${blank}${field}(${blank}(.*))?)?)?)?)?[ \t]*" line;
      at =
        index:
        let
          text = builtins.elemAt parts index;
          split = words.split place text;
        in
        if text == null then
          null
        else if builtins.length split == 1 then
          builtins.head split
        else
          "";
    in
    if values.isEmpty line || builtins.match "[ \t]*#.*" line != null then
      [ ]
    else if parts == null then
      throw "oci-layout: ${place} does not have the form TYPE PATH MODE USER GROUP AGE ARGUMENT"
    else
      [
        {
          inherit place;
          type = at 0;
          path = at 3;
          mode = at 7;
          user = at 11;
          group = at 15;
          argument =
            if builtins.elemAt parts 23 == null then
              null
            else
              lib.addContextFrom line (builtins.elemAt parts 23);
        }
      ];
  ofSettings = builtins.concatMap (
    file:
    builtins.concatMap (
      path:
      map (
        type:
        let
          rule = settings.${file}.${path}.${type};
        in
        {
          place = "systemd.tmpfiles.settings.${file}.\"${path}\".${type}";
          type = rule.type or type;
          inherit path;
          mode = rule.mode or null;
          user = rule.user or null;
          group = rule.group or null;
          argument = rule.argument or null;
        }
      ) (builtins.attrNames settings.${file}.${path})
    ) (builtins.attrNames settings.${file})
  ) (builtins.attrNames settings);

  kinds = {
    d = "directory";
    D = "directory";
    v = "directory";
    q = "directory";
    Q = "directory";
    f = "file";
    F = "file";
    L = "link";
    x = "nothing";
    X = "nothing";
    e = "attributes";
    z = "attributes";
  };
  refused = {
    C = "nothing copies files at the start; add them to the files of the image";
    H = "attributes of files are those of the volume";
    R = "a start removes nothing; let a service do it";
    T = "attributes of files are those of the volume";
    Z = "a start changes no whole trees; let a service do it";
    a = "attributes of files are those of the volume";
    A = "attributes of files are those of the volume";
    b = "the runtime makes devices";
    c = "the runtime makes devices";
    h = "attributes of files are those of the volume";
    m = "only directories get modes; let a service do it";
    p = "let the service make its pipes";
    r = "a start removes nothing; let a service do it";
    t = "attributes of files are those of the volume";
    w = "a container does not set the kernel's parameters; use the runtime's --sysctl";
  };

  read =
    rule:
    let
      letter = builtins.substring 0 1 rule.type;
      modifiers = builtins.substring 1 (-1) rule.type;
      orNull = value: if value == null || value == "-" then null else value;
      changes = kinds.${letter} == "attributes";
      # A value after `:` is for what is new, and such a rule changes what is there.
      ofOld =
        value: if changes && builtins.match "~?:.*" (toString value) != null then null else orNull value;
      mode =
        let
          text = ofOld rule.mode;
          digits = builtins.match (if changes then "([0-7]{3,4})" else "[:~]*([0-7]{3,4})") (toString text);
        in
        if text == null then
          null
        else if digits == null then
          throw "oci-layout: ${rule.place}: the mode ${text} is not supported; write octal digits"
        else
          builtins.head digits;
      # A rule that makes something gives it to root by default, and others change no owner.
      name =
        value:
        let
          parts = builtins.match ":?(.*)" value;
        in
        if ofOld value != null then
          builtins.head parts
        else if changes then
          null
        else
          "root";
      user = name rule.user;
      group = name rule.group;
      changesNothing = changes && mode == null && user == null && group == null;
      argument = orNull rule.argument;
    in
    if refused ? ${letter} then
      throw "oci-layout: ${rule.place}: the type ${letter} is not supported: ${refused.${letter}}"
    else if !(kinds ? ${letter}) then
      throw "oci-layout: ${rule.place}: systemd has no type ${letter}"
    else if builtins.match "[-!=+?]*" modifiers == null then
      throw "oci-layout: ${rule.place}: a modifier of ${rule.type} is not supported; only ! - = + are"
    else if changes && !changesNothing && builtins.match ".*[*?[].*" rule.path != null then
      throw "oci-layout: ${rule.place}: ${rule.path} is a pattern, which is not supported; write a rule for each path"
    else
      {
        kind = if changesNothing then "nothing" else kinds.${letter};
        onlyDirectory = letter == "e";
        replaces = letter == "F" || builtins.match ".*\\+.*" modifiers != null;
        path = values.ofRun (specifiers.ofRule rule.place rule.path);
        inherit mode;
        inherit user group;
        argument = if argument == null then null else specifiers.ofRule rule.place argument;
        inherit (rule) place;
      };
  all = map read (builtins.concatMap ofLine rules ++ ofSettings);
  ofKind = kind: builtins.filter (rule: rule.kind == kind) all;

  quoted = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  # `chown` needs root, and a container without root keeps its own user.
  fileCommands =
    rule:
    let
      path = quoted rule.path;
      text = words.unescape rule.place (if rule.argument == null then "" else rule.argument);
      make = "printf %s ${quoted text} > ${path} && chmod ${
        if rule.mode == null then "0644" else rule.mode
      } ${path}";
      owner =
        if rule.user == "root" && rule.group == "root" then
          ""
        else
          "\nif test \"$(id -u)\" = 0; then chown ${quoted "${rule.user}:${rule.group}"} ${path}; fi";
    in
    (if rule.replaces then make else "test -e ${path} || { ${make}; }") + owner;
  linkCommands =
    rule:
    let
      path = quoted rule.path;
      target =
        if rule.argument == null then quoted "/usr/share/factory${rule.path}" else quoted rule.argument;
    in
    if rule.replaces then
      "rm -rf ${path} && ln -s ${target} ${path}"
    else
      "test -e ${path} || test -L ${path} || ln -s ${target} ${path}";
  # Only root can change what others have made, and on some volumes not even root.
  attributeCommands =
    rule:
    let
      path = quoted rule.path;
      # `stat` knows the name and the number.
      ownerCommand =
        formats: owner: argument:
        lib.optional (owner != null)
          "case \"$(stat -c ' ${formats} ' ${path})\" in *' '${quoted owner}' '*) ;; *) chown ${quoted argument} ${path} ;; esac";
      digits = builtins.head (builtins.match "0*([0-7]+)" rule.mode);
    in
    [
      "if test \"$(id -u)\" = 0 && test ${
        if rule.onlyDirectory then "-d" else "-e"
      } ${path} && ! test -L ${path}; then"
    ]
    ++ ownerCommand "%U %u" rule.user rule.user
    ++ ownerCommand "%G %g" rule.group ":${rule.group}"
    ++ lib.optional (
      rule.mode != null
    ) "test \"$(stat -c %a ${path})\" = ${digits} || chmod ${rule.mode} ${path}"
    ++ [ "fi" ];
  # Parents first, as systemd makes them.
  parent = rule: "mkdir -p ${quoted (builtins.dirOf rule.path)}";
  commands =
    builtins.concatMap (rule: [
      (parent rule)
      (fileCommands rule)
    ]) (ofKind "file")
    ++ builtins.concatMap (rule: [
      (parent rule)
      (linkCommands rule)
    ]) (ofKind "link")
    ++ builtins.concatMap attributeCommands (ofKind "attributes");
in
{
  # A service, or none if no rule has an effect.
  services = lib.optionalAttrs (ofKind "directory" != [ ] || commands != [ ]) {
    tmpfiles = {
      type = "oneshot-pre";
      command = shell ++ [
        "-c"
        (builtins.concatStringsSep "\n" ([ "set -e" ] ++ commands))
      ];
      path = tools;
      directories = map (rule: {
        inherit (rule) path user group;
        mode = if rule.mode == null then "0755" else rule.mode;
        recursive = false;
      }) (ofKind "directory");
    };
  };
  # The files and links that the service makes.
  written = map (rule: { inherit (rule) path place; }) (ofKind "file" ++ ofKind "link");
}
