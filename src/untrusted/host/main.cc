// anchorhold-host: starts the enclave, keeps its ciphertext, relays its clients' bytes. It is not
// trusted: whatever it does wrong, it can only deny service.
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include "shared/attest/simulated.h"
#include "shared/base/log.h"
#include "untrusted/attesters/choose.h"
#include "untrusted/host/enclave_process.h"
#include "untrusted/host/relay.h"
#include "untrusted/host/state_folder.h"
#include "untrusted/host/store_server.h"

namespace anchorhold::host {
namespace {

constexpr std::size_t kExecutableBytesMax = 256 * limits::kMiB;
constexpr std::chrono::seconds kReadyTimeout{120};
constexpr std::chrono::seconds kStopTimeout{5};

struct Options {
  std::string state;
  std::string listen = "127.0.0.1:7641";
  std::string enclave;
  std::string platform;
  std::string device;
  std::optional<unsigned> vmpl;
  int ready_fd = -1;
};

void WriteReady(const Options& options, const std::string& line) {
  if (options.ready_fd < 0) return;
  [[maybe_unused]] const Status written = WriteAll(options.ready_fd, AsBytes(line), "--ready-fd");
}

// SIGTERM and SIGINT (stop) and SIGCHLD (the enclave has ended), as a descriptor.
Result<UniqueFd> CatchSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&set, signal);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return Unavailable("cannot block signals");
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.ok()) return Unavailable("the system gives no signalfd");
  return fd;
}

bool StopWasAsked(const UniqueFd& signals) {
  signalfd_siginfo info{};
  while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != SIGCHLD) return true;
  }
  return false;
}

// The last line of the enclave's log says why it ended.
std::string LastLine(const std::filesystem::path& log) {
  const auto text = ReadFile(log, 64 * limits::kMiB);
  if (!text.ok()) return "";
  std::string_view all = AsText(*text);
  while (!all.empty() && all.back() == '\n') all.remove_suffix(1);
  const std::size_t begin = all.rfind('\n');
  return std::string(begin == std::string_view::npos ? all : all.substr(begin + 1));
}

Error EnclaveEnded(EnclaveProcess& enclave, const std::filesystem::path& log) {
  if (!enclave.WaitEnded(kStopTimeout)) enclave.Kill();
  return Unavailable("the enclave " + enclave.HowItEnded() + "; " + log.string() +
                     " ends with: " + LastLine(log));
}

// Everything that a running host holds, in the order in which it must come down.
class Host {
 public:
  Host(const Options& options, StateFolder state, std::unique_ptr<EvidenceDevice> device,
       const Log& log)
      : options_(options), state_(std::move(state)), device_(std::move(device)), log_(log) {}
  ~Host();

  // Until a stop is asked for (Ok) or the enclave ends.
  Status Run();

 private:
  Status Start(const UniqueFd& signals);
  // Hex of what evidence will state.
  Result<std::string> Measure();
  Result<HostInfo> Announce(const UniqueFd& listener);
  Status Stop();

  const Options& options_;
  StateFolder state_;
  std::unique_ptr<EvidenceDevice> device_;  // null: insecure-simulated
  const Log& log_;
  std::optional<StoreServer> store_;
  std::optional<EnclaveProcess> enclave_;
  std::optional<Relay> relay_;
  std::thread store_thread_;
  std::string measurement_;
};

Host::~Host() {
  std::error_code ignored;
  std::filesystem::remove(state_.path() / "host.json", ignored);
  if (enclave_) enclave_->Kill();  // ends the store's socket, and with it the thread
  if (store_thread_.joinable()) store_thread_.join();
}

Result<std::string> Host::Measure() {
  AH_ASSIGN_OR_RETURN(const Bytes executable, ReadFile(options_.enclave, kExecutableBytesMax));
  if (device_ == nullptr) return ToHex(attest::MeasureExecutable(executable));
  AH_RETURN_IF_ERROR(device_->Launching(executable));
  // What the hardware measures is its own affair; asking once also shows whether it answers.
  AH_ASSIGN_OR_RETURN(auto files, device_->Quote(attest::ReportData{}));
  AH_ASSIGN_OR_RETURN(Bytes body, attest::SerializeCarried(std::move(files)));
  AH_ASSIGN_OR_RETURN(const attest::UnverifiedStatement statement,
                      attest::ReadUnverifiedStatement({device_->platform(), std::move(body)}));
  return ToHex(statement.measurement);
}

Status Host::Start(const UniqueFd& signals) {
  AH_ASSIGN_OR_RETURN(measurement_, Measure());
  AH_ASSIGN_OR_RETURN(StoreServer store, StoreServer::Open(state_.path(), device_.get()));
  store_.emplace(std::move(store));
  AH_ASSIGN_OR_RETURN(EnclaveProcess enclave,
                      EnclaveProcess::Start(options_.enclave, state_.path() / "enclave.log"));
  enclave_.emplace(std::move(enclave));
  relay_.emplace(enclave_->TakeRelay(), signals.get(), log_);
  store_thread_ = std::thread([this, fd = enclave_->TakeStore()] {
    const Status served = store_->Serve(fd.get());
    if (!served.ok()) {
      log_.Error("the store ended", {{"why", PublicText(served.error().message())}});
    }
  });
  return Ok();
}

Result<HostInfo> Host::Announce(const UniqueFd& listener) {
  AH_ASSIGN_OR_RETURN(const std::string address, AddressOf(listener));
  const HostInfo info{
      .address = address,
      .pid = ::getpid(),
      .enclave_pid = enclave_->pid(),
      .measurement = measurement_,
      .platform = std::string(attest::PlatformName(
          device_ == nullptr ? attest::Platform::kInsecureSimulated : device_->platform()))};
  AH_RETURN_IF_ERROR(ReplaceFile(state_.path() / "host.json", AsBytes(FormatHostInfo(info))));
  return info;
}

Status Host::Stop() {
  relay_->SendStop();
  if (!enclave_->WaitEnded(kStopTimeout)) {
    log_.Warning("the enclave did not end in time and was killed");
    enclave_->Kill();
  }
  log_.Info("stopped");
  return Ok();
}

Status Host::Run() {
  AH_ASSIGN_OR_RETURN(const UniqueFd signals, CatchSignals());
  // The address is taken first: a port in use must not cost an enclave's start.
  AH_ASSIGN_OR_RETURN(UniqueFd listener, Listen(options_.listen));
  AH_RETURN_IF_ERROR(Start(signals));
  const std::filesystem::path enclave_log = state_.path() / "enclave.log";
  AH_ASSIGN_OR_RETURN(Relay::Event event, relay_->WaitReady(kReadyTimeout));
  if (event == Relay::Event::kReady) {
    AH_ASSIGN_OR_RETURN(const HostInfo info, Announce(listener));
    log_.Info("serving", {{"address", PublicText(info.address)},
                          {"platform", PublicText(info.platform)},
                          {"measurement", PublicText(info.measurement)}});
    WriteReady(options_, FormatHostInfo(info));
    AH_ASSIGN_OR_RETURN(event, relay_->Run(std::move(listener)));
  }
  if (event == Relay::Event::kSignal && StopWasAsked(signals)) return Stop();
  return EnclaveEnded(*enclave_, enclave_log);
}

// Null for insecure-simulated, which is run only if it was asked for by its name.
Result<std::unique_ptr<EvidenceDevice>> ChooseDevice(const Options& options) {
  if (options.platform == attest::PlatformName(attest::Platform::kInsecureSimulated)) {
    if (!options.device.empty() || options.vmpl.has_value()) {
      return InvalidInput("insecure-simulated has no device and no privilege level");
    }
    return std::unique_ptr<EvidenceDevice>();
  }
  return OpenDevice({.platform = options.platform, .device = options.device, .vmpl = options.vmpl});
}

Status RunHost(const Options& options, const Log& log) {
  AH_ASSIGN_OR_RETURN(std::unique_ptr<EvidenceDevice> device, ChooseDevice(options));
  AH_ASSIGN_OR_RETURN(StateFolder state, StateFolder::Open(options.state));
  Host host(options, std::move(state), std::move(device), log);
  return host.Run();
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Starts an Anchorhold enclave, keeps its sealed files and relays its clients' connections.\n"
      "Usually started by `anchorhold up`."};
  Options options;
  app.add_option("--state", options.state, "Folder for sealed files; made if missing")->required();
  app.add_option("--listen", options.listen, "ADDRESS:PORT to listen at; port 0 picks a free one")
      ->capture_default_str();
  app.add_option("--enclave", options.enclave, "The anchorhold-enclave executable")->required();
  app.add_option("--platform", options.platform,
                 "auto: the hardware that this machine has; sev-snp, tdx, sgx-dcap: exactly that "
                 "one; insecure-simulated: none, protects against nobody who owns this machine")
      ->required();
  app.add_option("--device", options.device,
                 "Where the platform's interface lies, if not where Linux has it; not with auto");
  app.add_option("--vmpl", options.vmpl, "SEV-SNP: the privilege level that reports state")
      ->check(CLI::Range(0, 3));
  app.add_option("--ready-fd", options.ready_fd,
                 "Descriptor that gets one line of JSON once the host serves, or failed to");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : ExitStatus(ErrorCode::kInvalidInput);
  }
  const SystemClock clock;
  const Log log("host", STDERR_FILENO, clock);
  const Status status = RunHost(options, log);
  if (status.ok()) return 0;
  WriteReady(options, FormatHostError(status.error().message()));
  std::fprintf(stderr, "anchorhold-host: %s\n", status.error().message().c_str());
  return ExitStatus(status.error().code());
}

}  // namespace
}  // namespace anchorhold::host

int main(int argc, char** argv) { return anchorhold::host::Main(argc, argv); }
