# The definitions of an option, as those of another one: with their priority, and without the default.
{ lib }:
rec {
  of = ofMapped (value: value);
  ofMapped =
    function: option:
    lib.mkIf (option.highestPrio < (lib.mkOptionDefault null).priority) (
      lib.mkMerge (map (value: lib.mkOverride option.highestPrio (function value)) option.definitions)
    );

  # The same for all options of a container of the module for flake-parts. Its name is a weak definition.
  ofContainer =
    name: options:
    let
      all = lib.mapAttrs (_: option: if option._type or null == "option" then of option else all option);
    in
    lib.mkMerge [
      { name = lib.mkOverride 1400 name; }
      (all (
        removeAttrs options [
          "_module"
          "allModules"
          "gate"
          "modules"
          "policy"
          "scan"
        ]
      ))
    ];
}
