# The module system, without what only documentation and error messages need.
{ lib }:
let
  show = builtins.concatStringsSep ".";
  typeOf = value: value._type or null;

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      call =
        module:
        if builtins.isPath module || builtins.isString module then
          call (import module)
        else if builtins.isFunction module then
          module (
            specialArgs
            // {
              inherit lib;
              inherit (result) config options;
            }
            // builtins.mapAttrs (name: _: specialArgs.${name} or tree.config._module.args.${name}) (
              removeAttrs (builtins.functionArgs module) [
                "config"
                "lib"
                "options"
              ]
            )
          )
        else
          module;
      collect =
        module:
        let
          called = call module;
          isLong = called ? config || called ? options;
          outside = [
            "imports"
            "key"
            "_file"
            "_class"
          ];
        in
        builtins.concatMap collect (called.imports or [ ])
        ++ [
          {
            options = called.options or { };
            config = if isLong then called.config or { } else removeAttrs called outside;
          }
        ];
      internal._module.args = lib.mkOption {
        type = lib.types.attrsOf lib.types.raw;
        default = { };
      };
      # As in nixpkgs: the last module comes first.
      all = lib.reverseList (builtins.concatMap collect modules);
      tree = mergeTree prefix ([ internal ] ++ map (module: module.options) all) (
        map (module: module.config) all
      );
      result = {
        inherit (tree) options;
        config =
          if tree.unmatched == [ ] then
            removeAttrs tree.config [ "_module" ]
          else
            throw "The option `${show (builtins.head tree.unmatched)}' does not exist.";
      };
    in
    result;

  # The properties of a set, as properties of its attributes.
  pushDown =
    definition:
    let
      around = wrap: map (builtins.mapAttrs (_: wrap)) (pushDown definition.content);
    in
    {
      "merge" = builtins.concatMap pushDown definition.contents;
      "if" = around (lib.mkIf definition.condition);
      "override" = around (lib.mkOverride definition.priority);
      "order" = around (lib.mkOrder definition.priority);
    }
    .${toString (typeOf definition)} or [ definition ];

  mergeTree =
    prefix: declarations: definitions:
    let
      pushed = builtins.concatMap pushDown definitions;
      named = name: sets: map (set: set.${name}) (builtins.filter (set: set ? ${name}) sets);
      namesOf = sets: builtins.attrNames (builtins.foldl' (all: set: all // set) { } sets);
      children = builtins.listToAttrs (
        map (
          name:
          let
            found = named name declarations;
            given = named name pushed;
            path = prefix ++ [ name ];
            option = evalOption path (builtins.foldl' (all: one: all // one) { } found) given;
          in
          lib.nameValuePair name (
            if builtins.any (one: typeOf one == "option") found then
              {
                config = option.value;
                options = option;
                unmatched = [ ];
              }
            else
              mergeTree path found given
          )
        ) (namesOf declarations)
      );
      of = part: builtins.mapAttrs (_: child: child.${part}) children;
    in
    {
      config = of "config";
      options = of "options";
      unmatched =
        map (name: prefix ++ [ name ]) (builtins.filter (name: !(children ? ${name})) (namesOf pushed))
        ++ builtins.concatLists (builtins.attrValues (of "unmatched"));
    };

  discharge =
    definition:
    {
      "merge" = builtins.concatMap discharge definition.contents;
      "if" = if definition.condition then discharge definition.content else [ ];
    }
    .${toString (typeOf definition)} or [ definition ];

  evalOption =
    loc: option: given:
    let
      discharged = builtins.concatMap discharge (
        lib.optional (option ? default) (lib.mkOptionDefault option.default) ++ given
      );
      priorityOf = definition: if typeOf definition == "override" then definition.priority else 100;
      highestPrio = builtins.foldl' (
        least: definition: if priorityOf definition < least then priorityOf definition else least
      ) 9999 discharged;
      strongest = builtins.filter (definition: priorityOf definition == highestPrio) discharged;
      content = type: definition: if typeOf definition == type then definition.content else definition;
      orderOf = definition: if typeOf definition == "order" then definition.priority else 1000;
      definitions = map (content "order") (
        builtins.sort (a: b: orderOf a < orderOf b) (map (content "override") strongest)
      );
      wrong = builtins.filter (value: !(option.type.check value)) definitions;
      merged =
        if definitions == [ ] then
          throw "The option `${show loc}' was accessed but has no value defined. Try setting the option."
        else if wrong != [ ] then
          throw "A definition for option `${show loc}' is not of type `${option.type.name}'."
        else
          option.type.merge loc definitions;
    in
    option
    // {
      inherit definitions highestPrio loc;
      isDefined = definitions != [ ];
      value = (option.apply or lib.id) merged;
    };
in
{
  inherit evalModules evalOption pushDown;
}
