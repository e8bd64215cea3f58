# Command lines, as in `ExecStart`: the prefixes become attributes, and the rest stays one line, which the program splits.
{
  lib,
  shell,
  values,
  words,
}:
{
  name,
  place,
  specifiers,
}:
let
  commandOf = line: {
    inherit line;
    unit = "${name}.service";
  };

  # The line without the name after the program, which is `argv[0]` instead.
  renamed =
    place: line:
    let
      parts = builtins.match "([^ \t\"'\\\\]+)[ \t]+(.*)" line;
    in
    if parts == null then
      throw "oci-layout: ${place}: the prefix @ needs a program without quotes and a name after it: ${line}"
    else
      let
        rest = builtins.match "(\"([^\"\\\\]*)\"|'([^'\\\\]*)'|[^ \t\"'\\\\]+)([ \t].*)?" (
          builtins.elemAt parts 1
        );
        at = builtins.elemAt rest;
        or' = value: other: if value == null then other else value;
      in
      if rest == null then
        throw "oci-layout: ${place}: the name after the prefix @ contains an escape; write it without: ${line}"
      else
        commandOf (lib.addContextFrom line "${builtins.head parts}${or' (at 3) ""}")
        // {
          argv0 = lib.addContextFrom line (or' (at 1) (or' (at 2) (at 0)));
        };

  lineOf =
    directive: value:
    let
      place' = "${place}: ${directive}";
      text = values.textOf value;
      parts = builtins.match "[ \t\n]*([-@:+!|]*)(.*)" text;
      prefixes = builtins.head parts;
      has = prefix: builtins.length (builtins.split "[${prefix}]" prefixes) > 1;
      expanded = lib.addContextFrom text (specifiers.expandLine place' (builtins.elemAt parts 1));
      verbatim = if has ":" then builtins.replaceStrings [ "$" ] [ "$$" ] expanded else expanded;
    in
    if has "|" then
      throw "oci-layout: ${place'}: the prefix | is not supported; name the shell: ${text}"
    else if values.isEmpty (builtins.elemAt parts 1) then
      throw "oci-layout: ${place'} has no program: ${text}"
    else
      {
        command = if has "@" then renamed place' verbatim else commandOf verbatim;
        ignoreFailure = has "-";
        asRoot = has "+!";
      };
in
{
  # The lines of a directive, each as `{ command; ignoreFailure; asRoot; }`.
  lines = directive: value: map (lineOf directive) (values.listOf value);

  # A script of the unit, with arguments as in a command line.
  script =
    text: arguments:
    let
      argv = shell ++ [
        "-c"
        "set -e\n${text}"
      ];
    in
    {
      command =
        if values.isEmpty arguments then
          argv
        else
          commandOf (
            builtins.concatStringsSep " " (
              map words.quote (argv ++ [ name ]) ++ [ (specifiers.expandLine "${place}: scriptArgs" arguments) ]
            )
          );
      ignoreFailure = false;
      asRoot = false;
    };

  # A test of a path by the shell, as a condition.
  test = script: isNegated: path: {
    command = shell ++ [
      "-c"
      (if isNegated then "! ( ${script} )" else script)
      "condition"
      path
    ];
    ignoreFailure = false;
    asRoot = true;
    condition = true;
  };
}
