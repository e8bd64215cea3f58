# What a module demands, and what it has to say. `ociMakeImage` throws and shows them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      description = "Conditions, as sets of `assertion` and `message`. The messages of those that do not hold stop the evaluation.";
      example = [
        {
          assertion = false;
          message = "set image.name";
        }
      ];
    };

    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Sentences that the evaluation shows.";
    };
  };
}
