# The results of `nix/internal/lib.nix` for some values. nixpkgs' own `lib` returns the same.
{
  lib ? import ../../nix/internal/lib.nix,
}:
let
  inherit (lib)
    callPackageWith
    filterAttrs
    functionArgs
    isFunction
    makeOverridable
    makeScope
    optional
    optionalAttrs
    optionals
    toList
    toLower
    ;
  inherit (lib.strings) levenshtein;

  add =
    {
      a,
      b ? 2,
    }:
    {
      sum = a + b;
    };
  call = makeOverridable add;
  attributes = makeOverridable (
    arguments:
    let
      of =
        given:
        given
        // {
          all = given.sum + given.more or 0;
          overrideAttrs = change: of (given // change);
        };
    in
    of (add arguments)
  );
  functor = {
    __functor = _: add;
  };
  scope = makeScope (additions: callPackageWith additions) (self: {
    a = 1;
    c = self.a + 10;
    sum = self.callPackage add { };
    function = self.callPackage ({ a }: b: a + b) { };
  });
  overridden = scope.overrideScope (
    final: prev: {
      a = prev.a + 1;
      b = 5;
      d = final.c;
    }
  );
in
{
  lists = [
    (toList 1)
    (toList [ 1 ])
    (toList { })
    (optional true 1)
    (optional false 1)
    (optionals true [ 1 ])
    (optionals false [ 1 ])
  ];
  attributes = [
    (optionalAttrs true { a = 1; })
    (optionalAttrs false { a = 1; })
    (filterAttrs (name: value: name == "a" || value == 2) {
      a = 1;
      b = 2;
      c = 3;
    })
  ];
  texts = [
    (toLower "Ä Cmd")
    (levenshtein "kitten" "sitting")
    (levenshtein "" "abc")
    (levenshtein "abc" "")
  ];
  functions = map isFunction [
    add
    functor
    call
    1
    { }
    ""
    [ add ]
  ];
  arguments = map functionArgs [
    add
    functor
    call
    (x: x)
  ];
  overridable = [
    (call { a = 1; }).sum
    ((call { a = 1; }).override { a = 5; }).sum
    ((call { a = 1; }).override (old: {
      b = old.a + 20;
    })).sum
    (((call { a = 1; }).override { b = 3; }).override { a = 7; }).sum
    (makeOverridable (x: x) 3)
    ((attributes { a = 1; }).overrideAttrs { sum = 4; }).sum
    (((attributes { a = 1; }).overrideAttrs { more = 5; }).override { a = 7; }).all
  ];
  scope = [
    scope.c
    scope.sum.sum
    (scope.sum.override { b = 9; }).sum
    (scope.function 4)
    ((scope.newScope { b = 7; }) add { }).sum
  ];
  overridden = [
    overridden.c
    overridden.d
    overridden.sum.sum
    (overridden.overrideScope (_: prev: { b = prev.b + 1; })).sum.sum
  ];
  names = builtins.attrNames scope;
}
