# The types of options: what they accept, and how they merge several definitions.
{ lib }:
let
  one =
    loc: values:
    if builtins.all (value: value == builtins.head values) values then
      builtins.head values
    else
      throw "The option `${builtins.concatStringsSep "." loc}' has conflicting definition values.";
  type = name: check: merge: { inherit name check merge; };
  isText = value: builtins.isString value || value ? outPath || value ? __toString;
  between =
    name: least: most:
    type name (value: builtins.isInt value && value >= least && value <= most) one;
  # The value of an element, or nothing if all its definitions have a false condition.
  element = loc: type: lib.evalOption loc { inherit type; };
  huge = 9223372036854775807;
in
rec {
  mkOptionType =
    {
      name,
      check ? _: true,
      merge,
    }:
    type name check (loc: values: merge loc (map (value: { inherit value; }) values));

  bool = type "boolean" builtins.isBool one;
  float = type "floating point number" builtins.isFloat one;
  int = type "signed integer" builtins.isInt one;
  ints = {
    unsigned = between "unsigned integer" 0 huge;
    positive = between "positive integer" 1 huge;
    between = between "integer between";
    u16 = port;
  };
  port = between "16 bit unsigned integer" 0 65535;
  str = type "string" builtins.isString one;
  lines = type "strings concatenated with \"\\n\"" builtins.isString (
    _: builtins.concatStringsSep "\n"
  );
  path = type "absolute path" (
    value: builtins.isPath value || isText value && builtins.substring 0 1 "${value}" == "/"
  ) one;
  package = type "package" (
    value: lib.isDerivation value || builtins.isPath value || lib.hasPrefix builtins.storeDir "${value}"
  ) (loc: values: if builtins.length values == 1 then builtins.head values else one loc values);
  raw = type "raw value" (_: true) (
    loc: values: if builtins.length values == 1 then builtins.head values else one loc values
  );
  unspecified = raw;
  anything = raw;
  deferredModule = type "module" (_: true) (_: values: { imports = values; });
  enum = values: type "one of ${builtins.toJSON values}" (value: builtins.elem value values) one;

  nullOr =
    of:
    type "null or ${of.name}" (value: value == null || of.check value) (
      loc: values: if builtins.all (value: value == null) values then null else of.merge loc values
    );
  either =
    first: second:
    type "${first.name} or ${second.name}" (value: first.check value || second.check value) (
      loc: values: (if builtins.all first.check values then first else second).merge loc values
    );
  oneOf = all: builtins.foldl' either (builtins.head all) (builtins.tail all);
  listOf =
    of:
    type "list of ${of.name}" builtins.isList (
      loc: values:
      map (value: value.value) (
        builtins.filter (value: value.isDefined) (
          map (value: element loc of [ value ]) (builtins.concatLists values)
        )
      )
    );
  attrsOf =
    of:
    type "attribute set of ${of.name}" builtins.isAttrs (
      loc: values:
      let
        sets = builtins.concatMap lib.pushDown values;
        merged = builtins.mapAttrs (
          name: _:
          element (loc ++ [ name ]) of (map (set: set.${name}) (builtins.filter (set: set ? ${name}) sets))
        ) (builtins.foldl' (all: set: all // set) { } sets);
      in
      builtins.mapAttrs (_: value: value.value) (lib.filterAttrs (_: value: value.isDefined) merged)
    );
  submodule =
    module:
    type "submodule"
      (value: builtins.isAttrs value || builtins.isFunction value || builtins.isPath value)
      (
        loc: values:
        removeAttrs
          (lib.evalModules {
            prefix = loc;
            modules =
              lib.toList module
              ++ [ { _module.args.name = lib.last loc; } ]
              ++ map (value: if builtins.isAttrs value then { config = value; } else value) values;
          }).config
          [ "_module" ]
      );
  # A value is a module, and not the definitions in one.
  submoduleWith =
    { modules, ... }:
    let
      plain = submodule modules;
    in
    plain
    // {
      merge = loc: values: plain.merge loc (map (value: { ... }: value) values);
    };
}
