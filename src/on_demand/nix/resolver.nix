# Finds packages by their names. `request` is JSON: `{ kind, place, system, catch, names }`, with names as lists of
# attributes. Names are only ever values: nothing of the request becomes an expression.
{ request }:
let
  inherit (builtins)
    attrNames
    elem
    filter
    fromJSON
    functionArgs
    getFlake
    head
    intersectAttrs
    isAttrs
    isFunction
    isString
    length
    match
    parseDrvName
    replaceStrings
    storeDir
    tail
    tryEval
    unsafeDiscardStringContext
    ;

  asked = fromJSON request;
  inherit (asked) system;

  packages =
    if asked.kind == "flake" then
      let
        flake = getFlake asked.place;
      in
      flake.legacyPackages.${system} or flake.packages.${system} or { }
    else
      let
        set = import (/. + asked.place);
        # A function without named arguments, `args: …`, gets the system.
        accepted = functionArgs set;
        arguments = {
          inherit system;
          config = { };
          overlays = [ ];
        };
      in
      if !isFunction set then
        set
      else if accepted == { } then
        set { inherit system; }
      else
        set (intersectAttrs accepted arguments);

  toLower =
    let
      upper = [
        "A"
        "B"
        "C"
        "D"
        "E"
        "F"
        "G"
        "H"
        "I"
        "J"
        "K"
        "L"
        "M"
        "N"
        "O"
        "P"
        "Q"
        "R"
        "S"
        "T"
        "U"
        "V"
        "W"
        "X"
        "Y"
        "Z"
      ];
      lower = [
        "a"
        "b"
        "c"
        "d"
        "e"
        "f"
        "g"
        "h"
        "i"
        "j"
        "k"
        "l"
        "m"
        "n"
        "o"
        "p"
        "q"
        "r"
        "s"
        "t"
        "u"
        "v"
        "w"
        "x"
        "y"
        "z"
      ];
    in
    replaceStrings upper lower;

  isDerivation = value: isAttrs value && value.type or null == "derivation";

  # The name among `names` that `word` means: `{ found }`, `{ ambiguous }` or `{ unknown }`.
  choose =
    names: word:
    let
      # An attribute cannot begin with a digit.
      words =
        if match "[0-9].*" word == null then
          [ word ]
        else
          [
            word
            "_${word}"
          ];
      exact = filter (word: elem word names) words;
      lowered = map toLower words;
      similar = filter (name: elem (toLower name) lowered) names;
    in
    if exact != [ ] then
      { found = head exact; }
    else if length similar == 1 then
      { found = head similar; }
    else if similar != [ ] then
      { ambiguous = similar; }
    else
      { unknown = names; };

  # Follows `words` from `value`, which is at the attribute path `path`.
  walk =
    path: value: words:
    if isDerivation value then
      output path value words
    else if words == [ ] then
      {
        refused =
          if isFunction value then
            "a function"
          else if isAttrs value then
            "a set of packages"
          else
            "not a package";
      }
    else if !isAttrs value || value ? __functor then
      {
        refused = "not a set of packages";
        at = path;
      }
    else
      let
        chosen = choose (attrNames value) (head words);
      in
      if chosen ? found then
        walk (path ++ [ chosen.found ]) value.${chosen.found} (tail words)
      else
        chosen // { at = path; };

  # After a package, only the name of one of its outputs is followed: not its source, its tests or `override`.
  output =
    path: package: words:
    let
      outputs = package.outputs or [ "out" ];
      chosen =
        if words == [ ] then
          { found = package.outputName or (head outputs); }
        else
          choose outputs (head words);
    in
    if length words > 1 then
      {
        refused = "an output of a package, which contains nothing";
        at = path;
      }
    else if chosen ? found then
      describe path package chosen.found
    else
      chosen
      // {
        at = path;
        isOutput = true;
      };

  describe =
    path: package: outputName:
    let
      parsed = parseDrvName package.name;
      text = value: if isString value && value != "" then unsafeDiscardStringContext value else null;
      mainProgram = tryEval (text (package.meta.mainProgram or null));
      of = package.system or system;
    in
    if of != system && of != "builtin" then
      { refused = "a package for ${of} only"; }
    else
      {
        attribute = path;
        name = text (package.pname or parsed.name);
        version = text (package.version or parsed.version);
        # Reading the path writes the derivation.
        derivation = unsafeDiscardStringContext package.drvPath;
        output = outputName;
        path = unsafeDiscardStringContext (package.${outputName} or package).outPath;
        mainProgram = if mainProgram.success then mainProgram.value else null;
      };

  # The whole result, or that the package throws. `throw` and `assert` can be caught, but what they say is lost.
  caught =
    words:
    let
      result = walk [ ] packages words;
      forced = tryEval (builtins.deepSeq result result);
    in
    if !asked.catch then
      result
    else if forced.success then
      forced.value
    else
      { failed = true; };
in
{
  inherit storeDir;
  results = map caught asked.names;
}
