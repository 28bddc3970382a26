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
  Host(const Options& options, StateFolder state, const Log& log)
      : options_(options), state_(std::move(state)), log_(log) {}
  ~Host();

  // Until a stop is asked for (Ok) or the enclave ends.
  Status Run();

 private:
  Status Start(const UniqueFd& signals);
  Result<HostInfo> Announce(const UniqueFd& listener);
  Status Stop();

  const Options& options_;
  StateFolder state_;
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

Status Host::Start(const UniqueFd& signals) {
  AH_ASSIGN_OR_RETURN(const Bytes executable, ReadFile(options_.enclave, kExecutableBytesMax));
  measurement_ = ToHex(attest::MeasureExecutable(executable));
  AH_ASSIGN_OR_RETURN(StoreServer store, StoreServer::Open(state_.path(), options_.platform));
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
  const HostInfo info{.address = address,
                      .pid = ::getpid(),
                      .enclave_pid = enclave_->pid(),
                      .measurement = measurement_,
                      .platform = options_.platform};
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

Status RunHost(const Options& options, const Log& log) {
  if (options.platform != "insecure-simulated") {
    return Unsupported("--platform " + PublicText(options.platform).text() +
                       ": this version knows insecure-simulated only");
  }
  AH_ASSIGN_OR_RETURN(StateFolder state, StateFolder::Open(options.state));
  Host host(options, std::move(state), log);
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
                 "insecure-simulated: no hardware, protects against nobody who owns this machine")
      ->required();
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
