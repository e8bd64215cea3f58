# The options of a container that say how its image is checked. They are not options of `image` in modules. A test renders
# the reference from them without nixpkgs, as from `options.nix`.
{ lib, pkgs }:
let
  inherit (lib)
    literalExpression
    literalMD
    mkOption
    types
    ;
  tools = import ../ociScanImage/tools.nix;
in
{
  policy = mkOption {
    type = types.nullOr (
      types.either types.path (types.either (types.attrsOf types.raw) (types.listOf types.raw))
    );
    default = null;
    description = ''
      The policy that the image must keep to: a set, a file in YAML or JSON, or a list of these. The check is
      `oci-NAME-policy`, and `nix run .#oci-check-NAME` prints the findings. See `ociCheckImage`.
    '';
    example = literalExpression ''{ rootUser = "forbidden"; sizes.compressed = "50 MiB"; }'';
  };

  scan = mkOption {
    type = types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          options = {
            enable = mkOption {
              type = types.bool;
              default = false;
              description = ''
                Whether there is a program that scans the image by this tool: `nix run .#oci-TOOL-NAME`. It writes the
                report into the current folder, and ends with the exit code of the tool.
              '';
            };
            package = mkOption {
              type = types.package;
              default =
                pkgs.${name}
                  or (throw "oci.containers: scan.${name}: pkgs has no ${name}; set scan.${name}.package");
              defaultText = literalMD "the package of this name in `pkgs`";
              description = "The package with the tool.";
            };
            check = mkOption {
              type = types.bool;
              default = tools.${name}.checks or false;
              defaultText = literalMD ''
                `true` for `syft`, `conftest`, `dockle`, `dive` and `container-structure-test`, which need neither a network
                nor a database
              '';
              description = ''
                Whether the check `oci-NAME-TOOL` does the same in the sandbox. For `trivy` and `grype`, `arguments` must
                select what works without a network. `dgoss` and `cosign` have no check.
              '';
            };
            config = mkOption {
              type = types.nullOr types.path;
              default = null;
              description = ''
                A configuration file for `trivy`, `grype` and `syft`, policies in Rego for `conftest`, tests for `dgoss`
                (`goss.yaml`) and `container-structure-test`, rules for `dive` (`.dive-ci`).
              '';
              example = literalExpression "./goss.yaml";
            };
            format = mkOption {
              type = types.nullOr types.str;
              default = null;
              description = "The format of the report, as the tool names it; see `ociScanImage`.";
              example = "sarif";
            };
            arguments = mkOption {
              type = types.listOf types.str;
              default = [ ];
              description = "Further arguments of the tool.";
              example = [
                "--severity"
                "HIGH,CRITICAL"
              ];
            };
          };
        }
      )
    );
    default = { };
    description = ''
      Tools of others that scan the image, by their names: `trivy`, `grype`, `syft`, `conftest`, `dockle`, `dgoss`, `dive`,
      `container-structure-test` and `cosign`.
    '';
    example = literalExpression "{ trivy.enable = true; }";
  };

  gate = mkOption {
    type = types.bool;
    default = false;
    description = ''
      Whether the packages `oci-NAME` and their programs exist only if all checks of the image succeed: its verification,
      `policy`, and the checks of `scan`. The checks themselves and the programs that scan the image exist anyway,
      but not that of `cosign`.
    '';
  };
}
