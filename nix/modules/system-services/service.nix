# The type of modular services below the service `prefix`, with the options that nixpkgs' base module has.
{ lib }:
let
  inherit (lib) mkOption types;
  option =
    type: default: description:
    mkOption { inherit type default description; };

  base =
    prefix:
    types.submoduleWith {
      class = "service";
      modules = [ (module prefix) ];
    };
  module =
    prefix:
    { name, ... }:
    let
      full = if prefix == "" then name else "${prefix}-${name}";
    in
    {
      options = {
        process = {
          argv = mkOption {
            type = types.listOf (types.either types.str types.path);
            description = "The program and its arguments, which are passed as they are.";
          };
          reloadSignal = option (types.nullOr types.str) null "Left out, with a warning.";
          reloadCommand = option (types.nullOr types.str) null "Left out, with a warning.";
        };
        notificationProtocol = {
          systemd = option types.bool false "Whether the program reports by `sd_notify` that it is ready.";
          s6 =
            option types.bool false
              "Whether the program writes a line to the descriptor 3 when it is ready.";
        };
        configData = option (types.attrsOf (types.submodule (file full))) { } "Files for the service.";
        services = option (types.attrsOf (base full)) { } "Further services that belong to this one.";
        systemd = {
          service =
            option types.deferredModule { }
              "A module of the unit, with the options of `systemd.services.<name>`.";
          services =
            option (types.attrsOf types.deferredModule) { }
              "Further units, whose names begin with that of the service. The name `\"\"` is the unit itself.";
          mainExecStart =
            option (types.nullOr types.str) null
              "The command line of the unit, with specifiers, instead of `process.argv`.";
        };
        assertions = option (types.listOf types.raw) [ ] "Conditions, as of an image.";
        warnings = option (types.listOf types.str) [ ] "Sentences that the evaluation shows.";
        meta = option types.raw { } "Without effect.";
      };
    };
  file =
    service:
    { config, name, ... }:
    {
      options = {
        enable = option types.bool true "Whether the image has the file.";
        name = mkOption {
          type = types.str;
          default = name;
          defaultText = lib.literalMD "the name of the attribute";
          description = "The name of the file.";
        };
        text = option (types.nullOr types.lines) null "The contents of the file.";
        source = option (types.nullOr types.path) null "The file that the contents come from.";
        path = mkOption {
          type = types.str;
          default = "/etc/system-services/${service}/${config.name}";
          defaultText = lib.literalMD "a path below `/etc/system-services`";
          description = "The path in the container.";
        };
      };
    };
in
base
