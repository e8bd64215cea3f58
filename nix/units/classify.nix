# What becomes of the directives of a unit: an error for the first that is refused, and otherwise the ones that are dropped.
{ directives }:
let
  startsWith = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  otherSection = {
    Unit = "Service";
    Service = "Unit";
  };
in
rec {
  # The outcome of a directive, or `null` if nothing is known of it.
  outcomeOf =
    section: name:
    let
      families = builtins.filter ({ prefix, ... }: startsWith prefix name) directives.prefixes.${section};
    in
    directives.${section}.${name} or (if families == [ ] then null else builtins.head families);

  # A list of `{ name; text; }`.
  dropped =
    unit: section: values:
    let
      place = "systemd.services.${unit}";
      check =
        name:
        let
          outcome = outcomeOf section name;
          misplaced = outcomeOf otherSection.${section} name != null;
        in
        # NixOS writes notes of its own there.
        if values.${name} == null || startsWith "X-" name then
          [ ]
        else if outcome == null then
          throw "oci-layout: ${place}: ${name} is not a directive of the section [${section}] that is known here; ${
            if misplaced then
              "move it to the section [${otherSection.${section}}]"
            else
              "correct the name, or remove it"
          }"
        else if outcome.outcome == "refused" then
          throw "oci-layout: ${place}: ${name} is not supported in a container: ${outcome.text}"
        else if outcome.outcome == "dropped" then
          [
            {
              inherit name;
              inherit (outcome) text;
            }
          ]
        else
          [ ];
    in
    builtins.concatMap check (builtins.attrNames values);

  # One warning, or none.
  warning =
    unit: dropped:
    let
      byText = builtins.groupBy ({ text, ... }: text) dropped;
      group =
        text: "${builtins.concatStringsSep ", " (map ({ name, ... }: name) byText.${text})} (${text})";
    in
    if dropped == [ ] then
      [ ]
    else
      [
        "systemd.services.${unit}: left out: ${builtins.concatStringsSep "; " (map group (builtins.attrNames byText))}"
      ];
}
