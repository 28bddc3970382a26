// up, down, status: the operator's commands.

#include <memory>

#include "client/cli/commands.h"
#include "client/cli/host_process.h"
#include "client/cli/render.h"
#include "shared/attest/evidence.h"

namespace anchorhold::client {
namespace {

Json HostJson(const RunningHost& host) {
  return {{"running", true},
          {"address", host.address},
          {"pid", host.pid},
          {"enclave_pid", host.enclave_pid},
          {"measurement", host.measurement},
          {"platform", host.platform}};
}

std::string HostText(const RunningHost& host) {
  return FactLines({{"address", host.address},
                    {"platform", host.platform},
                    {"measurement", host.measurement},
                    {"host", "process " + std::to_string(host.pid)},
                    {"enclave", "process " + std::to_string(host.enclave_pid)}});
}

// "auto" is the host's to resolve; it never means insecure-simulated.
Status CheckPlatform(const std::string& platform) {
  if (platform.empty()) {
    return InvalidInput(
               "say on which platform the enclave runs: auto takes the hardware that this machine "
               "has; insecure-simulated has none and protects against nobody who owns the machine")
        .At("--platform");
  }
  if (platform == "auto") return Ok();
  const auto parsed = attest::ParsePlatform(platform);
  if (!parsed.ok()) return parsed.error().At("--platform");
  if (!attest::IsSupported(*parsed)) {
    return Unsupported("no enclave runs on " + platform +
                       " in this version; it can verify such evidence only")
        .At("--platform");
  }
  return Ok();
}

Status RunUp(const App& app, HostLaunch launch) {
  AH_RETURN_IF_ERROR(CheckPlatform(launch.platform));
  AH_ASSIGN_OR_RETURN(const auto running, FindRunningHost(launch.state));
  if (running.has_value()) {
    return Unavailable("already up on " + launch.state + " at " + running->address + " (process " +
                       std::to_string(running->pid) + "); 'anchorhold down --state " +
                       launch.state + "' stops it");
  }
  if (launch.enclave.empty()) {
    AH_ASSIGN_OR_RETURN(launch.enclave, BesideThisBinary("anchorhold-enclave"));
  }
  if (!PathExists(launch.enclave)) {
    return NotFound("no such enclave; give its binary with --enclave").At(launch.enclave);
  }
  AH_ASSIGN_OR_RETURN(const StartedHost started, StartHost(launch));
  if (app.json()) app.PrintJson(HostJson(started.host));
  app.Print(HostText(started.host));
  if (launch.platform == attest::PlatformName(attest::Platform::kInsecureSimulated)) {
    app.Remark(WarningText(
        "insecure-simulated protects against nobody who owns this machine; use it for development "
        "and demonstrations, never for data that matters."));
  }
  if (!launch.foreground) return Ok();
  std::fflush(stdout);
  return WaitForHost(started.child);
}

Status RunDown(const App& app, const std::string& state) {
  AH_ASSIGN_OR_RETURN(const auto running, FindRunningHost(state));
  if (!running.has_value()) return Unavailable("no host is running on this folder").At(state);
  AH_RETURN_IF_ERROR(StopHost(*running));
  if (app.json()) app.PrintJson({{"stopped", true}, {"pid", running->pid}});
  app.Print("Stopped. Everything that was acknowledged is in " + state + ".\n");
  return Ok();
}

Status RunStatus(const App& app, const std::string& state) {
  AH_ASSIGN_OR_RETURN(const auto running, FindRunningHost(state));
  if (!running.has_value()) return Unavailable("no host is running on this folder").At(state);
  if (app.json()) app.PrintJson(HostJson(*running));
  app.Print(HostText(*running));
  return Ok();
}

void AddUpCommand(App& app, CLI::App& cli) {
  const auto launch = std::make_shared<HostLaunch>();
  launch->listen = "127.0.0.1:7641";
  CLI::App* const up =
      app.AddCommand(cli, "up", "Start a host with its enclave, as the operator of the machine.",
                     "anchorhold up --state state --platform insecure-simulated",
                     [&app, launch] { return RunUp(app, *launch); });
  up->add_option("--state", launch->state,
                 "Folder for ciphertext and the sealed log; made if need be.")
      ->type_name("DIR")
      ->required();
  up->add_option("--platform", launch->platform,
                 "auto: the hardware that this machine has; or sev-snp, tdx, sgx-dcap, tpm2. "
                 "insecure-simulated: none, protects against nobody who owns the machine. Must be "
                 "said.")
      ->type_name("NAME");
  up->add_option("--device", launch->device,
                 "Where the platform's interface lies, if not where Linux has it: a folder, or a "
                 "TPM's TCTI such as device:/dev/tpmrm0. Not with auto.")
      ->type_name("PLACE");
  up->add_option("--vmpl", launch->vmpl,
                 "SEV-SNP: the privilege level that reports state, 0 to 3. Default: the kernel's "
                 "choice.")
      ->type_name("N")
      ->check(CLI::Range(0, 3));
  up->add_option("--listen", launch->listen,
                 "Address for clients; port 0 takes a free one. Default: 127.0.0.1:7641.")
      ->type_name("HOST:PORT");
  up->add_option("--enclave", launch->enclave,
                 "The enclave's binary. Default: anchorhold-enclave beside this program.")
      ->type_name("FILE");
  up->add_flag("--foreground", launch->foreground, "Stay, and end the host when this ends.");
  app.AddJsonOption(up);
}

}  // namespace

void AddServerCommands(App& app, CLI::App& cli) {
  AddUpCommand(app, cli);
  const auto state = std::make_shared<std::string>();
  const auto add = [&](const char* name, const char* purpose, const char* example,
                       Status (*run)(const App&, const std::string&)) {
    CLI::App* const command = app.AddCommand(cli, name, purpose, example,
                                             [&app, state, run] { return run(app, *state); });
    command->add_option("--state", *state, "The folder given to 'up'.")
        ->type_name("DIR")
        ->required();
    app.AddJsonOption(command);
  };
  add("down", "Stop the host and its enclave; nothing that was acknowledged is lost.",
      "anchorhold down --state state", RunDown);
  add("status", "Say whether a host runs on a state folder, and where.",
      "anchorhold status --state state", RunStatus);
}

}  // namespace anchorhold::client
