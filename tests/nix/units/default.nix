# What the tests ask of `nix/units.nix`.
let
  directives = import ../../../nix/units/directives.nix { };
  classify = import ../../../nix/units/classify.nix { inherit directives; };
  words = import ../../../nix/units/words.nix { lib = import ../../../nix/internal/lib.nix; };
  specifiers = import ../../../nix/units/specifiers.nix {
    lib = import ../../../nix/internal/lib.nix;
  };
  quantities = import ../../../nix/units/quantities.nix { };
  lower = import ./lower.nix;

  cases = import ./cases.nix;
  order = import ./order.nix;
  # A case is what is given, and what the result contains.
  compared = builtins.mapAttrs (
    _:
    { given, ... }@expected:
    {
      expected = removeAttrs expected [ "given" ];
      result = lower given // {
        names = builtins.attrNames (lower given).services;
      };
    }
  );

  used =
    section:
    builtins.concatMap (
      { given, ... }:
      builtins.concatMap (unit: builtins.attrNames (unit.${section} or { })) (
        builtins.attrValues given.services or { }
      )
    ) (builtins.attrValues (cases // order));
  ofOutcome =
    section: outcome:
    builtins.filter (name: directives.${section}.${name}.outcome == outcome) (
      builtins.attrNames directives.${section}
    );
  untested =
    section: sectionConfig:
    builtins.filter (name: !(builtins.elem name (used sectionConfig))) (ofOutcome section "mapped");
in
{
  inherit directives;
  cases = compared cases;
  order = compared order;
  untested = untested "Unit" "unitConfig" ++ untested "Service" "serviceConfig";

  # The warnings for a value of each directive that is dropped, and for each that is silent.
  warnings =
    let
      of =
        section: outcome: attribute:
        map (name: {
          inherit name section;
          inherit (directives.${section}.${name}) text;
          warnings =
            (lower {
              services.a = {
                serviceConfig = {
                  ExecStart = "/bin/a";
                }
                // (if attribute == "serviceConfig" then { ${name} = "1"; } else { });
                unitConfig = if attribute == "unitConfig" then { ${name} = "1"; } else { };
              };
            }).warnings;
        }) (ofOutcome section outcome);
    in
    {
      dropped = of "Unit" "dropped" "unitConfig" ++ of "Service" "dropped" "serviceConfig";
      silent =
        of "Unit" "silent" "unitConfig"
        ++ builtins.filter ({ name, ... }: name != "PIDFile") (of "Service" "silent" "serviceConfig");
    };

  # Outcomes of names that systemd lists.
  outcomes =
    section: names:
    builtins.listToAttrs (
      map (
        name:
        let
          outcome = classify.outcomeOf section name;
        in
        {
          inherit name;
          value = if outcome == null then "unknown" else outcome.outcome;
        }
      ) names
    );

  split = map (words.split "the test");
  expand = (specifiers.ofService "web@one").expand "the test";
  microseconds = map (quantities.microseconds "the test");
}
