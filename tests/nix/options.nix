# The options of a container, or those of the modules of `ociMakeImage`, as the reference is rendered from them: without
# nixpkgs, with any Nix.
{
  ofModules ? false,
}:
let
  # A type is a text, or a set of the options of a submodule, with the text.
  textOf = type: if builtins.isString type then type else type.text;
  around =
    before: inside: of:
    let
      text = "${before} ${textOf of}";
    in
    if builtins.isString of then
      text
    else
      of
      // {
        inherit text;
        inside = inside ++ of.inside;
      };
  types = {
    bool = "boolean";
    float = "number";
    int = "integer";
    ints = {
      positive = "positive integer";
      unsigned = "unsigned integer";
    };
    lines = "text";
    package = "package";
    path = "absolute path";
    port = "port";
    deferredModule = "module";
    raw = "value";
    str = "string";
    attrsOf = around "attribute set of" [ "‹name›" ];
    listOf = around "list of" [ "*" ];
    nullOr = around "null or" [ ];
    enum = values: "one of ${builtins.concatStringsSep ", " (map builtins.toJSON values)}";
    either =
      one: other:
      if one == "integer" && other == "number" then "number" else around "${textOf one} or" [ ] other;
    oneOf = all: builtins.concatStringsSep ", " (map textOf all);
    submoduleWith = withoutEnd;
    submodule =
      module:
      (
        if builtins.isFunction module then
          module {
            name = "‹name›";
            config = computed;
          }
        else
          module
      )
      // {
        text = "submodule";
        inside = [ ];
      };
  };
  # Modular services contain modular services, without end.
  withoutEnd = _: "modular service";
  computed = throw "a default that is computed has a text";
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
  lib = {
    inherit types;
    mkOptionType = { name, ... }: name;
    mkOption = option: { isOption = true; } // option;
    literalExpression = text;
    literalMD = prose: text prose // { isProse = true; };
  };
  ofContainer = import ../../nix/flake-module/options.nix {
    inherit lib;
    name = "‹name›";
    config = computed;
    pkgs = computed;
    system = computed;
  };

  merge =
    one: other:
    one
    // builtins.mapAttrs (
      name: value: if one ? ${name} && !(one.${name} ? isOption) then merge one.${name} value else value
    ) other;
  modules = builtins.foldl' merge { } (
    map (
      file:
      (import file {
        inherit lib;
        config = computed;
        options = computed;
        pkgs = computed;
        startServices = computed;
        ociFiles = computed;
        system = computed;
      }).options or { }
    ) (import ../../nix/modules)
  );
  options =
    if ofModules then
      modules
      // {
        image = removeAttrs modules.image (builtins.attrNames ofContainer);
      }
    else
      ofContainer
      // import ../../nix/flake-module/checks.nix {
        inherit lib;
        pkgs = computed;
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
    else if !(option.visible or true) then
      [ ]
    else
      [
        {
          name = builtins.concatStringsSep "." path;
          inherit (option) description;
          default = defaultOf option;
          example = if option ? example then code option.example else null;
          type = textOf option.type;
        }
      ]
      ++ (
        if builtins.isString option.type then [ ] else flat (path ++ option.type.inside) option.type.options
      );
in
flat [ ] options
