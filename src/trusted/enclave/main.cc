// anchorhold-enclave: the trusted process. Started by anchorhold-host with a relay on descriptor 3,
// a store on descriptor 4 and a log on standard error; it opens nothing else, and locks itself in
// before it looks at anything that a client or the disk says.
#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>

#include "shared/attest/simulated.h"
#include "shared/channel/server.h"
#include "shared/crypto/init.h"
#include "shared/crypto/kdf.h"
#include "trusted/enclave/hosted_attester.h"
#include "trusted/enclave/relay.h"
#include "trusted/enclave/sandbox.h"
#include "trusted/enclave/window.h"
#include "trusted/simd/target.h"

namespace anchorhold::enclave {
namespace {

constexpr std::size_t kExecutableBytesMax = 256 * limits::kMiB;

// The bytes of the running program, which the simulated platform measures in the hardware's stead.
Result<Bytes> ReadOwnExecutable() {
  const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0 || info.st_size <= 0 ||
      static_cast<std::uint64_t>(info.st_size) > kExecutableBytesMax) {
    return Unavailable("the enclave cannot read its own executable");
  }
  Bytes file(static_cast<std::size_t>(info.st_size));
  std::size_t got = 0;
  while (got < file.size()) {
    const ssize_t n = ::read(fd, file.data() + got, file.size() - got);
    if (n <= 0) return Unavailable("the enclave cannot read its own executable");
    got += static_cast<std::size_t>(n);
  }
  ::close(fd);
  return file;
}

// What hardware seals lives as long as the process (hosted_attester.h): records of an earlier one
// could not be opened, and would look damaged.
Status RefuseUsedState(StoreClient& store) {
  AH_ASSIGN_OR_RETURN(const auto record, HostLog(store).Read(0));
  if (!record.has_value()) return Ok();
  return Unsupported(
      "the state folder holds an earlier enclave's ledger, and on this platform keys do not "
      "outlive the enclave: start with an empty folder (--state), to which owners upload anew");
}

Result<std::unique_ptr<attest::Attester>> MakeAttester(StoreClient& store) {
  AH_ASSIGN_OR_RETURN(Launch launch, AskForLaunch(store));
  AH_ASSIGN_OR_RETURN(const attest::Platform platform, attest::ParsePlatform(launch.platform));
  if (platform != attest::Platform::kInsecureSimulated) {
    AH_RETURN_IF_ERROR(RefuseUsedState(store));
    AH_ASSIGN_OR_RETURN(auto hosted, HostedAttester::Create(platform, store));
    return std::unique_ptr<attest::Attester>(std::move(hosted));
  }
  AH_ASSIGN_OR_RETURN(const Bytes executable, ReadOwnExecutable());
  AH_ASSIGN_OR_RETURN(auto simulated,
                      attest::SimulatedAttester::Create(attest::MeasureExecutable(executable),
                                                        std::move(launch.simulated_secret)));
  return std::unique_ptr<attest::Attester>(
      std::make_unique<attest::SimulatedAttester>(std::move(simulated)));
}

// Every long-lived key comes from the sealing root, which only this enclave on this machine has.
struct Keys {
  crypto::HpkePrivateKey sealing;
  ledger::LedgerKeys ledger;
  crypto::SecretBytes anchor;
};

Result<Keys> DeriveKeys(attest::Attester& attester) {
  AH_ASSIGN_OR_RETURN(const crypto::SecretBytes root, attester.SealingRoot());
  AH_ASSIGN_OR_RETURN(crypto::HpkePrivateKey sealing,
                      crypto::HpkePrivateKey::Derive(
                          crypto::DeriveKey(root, "anchorhold enclave sealing key v1", 32)));
  AH_ASSIGN_OR_RETURN(crypto::Ed25519PrivateKey signing,
                      crypto::Ed25519PrivateKey::FromSeed(
                          crypto::DeriveKey(root, "anchorhold enclave ledger signing v1", 32)));
  return Keys{.sealing = std::move(sealing),
              .ledger = {.log_key = crypto::DeriveKey(root, "anchorhold enclave ledger log v1", 32),
                         .signing_key = std::move(signing)},
              .anchor = crypto::DeriveKey(root, "anchorhold enclave anchor v1", 32)};
}

// Who this is: measurement, keys, and evidence that binds them.
struct Identity {
  std::unique_ptr<attest::Attester> attester;
  Keys keys;
  attest::EnclaveKeys public_keys;
  attest::UnverifiedEvidence evidence;
  channel::ServerIdentity tls;
};

Result<Identity> MakeIdentity(StoreClient& store) {
  AH_ASSIGN_OR_RETURN(std::unique_ptr<attest::Attester> attester, MakeAttester(store));
  AH_ASSIGN_OR_RETURN(Keys keys, DeriveKeys(*attester));
  const crypto::Ed25519PrivateKey tls_key = crypto::Ed25519PrivateKey::Generate();
  const attest::EnclaveKeys public_keys{.tls_key = tls_key.public_key(),
                                        .sealing_key = keys.sealing.public_key(),
                                        .ledger_key = keys.ledger.signing_key.public_key()};
  AH_ASSIGN_OR_RETURN(attest::UnverifiedEvidence evidence,
                      attester->Attest(attest::BindKeys(public_keys)));
  AH_ASSIGN_OR_RETURN(channel::ServerIdentity tls,
                      channel::ServerIdentity::Create(tls_key, public_keys, evidence));
  return Identity{.attester = std::move(attester),
                  .keys = std::move(keys),
                  .public_keys = public_keys,
                  .evidence = std::move(evidence),
                  .tls = std::move(tls)};
}

// Errors at this level tell what the host did or gave; they are about no client's data.
[[noreturn]] void Fail(const Log& log, const Error& error) {
  log.Error("ended", {{"why", PublicText(error.message())}});
  ::_exit(1);
}

// The process's threads beside the main one: the job thread, and those that help it.
struct Threads {
  Worker* worker = nullptr;
  std::shared_ptr<engine::ThreadPool> pool;
};

// All of them run, past their first steps, when this returns; none is ever ended.
Threads StartThreads() {
  const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1U);
  auto* const pool = new engine::ThreadPool(std::min(cores, limits::kEnclaveThreadsMax));
  pool->Run([](std::size_t) {});
  return {.worker = new Worker,
          .pool = std::shared_ptr<engine::ThreadPool>(pool, [](engine::ThreadPool*) {})};
}

// Behind the walls: replays the ledger and serves until the host says stop.
Status Serve(Identity& identity, StoreClient& store, const Threads& threads, Bulletin& bulletin,
             const Clock& clock, const Log& log) {
  HostLog host_log(store);
  HostBlobs blobs(store);
  InsecureFileAnchor anchor(store, std::move(identity.keys.anchor));
  AH_ASSIGN_OR_RETURN(const std::unique_ptr<ledger::Ledger> ledger,
                      ledger::Ledger::Open({.log = &host_log,
                                            .anchor = &anchor,
                                            .clock = &clock,
                                            .platform = identity.attester->platform(),
                                            .measurement = identity.attester->measurement()},
                                           std::move(identity.keys.ledger)));
  Jobs jobs({.ledger = ledger.get(),
             .blobs = &blobs,
             .sealing_key = &identity.keys.sealing,
             .keys = &identity.public_keys,
             .evidence = &identity.evidence,
             .worker = threads.worker,
             .pool = threads.pool,
             .bulletin = &bulletin,
             .log = &log});
  Service service{.attester = identity.attester.get(),
                  .keys = &identity.public_keys,
                  .sealing_key = &identity.keys.sealing,
                  .ledger = ledger.get(),
                  .blobs = &blobs,
                  .jobs = &jobs,
                  .clock = &clock,
                  .log = &log};
  Relay relay({.fd = wire::kRelayFd,
               .identity = &identity.tls,
               .service = &service,
               .bulletin = &bulletin});
  log.Info("serving");
  const Status served = relay.Serve();
  // At once, with a job running or not, for it uses what is above: whatever was promised to anybody
  // is already durable.
  if (!served.ok()) Fail(log, served.error());
  log.Info("stopped");
  ::_exit(0);
}

Status Run(const Clock& clock, const Log& log) {
  AH_RETURN_IF_ERROR(DieWithHost());
  AH_RETURN_IF_ERROR(crypto::InitCrypto());
  simd::AvailableTargets();  // asks the system, which the sandbox forbids later
  StoreClient store(wire::kStoreFd);
  AH_ASSIGN_OR_RETURN(Identity identity, MakeIdentity(store));

  // The last things that need the system: threads and descriptors. Then the walls go up. Neither is
  // ever ended, for that takes calls that the sandbox forbids: from here on the process only exits.
  if (::fcntl(wire::kRelayFd, F_SETFL, O_NONBLOCK) != 0) {
    return Unavailable("descriptor 3 is no relay; anchorhold-host starts the enclave");
  }
  AH_ASSIGN_OR_RETURN(const std::unique_ptr<Bulletin> bulletin, Bulletin::Create());
  const Threads threads = StartThreads();
  const std::array<int, 4> keep = {STDERR_FILENO, wire::kRelayFd, wire::kStoreFd,
                                   bulletin->wake_fd()};
  const Status locked = LockIn(keep);
  if (!locked.ok()) Fail(log, locked.error());
  log.Info("locked in", {{"measurement", PublicText(ToHex(identity.attester->measurement()))},
                         {"threads", threads.pool->threads()}});
  const Status served = Serve(identity, store, threads, *bulletin, clock, log);
  Fail(log, served.error());
}

}  // namespace
}  // namespace anchorhold::enclave

int main() {
  using anchorhold::Log;
  google::protobuf::SetLogHandler(nullptr);
  const anchorhold::SystemClock clock;
  const Log log("enclave", STDERR_FILENO, clock);
  const anchorhold::Status status = anchorhold::enclave::Run(clock, log);
  anchorhold::enclave::Fail(log, status.error());
}
