# The tools of `ociScanImage`, by the names of their packages and programs.
#
# `reads` is what `scan.sh` prepares as `$input`: a `layout` of one image for one platform, the same as a `docker-archive`,
# its `configuration`, the image in the storage of `podman`, or nothing for an image in a `registry`. `arguments` are words
# of the shell, in which the report is `$report`, and `last` is one after those of the user. With `prints`, the report is
# the output of the tool.
#
# `configuration` is what a user gives as `config`, which the tool needs if `needsConfig`; `option` is its option. `checks`
# says whether the tool works in a sandbox, without a network and a database. `because` says why it never does. The program
# prints `note`.
let
  feeds = "no feed of advisories lists packages of Nix: a report without findings says nothing about them";
in
{
  trivy = {
    reads = "layout";
    format = "json";
    arguments = ''image --input "$input" --exit-code 1 --format "$format" --output "$report"'';
    configuration = "its configuration, a YAML file";
    option = "--config";
    note = feeds;
    checks = false;
  };

  grype = {
    reads = "layout";
    format = "json";
    arguments = ''"oci-dir:$input" --fail-on negligible --output table --output "$format=$report"'';
    configuration = "its configuration, a YAML file";
    option = "--config";
    environment.GRYPE_CHECK_FOR_APP_UPDATE = "false";
    note = feeds;
    checks = false;
  };

  syft = {
    reads = "layout";
    format = "cyclonedx-json";
    arguments = ''"oci-dir:$input" --output syft-table --output "$format=$report"'';
    configuration = "its configuration, a YAML file";
    option = "--config";
    environment.SYFT_CHECK_FOR_APP_UPDATE = "false";
    checks = true;
  };

  conftest = {
    reads = "configuration";
    format = "json";
    arguments = ''test "$input" --data "$data" --no-color --output "$format"'';
    prints = true;
    configuration = "a file or a folder of policies in Rego";
    option = "--policy";
    needsConfig = true;
    checks = true;
  };

  dockle = {
    reads = "docker-archive";
    format = "json";
    arguments = ''--input "$input" --exit-code 1 --format "$format" --output "$report"'';
    checks = true;
  };

  dgoss = {
    reads = "podman";
    format = "junit";
    arguments = "run --pull=never";
    # What comes after the image is the command of the container.
    last = ''"$input"'';
    prints = true;
    configuration = "the tests, a file `goss.yaml`";
    needsConfig = true;
    checks = false;
    because = "it starts a container with podman; ociTestImage starts an image in the sandbox";
  };

  dive = {
    reads = "docker-archive";
    format = null;
    arguments = ''--source docker-archive --ci "$input"'';
    prints = true;
    configuration = "its rules, a file `.dive-ci`";
    option = "--ci-config";
    checks = true;
  };

  container-structure-test = {
    reads = "docker-archive";
    format = "junit";
    arguments = ''test --driver tar --image "$input" --no-color --output "$format" --test-report "$report"'';
    configuration = "the tests, a YAML or JSON file";
    option = "--config";
    needsConfig = true;
    checks = true;
  };

  cosign = {
    reads = "registry";
    format = "json";
    arguments = ''sign --yes --bundle "$report" "$input"'';
    checks = false;
    because = "it signs an image in a registry";
  };
}
