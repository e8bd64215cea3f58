# Specifiers, as `%n`. As in systemd, all letters and digits after `%` are specifiers, and other characters are none.
{ lib }:
let
  directories = {
    "%" = "%";
    C = "/var/cache";
    E = "/etc";
    L = "/var/log";
    S = "/var/lib";
    h = "/root";
    t = "/run";
    # The user of the service manager, not of the service.
    u = "root";
  };
  expandWith =
    values: escape: place: text:
    let
      replaced =
        letter:
        if letter == "%" then
          "%"
        else if values ? ${letter} then
          escape values.${letter}
        else if builtins.match "[A-Za-z0-9]" letter != null then
          throw "oci-layout: ${place}: the specifier %${letter} is not supported; write its value"
        else
          "%${letter}";
    in
    lib.addContextFrom text (
      builtins.concatStringsSep "" (
        map (part: if builtins.isString part then part else replaced (builtins.head part)) (
          builtins.split "%(.?)" text
        )
      )
    );
in
{
  # The functions for a service with this name, without its suffix.
  ofService =
    name:
    let
      parts = builtins.match "([^@]*)@(.*)" name;
      values = directories // {
        d = "/run/credentials/${name}.service";
        i = if parts == null then "" else builtins.elemAt parts 1;
        N = name;
        n = "${name}.service";
        p = if parts == null then name else builtins.head parts;
      };
    in
    {
      expand = expandWith values (value: value);
      # In a command line, a value is part of one word.
      expandLine = expandWith values (
        builtins.replaceStrings [ "\\" "\"" "'" "$" " " ] [ "\\\\" "\\\"" "\\'" "$$" "\\s" ]
      );
    };
  # The function for rules of tmpfiles.
  ofRule = expandWith directories (value: value);
}
