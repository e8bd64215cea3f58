# The directives of the section [Service].
{
  cgroups,
  journal,
  manager,
  reactions,
  row,
  runtime,
}:
let
  filesystem = "the service sees the files of the container; declare them in the image, or mount a volume";
in
[
  (row "mapped" "`command`; of a oneshot, all but the last are in `preStart`" [ "ExecStart" ])
  (row "mapped" "`preStart`" [ "ExecStartPre" ])
  (row "mapped" "`preStart`; the exit codes 1 to 254 skip the service" [ "ExecCondition" ])
  (row "mapped" "`postStart`" [ "ExecStartPost" ])
  (row "mapped" "`stop`; of a oneshot without `RemainAfterExit`, `postStart`" [ "ExecStop" ])
  (row "mapped" "`stopSignal`" [ "KillSignal" ])
  (row "mapped" "`stopTimeout`" [ "TimeoutStopSec" ])
  (row "mapped" "`readiness.timeout` of a `Type` that notifies; of others, left out with a warning" [
    "TimeoutStartSec"
  ])
  (row "mapped" "both time-outs" [ "TimeoutSec" ])
  (row "mapped" "the signal goes to the main process, and what remains is killed after the time-out" [
    "KillMode"
  ])
  (row "mapped"
    "`type` and `readiness`: `simple`, `exec`, `oneshot`, `notify`, `notify-reload`, and `forking` with a `PIDFile` and s6 2.14 or newer; others are refused"
    [
      "Type"
    ]
  )
  (row "mapped" "`pidFile`, with `Type=forking`" [ "PIDFile" ])
  (row "mapped" "when `ExecStop` of a oneshot runs" [ "RemainAfterExit" ])
  (row "mapped"
    "`restart`; `on-abnormal` and `on-abort` are `on-failure` with a warning, `on-success` and `on-watchdog` are refused"
    [ "Restart" ]
  )
  (row "mapped" "`restartDelay`" [ "RestartSec" ])
  (row "mapped" "`successExitStatus`" [ "SuccessExitStatus" ])
  (row "mapped" "`user`" [ "User" ])
  (row "mapped" "`group`" [ "Group" ])
  (row "mapped" "`supplementaryGroups`" [ "SupplementaryGroups" ])
  (row "mapped" "a user with the name of the unit, and a number that depends on it alone" [
    "DynamicUser"
  ])
  (row "mapped" "`asRoot` of all steps but the command" [ "PermissionsStartOnly" ])
  (row "mapped" "`environment`" [ "Environment" ])
  (row "mapped" "`environmentFile`" [ "EnvironmentFile" ])
  (row "mapped" "`workingDirectory`" [ "WorkingDirectory" ])
  (row "mapped" "`umask`" [ "UMask" ])
  (row "mapped" "`directories`, and a variable with their paths" [
    "CacheDirectory"
    "ConfigurationDirectory"
    "LogsDirectory"
    "RuntimeDirectory"
    "StateDirectory"
  ])
  (row "mapped" "the mode in `directories`" [
    "CacheDirectoryMode"
    "ConfigurationDirectoryMode"
    "LogsDirectoryMode"
    "RuntimeDirectoryMode"
    "StateDirectoryMode"
  ])
  (row "mapped" "`files` in `/run/credentials`, and `CREDENTIALS_DIRECTORY`" [
    "LoadCredential"
    "SetCredential"
  ])
  (row "mapped" "`ambientCapabilities`" [ "AmbientCapabilities" ])
  (row "mapped" "`limits`" [
    "LimitAS"
    "LimitCORE"
    "LimitCPU"
    "LimitDATA"
    "LimitFSIZE"
    "LimitMEMLOCK"
    "LimitNOFILE"
    "LimitNPROC"
    "LimitRSS"
    "LimitSTACK"
  ])
  (row "mapped" "output goes to that of the container; `null`, files and other values are dropped" [
    "StandardError"
    "StandardOutput"
  ])
  (row "mapped" "`null`; other values are refused" [ "StandardInput" ])
  (row "silent" "every variable of the container reaches the service" [ "PassEnvironment" ])
  (row "silent" manager [
    "GuessMainPID"
    "NonBlocking"
    "NotifyAccess"
    "RemoveIPC"
    "RuntimeDirectoryPreserve"
    "TimeoutCleanSec"
  ])
  (row "dropped" "nothing reloads a service in a container" [
    "ExecReload"
    "ReloadSignal"
  ])
  (row "dropped" "a container ends with its services" [ "ExecStopPost" ])
  (row "dropped" reactions [
    "ExitType"
    "OOMPolicy"
    "RestartForceExitStatus"
    "RestartMaxDelaySec"
    "RestartMode"
    "RestartPreventExitStatus"
    "RestartSteps"
    "RuntimeMaxSec"
    "RuntimeRandomizedExtraSec"
    "TimeoutAbortSec"
    "TimeoutStartFailureMode"
    "TimeoutStopFailureMode"
    "WatchdogSec"
  ])
  (row "dropped" "the stop signal is `KillSignal`, and then SIGKILL" [
    "FinalKillSignal"
    "RestartKillSignal"
    "SendSIGHUP"
    "SendSIGKILL"
    "SurviveFinalKillSignal"
    "WatchdogSignal"
  ])
  (row "dropped" journal [
    "LogExtraFields"
    "LogFilterPatterns"
    "LogLevelMax"
    "LogNamespace"
    "LogRateLimitBurst"
    "LogRateLimitIntervalSec"
    "SyslogFacility"
    "SyslogIdentifier"
    "SyslogLevel"
    "SyslogLevelPrefix"
    "UtmpIdentifier"
    "UtmpMode"
  ])
  (row "dropped" manager [
    "BusName"
    "FileDescriptorStoreMax"
    "FileDescriptorStorePreserve"
    "RootDirectoryStartOnly"
    "SetLoginEnvironment"
  ])
  (row "dropped" runtime [
    "AppArmorProfile"
    "BindLogSockets"
    "CapabilityBoundingSet"
    "CoredumpFilter"
    "ExecPaths"
    "IgnoreSIGPIPE"
    "InaccessibleDirectories"
    "InaccessiblePaths"
    "KeyringMode"
    "MountAPIVFS"
    "MountFlags"
    "NoExecPaths"
    "NoNewPrivileges"
    "Personality"
    "ProcSubset"
    "ReadOnlyDirectories"
    "ReadOnlyPaths"
    "ReadWriteDirectories"
    "ReadWritePaths"
    "SELinuxContext"
    "SecureBits"
    "SmackProcessLabel"
  ])
  (row "dropped" cgroups [
    "AllowedCPUs"
    "AllowedMemoryNodes"
    "BPFProgram"
    "CPUAffinity"
    "DefaultMemoryLow"
    "DefaultMemoryMin"
    "Delegate"
    "DelegateSubgroup"
    "DeviceAllow"
    "DevicePolicy"
    "DisableControllers"
    "NFTSet"
    "NUMAMask"
    "NUMAPolicy"
    "Nice"
    "OOMScoreAdjust"
    "Slice"
    "SocketBindAllow"
    "SocketBindDeny"
    "TimerSlackNSec"
  ])
  (row "refused" filesystem [
    "BindPaths"
    "BindReadOnlyPaths"
    "ExtensionDirectories"
    "ExtensionImages"
    "MountImages"
    "RootDirectory"
    "RootEphemeral"
    "RootHash"
    "RootHashSignature"
    "RootImage"
    "RootImageOptions"
    "RootImagePolicy"
    "RootVerity"
    "TemporaryFileSystem"
  ])
  (row "refused" "s6 does not set it; set it for the container, as `podman run --ulimit` does" [
    "LimitLOCKS"
    "LimitMSGQUEUE"
    "LimitNICE"
    "LimitRTPRIO"
    "LimitRTTIME"
    "LimitSIGPENDING"
  ])
  (row "refused" "only systemd can decrypt it; use LoadCredential and mount the file" [
    "ImportCredential"
    "LoadCredentialEncrypted"
    "SetCredentialEncrypted"
  ])
  (row "refused" "nothing opens files or sockets for a service; let the program do it" [
    "OpenFile"
    "Sockets"
    "StandardInputData"
    "StandardInputText"
    "USBFunctionDescriptors"
    "USBFunctionStrings"
  ])
  (row "refused" "use environment or path of the unit" [
    "ExecSearchPath"
    "UnsetEnvironment"
  ])
  (row "refused" "the runtime makes the namespaces of a container" [
    "IPCNamespacePath"
    "NetworkNamespacePath"
    "UserNamespacePath"
  ])
  (row "refused" "there are no sessions of users" [ "PAMName" ])
]
