/**
  Scans an image by a tool of others: `trivy`, `grype`, `syft`, `conftest`, `dockle`, `dgoss`, `dive`,
  `container-structure-test` or `cosign`. [checks.md](checks.md) says what each of them reads and reports.

  The result is a program for `nix run`. It gives the image to the tool in a form that the tool reads, also if the layout is
  sparse, passes its own arguments on to the tool, writes the report into the current folder, and ends with the exit code
  of the tool. `--reports FOLDER`, as the first argument, names another folder.

  The attribute `check` does the same as a derivation, whose output is a folder with the report. The build fails if the tool
  does, and the log contains the report. `dgoss` and `cosign` have no check: they need podman and a registry. `trivy` and
  `grype` find no vulnerabilities without the network, unless `config` or `arguments` name a database in the store.

  # Arguments

  - [image] The image: a layout, or `{ layout; tag; }`.
  - [tool] The name of the tool.
  - [package] The package with the tool. `null` is the package of this name in `pkgs`. Default: `null`.
  - [config] A file for the tool: the configuration of `trivy`, `grype` and `syft`, tests for `dgoss` and
    `container-structure-test`, rules for `dive`, or policies for `conftest`, also a folder. Default: `null`.
  - [format] The format of the report, as the tool names it. `null` is `json`, or what the tool has for machines.
    Default: `null`.
  - [arguments] Further arguments of the tool, at the end. Default: `[ ]`.
  - [platform] The platform to scan, in the names of images, as far as it differs from `hostSystem`. Default: `{ }`.
  - [name] The name of the program and of the report. Default: `"oci-${tool}"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociScanImage {
    image = ociBuildImage { name = "hello"; config.Entrypoint = [ "${hello}/bin/hello" ]; };
    tool = "trivy";
    arguments = [ "--severity" "HIGH,CRITICAL" ];
  }
  ```
*/
{
  baseAttributes,
  builder,
  lib,
  ociFiles,
  pkgs,
  platformOf,
  step,
}:
{
  image,
  tool,
  package ? null,
  config ? null,
  format ? null,
  arguments ? [ ],
  platform ? { },
  name ? "oci-${tool}",
  passthru ? { },
}:
let
  refuse = sentence: throw "oci-layout: ociScanImage: ${sentence}";
  known = (import ./ociScanImage/tools.nix).${tool};
  binOf = package: "${package.bin or package}/bin";
  ofPackages =
    name: hint:
    if pkgs == null then
      refuse "it needs packages; pass pkgs to the functions, as in nix/default.nix"
    else
      pkgs.${name} or (refuse "pkgs has no ${name}; ${hint}");
  found = if package != null then package else ofPackages tool "set package";
  busybox = ofPackages "busybox" "scripts of this function need it";

  configOption =
    if config == null then
      if known.needsConfig or false then refuse "${tool} needs config: ${known.configuration}" else ""
    else if !(known ? configuration) then
      refuse "${tool} has no configuration file; set arguments"
    else if builtins.isString config && builtins.substring 0 1 config != "/" then
      refuse "config \"${config}\" is a string; write a path without quotes: ./${baseNameOf config}"
    else
      known.option or "";
  chosenFormat =
    if format == null then
      known.format
    else if known.format == null then
      refuse "${tool} has one format; remove format = \"${format}\""
    else
      format;
  extension =
    if chosenFormat == null then
      "txt"
    else
      {
        cyclonedx = "cdx.json";
        cyclonedx-json = "cdx.json";
        json = "json";
        junit = "xml";
        sarif = "sarif";
        spdx-json = "spdx.json";
        syft-json = "json";
      }
      .${chosenFormat} or "txt";

  inherit (baseAttributes image) base;
  platformParts = platformOf platform;
  variables = {
    inherit name tool;
    inherit (known) reads;
    inherit (base) layout;
    builder = "${builder}";
    config = builtins.seq configOption (if config == null then "" else "${config}");
    format = if chosenFormat == null then "" else chosenFormat;
    image = base.layout + (if base.tag == null then "" else ":${base.tag}");
    note = known.note or "";
    platform =
      "${platformParts.os}/${platformParts.architecture}"
      + (if platformParts ? variant then "/${platformParts.variant}" else "");
    prints = if known.prints or false then "yes" else "";
    report = "${name}.${extension}";
    repository = image.imageName or image.layout.imageName or "";
    store = builtins.storeDir;
  };
  words = builtins.concatStringsSep " " (
    [
      "${binOf found}/${tool}"
      known.arguments
    ]
    ++ lib.optional (configOption != "") ''${configOption} "$config"''
    ++ map lib.escapeShellArg arguments
  );
  environment = known.environment or { };
  script = builtins.concatStringsSep "\n" (
    map (name: "${name}=${lib.escapeShellArg variables.${name}}") (builtins.attrNames variables)
    ++ map (name: "export ${name}=${environment.${name}}") (builtins.attrNames environment)
    ++ [
      ''tool() { ${words} "$@" ${known.last or ""}; }''
      (builtins.readFile ./ociScanImage/scan.sh)
    ]
  );
  shell = [
    "${binOf busybox}/busybox"
    "sh"
  ];
in
ociFiles {
  inherit name;
  files = [
    {
      destination = "/bin/${name}";
      executable = true;
      # Its own programs come last, because the tool may need those of the caller.
      text = ''
        #!${builtins.concatStringsSep " " shell}
        set -eu
        PATH=''${PATH:+$PATH:}${binOf busybox}
        in_build=
        ${builtins.readFile ./ociScanImage/arguments.sh}
        ${script}
      '';
    }
  ];
  passthru = {
    meta.mainProgram = name;
    check =
      if known ? because then
        refuse "${tool} has no check: ${known.because}"
      else
        step "script" (
          {
            inherit name shell;
            path = binOf busybox;
            script = ''
              set -eu
              in_build=yes
              mkdir "$out"
              reports=$out
              ${script}
            '';
          }
          // baseAttributes image
        );
  }
  // passthru;
}
