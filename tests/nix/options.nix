# The options of a container as those see them who render the reference: without nixpkgs, on any Nix.
let
  types = {
    bool = "boolean";
    ints = { positive = "positive integer"; unsigned = "unsigned integer"; };
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
  options = import ../../nix/flake-module/options.nix {
    lib = { inherit types; mkOption = option: { isOption = true; } // option; literalExpression = text; literalMD = text; };
    name = "‹name›";
    config = throw "a default that is computed has a text";
    pkgs = throw "a default that is computed has a text";
    system = throw "a default that is computed has a text";
  };

  flat = path: option:
    if !(option ? isOption)
    then builtins.concatMap (name: flat (path ++ [ name ]) option.${name}) (builtins.attrNames option)
    else [{
      name = builtins.concatStringsSep "." path;
      inherit (option) description;
      default = option.defaultText.text or (if option ? default then builtins.toJSON option.default else null);
      type = if option.type ? options then "submodule" else option.type;
    }] ++ (if option.type ? options then flat path option.type.options else [ ]);
in
flat [ ] options
