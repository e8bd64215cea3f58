# Checks of names and simple types during evaluation, before a build starts. A value is checked when it is used, and no
# earlier, so that lazy arguments stay lazy. The program checks values more deeply.
#
# A type is a function of the place of a value, which starts an error, and of the value, which it returns.
{ lib }:
let
  refuse = place: sentence: throw "oci-layout: ${place}: ${sentence}";
  mismatch =
    place: expected: value:
    refuse place "expected ${expected}, found ${show value}";
  show =
    value:
    {
      set = if value ? outPath then "a package" else "a set";
      list = "a list";
      lambda = "a function";
      path = "the path ${toString value}";
    }
    .${builtins.typeOf value} or (builtins.unsafeDiscardStringContext (builtins.toJSON value));

  # What `builtins.toJSON` writes as a string.
  isText =
    value: builtins.isString value || builtins.isPath value || value ? outPath || value ? __toString;

  type =
    expected: accepts: place: value:
    if accepts value then value else mismatch place expected value;

  # The end of the sentence about an unknown name. `hints` contains, in lower case, names that people know from other tools,
  # with the name here or with advice.
  suggestion =
    names: hints: unknown:
    let
      lower = lib.toLower unknown;
      distance = name: lib.strings.levenshtein lower (lib.toLower name);
      closer = best: name: if best == null || distance name < distance best then name else best;
      closest = builtins.foldl' closer null (names ++ builtins.attrNames hints);
      advice = hints.${closest} or closest;
    in
    if closest == null || distance closest > (builtins.stringLength unknown + 2) / 3 then
      "expected one of ${builtins.concatStringsSep ", " names}"
    else if builtins.elem advice names then
      "did you mean \"${advice}\"?"
    else
      advice;

  # A set that has no members but those in `names`, of which some have a type in `types`. `open` allows further members.
  membersOf =
    {
      types,
      names ? builtins.attrNames types,
      hints ? { },
      anyCase ? false,
      open ? false,
      noun ? "member",
      separator ? ".",
    }:
    let
      lower = builtins.listToAttrs (
        map (name: {
          name = lib.toLower name;
          value = types.${name};
        }) names
      );
      isUnknown = name: !(anyCase && lower ? ${lib.toLower name});
      typesFor =
        value:
        if anyCase then
          builtins.mapAttrs (name: _: types.${name} or lower.${lib.toLower name}) value
        else
          builtins.intersectAttrs value types;
    in
    place: value:
    let
      unknown = builtins.filter isUnknown (builtins.attrNames (removeAttrs value names));
      first = builtins.head unknown;
      typed =
        name: type:
        let
          member = value.${name};
        in
        # `null` stands for an omitted value everywhere.
        if member == null then null else type "${place}${separator}${name}" member;
    in
    if !(builtins.isAttrs value) then
      mismatch place "a set" value
    else if !open && unknown != [ ] then
      refuse place "unknown ${noun} \"${first}\"; ${suggestion names hints first}"
    else
      value // builtins.mapAttrs typed (typesFor value);
in
rec {
  inherit isText refuse type;

  any = _: value: value;
  bool = type "true or false" builtins.isBool;
  int = type "a whole number" builtins.isInt;
  text = type "a string" isText;
  set = type "a set" builtins.isAttrs;
  list = type "a list" builtins.isList;
  texts = listOf "a list of strings" text;

  oneOf =
    values:
    type "one of ${builtins.concatStringsSep ", " (map show values)}" (
      value: builtins.elem value values
    );
  matching =
    pattern: expected:
    type expected (value: builtins.isString value && builtins.match pattern value != null);
  listOf =
    expected: element: place: value:
    if builtins.isList value then
      builtins.genList (index: element "${place}[${toString index}]" (builtins.elemAt value index)) (
        builtins.length value
      )
    else
      mismatch place expected value;
  setOf =
    element: place: value:
    builtins.mapAttrs (
      name: member: if member == null then null else element "${place}.${name}" member
    ) (set place value);
  members = types: hints: membersOf { inherit types hints; };
  membersInAnyCase =
    types: hints:
    membersOf {
      inherit types hints;
      anyCase = true;
    };

  # `function`, which checks its arguments: that it has them, and those in `types`.
  function =
    {
      name,
      types,
      hints ? { },
      open ? false,
    }:
    function:
    let
      arguments = lib.functionArgs function;
      check = membersOf {
        names = builtins.attrNames arguments;
        types = builtins.intersectAttrs arguments types;
        noun = "argument";
        separator = ": ";
        inherit hints open;
      };
    in
    {
      __functor = _: given: function (check name given);
      __functionArgs = arguments;
    };
}
