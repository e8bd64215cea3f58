# Values of directives: a value of Nix, a text as systemd reads it, or a list of either.
{ lib }:
rec {
  # systemd empties what it has collected at an empty value.
  listOf =
    value:
    builtins.foldl' (list: element: if isEmpty element then [ ] else list ++ [ element ]) [ ] (
      builtins.filter (element: element != null) (lib.toList value)
    );
  isEmpty = value: builtins.isString value && builtins.match "[ \t\n]*" value != null;

  # In a directive, a backslash at the end of a line continues it.
  textOf = value: builtins.replaceStrings [ "\\\n" ] [ " " ] (verbatim value);
  verbatim =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;

  # The last of several values counts.
  lastOf =
    value:
    let
      list = listOf value;
    in
    if list == [ ] then null else builtins.elemAt list (builtins.length list - 1);

  isTrue =
    place: value:
    let
      text = lib.toLower (textOf value);
    in
    if value == null then
      false
    else if
      builtins.elem text [
        "1"
        "on"
        "t"
        "true"
        "y"
        "yes"
      ]
    then
      true
    else if
      builtins.elem text [
        "0"
        "f"
        "false"
        "n"
        "no"
        "off"
      ]
    then
      false
    else
      throw "oci-layout: ${place}: \"${text}\" is neither yes nor no";

  # As systemd reads the paths of its own files, because /var/run is a link to /run.
  ofRun =
    path:
    let
      parts = builtins.match "/var/run/(.+)" path;
    in
    if parts == null then path else lib.addContextFrom path "/run/${builtins.head parts}";

  # Names that blanks separate, in all elements.
  blankSeparated =
    value:
    builtins.concatMap (
      element:
      builtins.filter (part: builtins.isString part && part != "") (
        builtins.split "[ \t\n]+" (textOf element)
      )
    ) (listOf value);

  reversed = builtins.foldl' (list: element: [ element ] ++ list) [ ];
  unique = builtins.foldl' (
    list: element: if builtins.elem element list then list else list ++ [ element ]
  ) [ ];
}
