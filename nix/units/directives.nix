# Every directive of the sections [Unit] and [Service]: what becomes of it, and what it becomes or why. The files beside
# this one do what `mapped` says. `docs/systemd-units.md` has the same table, which a test compares.
#
# - `mapped`: the service in the image does what the directive says.
# - `silent`: the directive has no effect that a container could lack.
# - `dropped`: the directive has no effect, and a warning names it.
# - `refused`: an error names it.
{ }:
let
  inherit (builtins) listToAttrs concatMap map;

  row = outcome: text: names: { inherit outcome text names; };
  section =
    rows:
    listToAttrs (
      concatMap (
        row:
        map (name: {
          inherit name;
          value = {
            inherit (row) outcome text;
          };
        }) row.names
      ) rows
    );

  runtime = "the container's runtime restricts processes";
  cgroups = "the container's runtime limits resources";
  journal = "output goes to that of the container";
  reactions = "nothing watches over units but their own restart";
  filesystem = "the service sees the files of the container; declare them in the image, or mount a volume";
  manager = "there is no systemd";

  common = [
    (row "mapped" "`startLimit`" [
      "StartLimitBurst"
      "StartLimitInterval"
    ])
    (row "dropped" reactions [
      "FailureAction"
      "FailureActionExitStatus"
      "RebootArgument"
      "StartLimitAction"
      "SuccessAction"
      "SuccessActionExitStatus"
    ])
  ];
in
{
  Unit = section (
    common
    ++ [
      (row "mapped" "the order of starts" [
        "After"
        "Before"
        "DefaultDependencies"
      ])
      (row "mapped" "the unit must be in the image, and starts" [
        "BindsTo"
        "Requires"
        "Requisite"
      ])
      (row "mapped" "the unit starts, if the image has it" [
        "Upholds"
        "Wants"
      ])
      (row "mapped" "an error if the image starts both units" [ "Conflicts" ])
      (row "mapped" "`startLimit`" [ "StartLimitIntervalSec" ])
      (row "mapped" "a condition before the command, tested by the shell" [
        "ConditionDirectoryNotEmpty"
        "ConditionFileIsExecutable"
        "ConditionFileNotEmpty"
        "ConditionPathExists"
        "ConditionPathIsDirectory"
        "ConditionPathIsSymbolicLink"
      ])
      (row "silent" "text for people, or for NixOS" [
        "Description"
        "Documentation"
        "SourcePath"
      ])
      (row "silent" manager [
        "AllowIsolate"
        "CollectMode"
        "IgnoreOnIsolate"
        "RefuseManualStart"
        "RefuseManualStop"
        "StopWhenUnneeded"
      ])
      (row "dropped" "services start and stop in one order, each on its own" [
        "PartOf"
        "PropagatesReloadTo"
        "PropagatesStopTo"
        "ReloadPropagatedFrom"
        "StopPropagatedFrom"
      ])
      (row "dropped" reactions [
        "JobRunningTimeoutSec"
        "JobTimeoutAction"
        "JobTimeoutRebootArgument"
        "JobTimeoutSec"
        "OnFailure"
        "OnFailureJobMode"
        "OnSuccess"
        "OnSuccessJobMode"
      ])
      (row "dropped" "the container's runtime mounts volumes before the start" [
        "RequiresMountsFor"
        "WantsMountsFor"
      ])
      (row "dropped" runtime [ "JoinsNamespaceOf" ])
    ]
  );

  Service = section (
    common
    ++ import ./directives/service.nix {
      inherit
        cgroups
        journal
        manager
        reactions
        row
        runtime
        ;
    }
  );

  # For names that are not above, in this order. What systemd may add to these families restricts processes, or accounts
  # for them.
  prefixes = {
    Unit =
      map
        (prefix: {
          inherit prefix;
          outcome = "refused";
          text = "a container has no state of a machine to compare with; test it in ExecCondition";
        })
        [
          "Assert"
          "Condition"
        ];
    Service =
      map
        (prefix: {
          inherit prefix;
          outcome = "dropped";
          text = runtime;
        })
        [
          "Lock"
          "MemoryDeny"
          "Private"
          "Protect"
          "Restrict"
          "SystemCall"
        ]
      ++
        map
          (prefix: {
            inherit prefix;
            outcome = "dropped";
            text = cgroups;
          })
          [
            "BlockIO"
            "CPU"
            "IO"
            "IP"
            "ManagedOOM"
            "Memory"
            "Startup"
            "Tasks"
          ]
      ++ [
        {
          prefix = "TTY";
          outcome = "dropped";
          text = journal;
        }
      ];
  };
}
