# Images with checks that succeed and that fail.
{
  perSystem =
    { pkgs, ... }:
    let
      # Fails if a word is `--fail`.
      tool = pkgs.writeShellScriptBin "dive" "echo dive: $*; case $* in *--fail*) exit 3 ;; esac";
      trivy = pkgs.writeShellScriptBin "trivy" "echo trivy: $*; echo {} > $9";
    in
    {
      oci.containers = {
        good = {
          package = pkgs.hello;
          gate = true;
          policy.rootUser = "forbidden";
          flavours.debug.image.debug.enable = true;
          scan.dive = {
            enable = true;
            package = tool;
          };
          scan.trivy = {
            enable = true;
            package = trivy;
          };
        };
        bad = {
          package = pkgs.hello;
          gate = true;
          scan.dive = {
            enable = true;
            package = tool;
            arguments = [ "--fail" ];
          };
          scan.cosign = {
            enable = true;
            package = pkgs.writeShellScriptBin "cosign" "";
          };
        };
        root = {
          package = pkgs.hello;
          isRoot = true;
          gate = true;
          policy = [ { rootUser = "forbidden"; } ];
        };
        # The same without a check in the sandbox.
        unchecked = {
          package = pkgs.hello;
          gate = true;
          scan.dive = {
            enable = true;
            check = false;
            package = tool;
            arguments = [ "--fail" ];
          };
        };
      };
    };
}
