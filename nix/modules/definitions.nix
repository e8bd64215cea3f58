# The definitions of an option, as those of another one: with their priority, and without the default.
{ lib }:
rec {
  of = ofMapped (value: value);
  ofMapped =
    function: option:
    lib.mkIf (option.highestPrio < (lib.mkOptionDefault null).priority) (
      lib.mkMerge (map (value: lib.mkOverride option.highestPrio (function value)) option.definitions)
    );
}
