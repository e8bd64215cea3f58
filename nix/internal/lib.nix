# The functions of nixpkgs' `lib` that this library uses, under the names that they have there. nixpkgs is optional here.
rec {
  toList = value: if builtins.isList value then value else [ value ];
  optional = condition: value: if condition then [ value ] else [ ];
  optionalAttrs = condition: attributes: if condition then attributes else { };

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
        if builtins.isAttrs result && !(isFunction result) then result // { inherit override; } else result;
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
