# Time spans, sizes and limits (systemd.time(7), systemd.syntax(7)).
{ }:
let
  integer =
    digits:
    let
      zeros = builtins.match "0*([0-9]+)" digits;
    in
    builtins.fromJSON (builtins.head zeros);
  power = base: exponent: if exponent == 0 then 1 else base * power base (exponent - 1);

  second = 1000000;
  units =
    let
      each =
        value: names:
        map (name: {
          inherit name value;
        }) names;
    in
    builtins.listToAttrs (
      builtins.concatLists [
        (each 1 [
          "us"
          "usec"
          "µs"
          "μs"
        ])
        (each 1000 [
          "ms"
          "msec"
        ])
        (each second [
          ""
          "s"
          "sec"
          "second"
          "seconds"
        ])
        (each (60 * second) [
          "m"
          "min"
          "minute"
          "minutes"
        ])
        (each (3600 * second) [
          "h"
          "hr"
          "hour"
          "hours"
        ])
        (each (86400 * second) [
          "d"
          "day"
          "days"
        ])
        (each (7 * 86400 * second) [
          "w"
          "week"
          "weeks"
        ])
        # 30.44 and 365.25 days.
        (each (2629800 * second) [
          "M"
          "month"
          "months"
        ])
        (each (31557600 * second) [
          "y"
          "year"
          "years"
        ])
      ]
    );

  # Microseconds.
  sum =
    place: text: rest:
    let
      parts = builtins.match "[ \t]*([0-9]+)(\\.([0-9]{1,6})[0-9]*)?[ \t]*([^0-9 \t.]*)(.*)" rest;
      part = builtins.elemAt parts;
      fraction = part 2;
      unit =
        if parts != null && units ? ${part 3} then
          units.${part 3}
        else
          throw "oci-layout: ${place}: \"${text}\" is not a time span of systemd; write for example \"5s\" or \"1min 30s\"";
    in
    if builtins.match "[ \t]*" rest != null then
      0
    else
      unit * integer (part 0)
      + (
        if fraction == null then 0 else unit * integer fraction / power 10 (builtins.stringLength fraction)
      )
      + sum place text (part 4);

  microseconds =
    place: value:
    let
      text = toString value;
    in
    if builtins.match "[ \t]*infinity[ \t]*" text != null then
      null
    else if builtins.match "[ \t]*" text != null then
      throw "oci-layout: ${place} is empty; write for example \"5s\""
    else
      sum place text text;

  sizes = {
    K = 1;
    M = 2;
    G = 3;
    T = 4;
    P = 5;
    E = 6;
  };
  inBytes = [
    "AS"
    "CORE"
    "DATA"
    "FSIZE"
    "MEMLOCK"
    "RSS"
    "STACK"
  ];
  oneLimit =
    place: name: text:
    let
      size = builtins.match "([0-9]+)([KMGTPE])" text;
    in
    if text == "infinity" || builtins.match "[0-9]+" text != null then
      text
    else if size != null && builtins.elem name inBytes then
      toString (integer (builtins.head size) * power 1024 sizes.${builtins.elemAt size 1})
    else if name == "CPU" then
      # Whole seconds, rounded up.
      toString ((microseconds place text + second - 1) / second)
    else
      throw "oci-layout: ${place}: \"${text}\" is not supported; write a number, or \"SOFT:HARD\"";
in
{
  inherit microseconds;

  # Seconds, or `null` for an infinite time.
  seconds =
    place: value:
    let
      us = microseconds place value;
    in
    if us == null then
      null
    else if us - us / second * second == 0 then
      us / second
    else
      us / (second * 1.0);

  # Whole seconds, rounded up, or `null`.
  wholeSeconds =
    place: value:
    let
      us = microseconds place value;
    in
    if us == null then null else (us + second - 1) / second;

  # `value` of the directive `Limit${name}`, as "SOFT" or "SOFT:HARD".
  limit =
    place: name: value:
    builtins.concatStringsSep ":" (
      map (oneLimit place name) (builtins.filter builtins.isString (builtins.split ":" (toString value)))
    );
}
