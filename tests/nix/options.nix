# The options of a container, as the reference is rendered from them: without nixpkgs, with any Nix.
let
  types = {
    bool = "boolean";
    ints = {
      positive = "positive integer";
      unsigned = "unsigned integer";
    };
    package = "package";
    path = "absolute path";
    port = "port";
    raw = "value";
    str = "string";
    attrsOf = of: "attribute set of ${of}";
    either = one: other: "${one} or ${other}";
    listOf = of: "list of ${of}";
    nullOr = of: if builtins.isString of then "null or ${of}" else of;
    submodule = module: module;
  };
  text = text: { inherit text; };
  show =
    value:
    if builtins.isList value then
      "[ ${builtins.concatStringsSep " " (map show value ++ [ "]" ])}"
    else if builtins.isAttrs value then
      "{ ${
        builtins.concatStringsSep " " (
          map (name: "${builtins.toJSON name} = ${show value.${name}};") (builtins.attrNames value) ++ [ "}" ]
        )
      }"
    else
      builtins.toJSON value;
  code = value: "`${value.text or (show value)}`";
  options = import ../../nix/flake-module/options.nix {
    lib = {
      inherit types;
      mkOption = option: { isOption = true; } // option;
      literalExpression = text;
      literalMD = prose: text prose // { isProse = true; };
    };
    name = "‹name›";
    config = throw "a default that is computed has a text";
    pkgs = throw "a default that is computed has a text";
    system = throw "a default that is computed has a text";
  };

  defaultOf =
    option:
    if option.defaultText.isProse or false then
      option.defaultText.text
    else if option ? defaultText || option ? default then
      code (option.defaultText or option.default)
    else
      null;

  flat =
    path: option:
    if !(option ? isOption) then
      builtins.concatMap (name: flat (path ++ [ name ]) option.${name}) (builtins.attrNames option)
    else
      [
        {
          name = builtins.concatStringsSep "." path;
          inherit (option) description;
          default = defaultOf option;
          example = if option ? example then code option.example else null;
          type = if option.type ? options then "submodule" else option.type;
        }
      ]
      ++ (if option.type ? options then flat path option.type.options else [ ]);
in
flat [ ] options
