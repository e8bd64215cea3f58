# The functions of nixpkgs' `lib` that this library uses, under the names that they have there. nixpkgs is optional here.
rec {
  toList = value: if builtins.isList value then value else [ value ];
  # `builtins.match` and `builtins.split` forget which store paths a string refers to.
  addContextFrom = source: target: builtins.substring 0 0 source + target;
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalAttrs = condition: attributes: if condition then attributes else { };
  filterAttrs =
    isKept: attributes:
    removeAttrs attributes (
      builtins.filter (name: !(isKept name attributes.${name})) (builtins.attrNames attributes)
    );

  # A word for a shell.
  escapeShellArg =
    word:
    if builtins.match "[[:alnum:],._+:@%/-]+" word != null then
      word
    else
      "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] word}'";

  toLower =
    let
      letters = text: builtins.genList (index: builtins.substring index 1 text) 26;
    in
    builtins.replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (
      letters "abcdefghijklmnopqrstuvwxyz"
    );

  # The number of letters to insert, remove or replace to turn one text into the other.
  strings.levenshtein =
    one: other:
    let
      letters =
        text: builtins.genList (index: builtins.substring index 1 text) (builtins.stringLength text);
      least = a: b: if a < b then a else b;
      last = row: builtins.elemAt row (builtins.length row - 1);
      ofOther = letters other;
      next =
        row: letter:
        builtins.foldl' (
          next: index:
          let
            replaced = builtins.elemAt row index + (if letter == builtins.elemAt ofOther index then 0 else 1);
          in
          next ++ [ (least replaced (1 + least (builtins.elemAt row (index + 1)) (last next))) ]
        ) [ (builtins.head row + 1) ] (builtins.genList (index: index) (builtins.length ofOther));
    in
    last (
      builtins.foldl' next (builtins.genList (index: index) (builtins.length ofOther + 1)) (letters one)
    );

  isFunction =
    value: builtins.isFunction value || value ? __functor && isFunction (value.__functor value);
  functionArgs =
    function:
    if function ? __functor then
      function.__functionArgs or (functionArgs (function.__functor function))
    else
      builtins.functionArgs function;

  # Gives each result of `function` the attribute `override`, which calls `function` again with some arguments changed.
  # `override` takes the new arguments, or a function from the old arguments to the new ones.
  makeOverridable =
    function:
    let
      call =
        arguments:
        let
          result = function arguments;
          override = change: call (arguments // (if isFunction change then change arguments else change));
        in
        if builtins.isAttrs result && !(isFunction result) then
          result
          // {
            inherit override;
          }
          // optionalAttrs (result ? overrideAttrs) {
            overrideAttrs =
              change: makeOverridable (arguments: (function arguments).overrideAttrs change) arguments;
          }
        else
          result;
    in
    {
      __functor = _: call;
      __functionArgs = functionArgs function;
    };

  # Calls the function in `file` with the attributes of `scope` that it names, and with `arguments`.
  callPackageWith =
    scope: file: arguments:
    let
      function = if isFunction file then file else import file;
    in
    makeOverridable function (builtins.intersectAttrs (functionArgs function) scope // arguments);

  # A set of attributes that refer to each other through `self`, and that `overrideScope` changes for all of them.
  makeScope =
    newScope: attributes:
    let
      self = attributes self // {
        newScope = additions: newScope (self // additions);
        callPackage = self.newScope { };
        overrideScope = overlay: makeScope newScope (extends overlay attributes);
        packages = attributes;
      };
    in
    self;
  extends =
    overlay: attributes: final:
    let
      previous = attributes final;
    in
    previous // overlay final previous;
}
