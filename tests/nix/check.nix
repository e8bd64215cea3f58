# Images for two platforms, checked against policies.
{
  functionsWith,
  greet,
  ociCheckImage,
  ociImageLayout,
  ociVerify,
  ...
}:
let
  imageOn =
    hostSystem: user:
    (functionsWith { inherit hostSystem; }).ociBuildImage {
      name = "checked";
      lazy = true;
      config = {
        Entrypoint = [ "${greet}/bin/greet" ];
        User = user;
      };
    };
  layout = ociImageLayout {
    sparse = true;
    manifests = {
      "registry.example/good:1" = [
        (imageOn builtins.currentSystem "1000")
        (imageOn "aarch64-linux" "1000")
      ];
      bad = [
        (imageOn builtins.currentSystem "1000")
        (imageOn "aarch64-linux" "0")
      ];
    };
  };
  check =
    tag:
    ociCheckImage {
      inherit layout tag;
      policy = [
        {
          rootUser = "forbidden";
          # A store path is a dependency of the policy.
          schemaVersion = "2.0.0";
          metadataTest.entrypoint = [ "${greet}/bin/greet" ];
        }
        (builtins.toFile "team.yaml" "requiredFiles: ['${builtins.unsafeDiscardStringContext "${greet}"}/bin/greet']\n")
      ];
    };
  gated =
    checks:
    ociImageLayout {
      inherit (layout) manifests;
      gate = checks;
    };
in
{
  good = check "registry.example/good:1";
  bad = check "bad";
  open = gated [ ];
  gate = gated [
    (check "registry.example/good:1")
    (ociVerify { inherit layout; })
  ];
  shut = gated [ (check "bad") ];
}
