/**
  Checks an image against a policy: what its files and its configuration must have, and must not have.
  [policy.md](policy.md) describes policies. The build fails with all findings in its log, or its output is a folder with
  `findings.json`, `results.sarif` and `junit.xml`. An image for several platforms is checked for each of them.

  The attribute `program` is a program for `nix run` that does the same and prints a report, also if the image does not keep
  to the policy: `-- --format sarif`.

  # Arguments

  - [layout] A layout from any tool: a folder, an oci-archive or a docker-archive.
  - [policy] A policy as a set, or a file with one in YAML or JSON, or a list of these, which all apply.
  - [tag] The tag or the full name of the image, for a layout with several. Default: `null`.
  - [name] The name of the derivation. Default: `"oci-checked"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociCheckImage {
    layout = ociBuildImage { name = "hello"; config = { Entrypoint = [ "${hello}/bin/hello" ]; User = "1000"; }; };
    policy = { rootUser = "forbidden"; sizes.compressed = "50 MiB"; };
  }
  ```
*/
{
  app,
  lib,
  ociFiles,
  step,
}:
{
  layout,
  policy,
  tag ? null,
  name ? "oci-checked",
  passthru ? { },
}:
let
  refuse = sentence: throw "oci-layout: ociCheckImage: policy: ${sentence}";
  fileOf =
    policy:
    if builtins.isAttrs policy && !(policy ? outPath) then
      {
        name = "policy.json";
        file = ociFiles {
          name = "policy.json";
          files = [
            {
              destination = "/";
              text = builtins.toJSON policy;
            }
          ];
        };
      }
    else if builtins.isString policy && builtins.substring 0 1 policy != "/" then
      refuse "\"${policy}\" is a string; write a path without quotes: ./${baseNameOf policy}"
    else
      {
        name = policy.name or (baseNameOf (builtins.unsafeDiscardStringContext (toString policy)));
        file = policy;
      };
  policies = map fileOf (lib.toList policy);
in
if policies == [ ] then
  refuse "the list is empty; remove the check, or add a policy"
else
  step "check" {
    inherit name tag;
    layout = "${layout}";
    policies = map ({ name, file }: {
      inherit name;
      file = "${file}";
    }) policies;
    preferLocalBuild = true;
    allowSubstitutes = false;
    passthru = {
      program = app name (
        [
          "check"
          ("${layout}" + (if tag == null then "" else ":${tag}"))
          "--recipe-root"
          builtins.storeDir
        ]
        ++ builtins.concatMap ({ file, ... }: [
          "--policy"
          "${file}"
        ]) policies
      );
    }
    // passthru;
  }
