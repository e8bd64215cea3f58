# A stand-in for nixpkgs' `lib`: what the modules of `ociMakeImage` and of flake-parts use of it. With NIXPKGS_LIB, the
# tests use the real one.
let
  lib = {
    inherit (import ./modules.nix { inherit lib; }) evalModules evalOption pushDown;
    inherit (lib.types) mkOptionType;
    types = import ./types.nix { inherit lib; };

    mkOption = option: option // { _type = "option"; };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkOptionDefault = lib.mkOverride 1500;
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    mkOrder = priority: content: {
      _type = "order";
      inherit priority content;
    };
    mkBefore = lib.mkOrder 500;
    mkAfter = lib.mkOrder 1500;
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    literalMD = text: {
      _type = "literalMD";
      inherit text;
    };

    inherit (builtins)
      all
      any
      attrNames
      attrValues
      concatMap
      concatStringsSep
      elem
      elemAt
      filter
      foldl'
      functionArgs
      genList
      head
      isAttrs
      isFunction
      isList
      isString
      length
      listToAttrs
      mapAttrs
      match
      removeAttrs
      sort
      split
      substring
      tail
      toJSON
      ;

    id = value: value;
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: attributes: if condition then attributes else { };
    optionalString = condition: text: if condition then text else "";
    throwIf =
      condition: message: value:
      if condition then throw message else value;

    toList = value: if builtins.isList value then value else [ value ];
    last = list: builtins.elemAt list (builtins.length list - 1);
    drop =
      count: list:
      builtins.genList (index: builtins.elemAt list (index + count)) (
        lib.max 0 (builtins.length list - count)
      );
    reverseList =
      list:
      let
        count = builtins.length list;
      in
      builtins.genList (index: builtins.elemAt list (count - index - 1)) count;
    max = a: b: if a > b then a else b;
    remove = element: builtins.filter (other: other != element);
    unique = builtins.foldl' (
      found: element: if builtins.elem element found then found else found ++ [ element ]
    ) [ ];
    findFirst =
      condition: default: list:
      let
        found = builtins.filter condition list;
      in
      if found == [ ] then default else builtins.head found;
    lists.findFirstIndex =
      condition: default: list:
      lib.findFirst (index: condition (builtins.elemAt list index)) default (
        builtins.genList lib.id (builtins.length list)
      );
    flatten = value: if builtins.isList value then builtins.concatMap lib.flatten value else [ value ];

    imap0 =
      function: list:
      builtins.genList (index: function index (builtins.elemAt list index)) (builtins.length list);

    nameValuePair = name: value: { inherit name value; };
    mapAttrs' = function: set: builtins.listToAttrs (lib.mapAttrsToList function set);
    mapAttrsToList = function: set: map (name: function name set.${name}) (builtins.attrNames set);
    concatMapAttrs =
      function: set: builtins.foldl' (all: one: all // one) { } (lib.mapAttrsToList function set);
    filterAttrs =
      condition: set:
      builtins.listToAttrs (
        map (name: lib.nameValuePair name set.${name}) (
          builtins.filter (name: condition name set.${name}) (builtins.attrNames set)
        )
      );
    genAttrs =
      names: function: builtins.listToAttrs (map (name: lib.nameValuePair name (function name)) names);

    concatMapStrings = function: list: builtins.concatStringsSep "" (map function list);
    concatMapStringsSep =
      separator: function: list:
      builtins.concatStringsSep separator (map function list);
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
    hasSuffix =
      suffix: text:
      let
        start = builtins.stringLength text - builtins.stringLength suffix;
      in
      start >= 0 && builtins.substring start (-1) text == suffix;
    removePrefix =
      prefix: text:
      if lib.hasPrefix prefix text then
        builtins.substring (builtins.stringLength prefix) (-1) text
      else
        text;
    removeSuffix =
      suffix: text:
      if lib.hasSuffix suffix text then
        builtins.substring 0 (builtins.stringLength text - builtins.stringLength suffix) text
      else
        text;
    hasInfix = infix: text: builtins.replaceStrings [ infix ] [ "" ] text != text;
    boolToString = value: if value then "true" else "false";
    # Of separators that no expression means otherwise.
    splitString = separator: text: builtins.filter builtins.isString (builtins.split separator text);
    toInt = builtins.fromJSON;
    inherit (import ../../../../nix/internal/lib.nix) toLower;
    toUpper =
      let
        letters = text: builtins.genList (index: builtins.substring index 1 text) 26;
      in
      builtins.replaceStrings (letters "abcdefghijklmnopqrstuvwxyz") (
        letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
      );

    isDerivation = value: value.type or null == "derivation";
    getBin = package: package.bin or package;
    makeBinPath = lib.concatMapStringsSep ":" (package: "${lib.getBin package}/bin");

    licenses = {
      mit.spdxId = "MIT";
      asl20.spdxId = "Apache-2.0";
    };
    platforms = {
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      darwin = [ "aarch64-darwin" ];
    };
  };
in
lib
