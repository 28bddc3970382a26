// The enclave as it ships, on SEV-SNP hardware of our own making: the host asks a kernel that the
// test plays, and the client judges, keeps endorsements, and says what is wrong.
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "shared/attest/ear.h"
#include "shared/attest/test_snp.h"
#include "shared/crypto/hash.h"
#include "tests/support/deployment.h"
#include "untrusted/attesters/configfs_tsm.h"
#include "untrusted/attesters/test_tsm.h"
#include "untrusted/host/enclave_process.h"
#include "untrusted/host/relay.h"
#include "untrusted/host/store_server.h"
#include "untrusted/host/test_support.h"

namespace anchorhold::testing {
namespace {

using attest::testing::SnpPlatform;
using host::testing::ScratchFolder;

constexpr UnixSeconds kFar{4'000'000'000};

SnpPlatform LastingPlatform() {
  SnpPlatform platform;
  for (auto* spec : {&platform.vek_spec, &platform.intermediate_spec, &platform.ark_spec}) {
    spec->not_after = kFar;
  }
  platform.crl_spec.next_update = kFar;
  return platform;
}

// Host and enclave, as anchorhold-host has them, with the test's kernel.
class Machine {
 public:
  explicit Machine(SnpPlatform platform)
      : platform_(std::move(platform)), log_("host", log_pipe_.write.get(), clock_) {
    behaviour_.outblob = [this](ByteSpan inblob) {
      std::copy(inblob.begin(), inblob.end(), platform_.report.begin() + 0x50);
      return platform_.SignedReport();
    };
    device_ = host::ConfigfsTsm::Open({.root = tsm_.path()},
                                      std::make_unique<host::testing::FakeTsm>(behaviour_))
                  .value();
    store_.emplace(host::StoreServer::Open(state_.path(), device_.get()).value());
    enclave_.emplace(
        host::EnclaveProcess::Start(Binary("anchorhold-enclave"), state_.path() / "enclave.log")
            .value());
    relay_.emplace(enclave_->TakeRelay(), stop_.read.get(), log_);
    store_thread_ = std::thread([this, fd = enclave_->TakeStore()] {
      [[maybe_unused]] auto end = store_->Serve(fd.get());
    });
    const auto ready = relay_->WaitReady(std::chrono::seconds(120));
    EXPECT_TRUE(ready.ok() && *ready == host::Relay::Event::kReady)
        << ReadText(state_.path() / "enclave.log");
    auto listener = host::Listen("127.0.0.1:0").value();
    address_ = host::AddressOf(listener).value();
    relay_thread_ = std::thread([this, fd = std::move(listener)]() mutable {
      [[maybe_unused]] const auto end = relay_->Run(std::move(fd));
    });
  }
  ~Machine() {
    EXPECT_EQ(::write(stop_.write.get(), "x", 1), 1);
    relay_thread_.join();
    enclave_->Kill();
    store_thread_.join();
  }

  const std::string& address() const { return address_; }

 private:
  struct Pipe {
    Pipe() {
      int ends[2] = {};
      AH_CHECK(::pipe(ends) == 0);
      read = host::UniqueFd(ends[0]);
      write = host::UniqueFd(ends[1]);
    }
    host::UniqueFd read, write;
  };

  SnpPlatform platform_;
  ScratchFolder tsm_, state_;
  host::testing::TsmBehaviour behaviour_;
  SystemClock clock_;
  Pipe stop_, log_pipe_;
  Log log_;
  std::unique_ptr<host::ConfigfsTsm> device_;
  std::optional<host::StoreServer> store_;
  std::optional<host::EnclaveProcess> enclave_;
  std::optional<host::Relay> relay_;
  std::thread store_thread_, relay_thread_;
  std::string address_;
};

class SnpSession : public ::testing::Test {
 protected:
  SnpSession() : files_(platform_.Files()), machine_(platform_) {
    Run({"keygen"});
    WriteText(parties_.Path("policy.toml"), attest::FormatPolicy(platform_.Policy()));
  }
  Outcome Run(std::vector<std::string> arguments) { return parties_.As("hospital", arguments); }
  Outcome Attest(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"attest", "--server", machine_.address(), "--policy",
                               parties_.Path("policy.toml")});
    return Run(more);
  }
  // What a person has fetched elsewhere and brings along.
  Outcome Fetch(const std::map<std::string, Bytes>& files) {
    const std::string folder = parties_.Path("stick");
    std::filesystem::create_directories(folder);
    for (const auto& [role, bytes] : files) {
      if (role != "report") WriteText(folder + "/" + role + ".der", CopyText(bytes));
    }
    return Run({"endorsements", "fetch", "--server", machine_.address(), "--from", folder});
  }

  SnpPlatform platform_ = LastingPlatform();
  std::map<std::string, Bytes> files_;
  Machine machine_;
  Deployment parties_;
};

TEST_F(SnpSession, EndorsementsAreFetchedOnceAndTheResultIsAToken) {
  const Outcome without = Attest();
  EXPECT_EQ(without.status, 3);
  EXPECT_NE(without.err.find("vek_is_given"), std::string::npos) << without.err;
  EXPECT_NE(without.err.find("anchorhold endorsements fetch"), std::string::npos) << without.err;
  // Where the files are, if nothing else is said.
  const Outcome where = Run({"endorsements", "fetch", "--server", machine_.address()});
  EXPECT_NE(where.status, 0);
  EXPECT_NE((where.out + where.err).find("https://kdsintf.amd.com/vcek/v1/Milan/c4c4"),
            std::string::npos)
      << where.out << where.err;
  const Outcome fetched = Fetch(files_);
  ASSERT_EQ(fetched.status, 0) << fetched.err;
  const Outcome list = Run({"endorsements", "list"});
  EXPECT_NE(list.out.find("crl"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find(FormatTime(kFar)), std::string::npos) << list.out;

  const Outcome attest = Attest({"--json", "--audience", "registry"});
  ASSERT_EQ(attest.status, 0) << attest.err;
  const auto json = nlohmann::json::parse(attest.out);
  EXPECT_EQ(json["platform"], "sev-snp");
  EXPECT_EQ(json["measurement"], ToHex(platform_.Policy().measurements[0]));
  const auto key =
      crypto::Ed25519PublicKey::From(FromHex(json["ear_signed_by"].get<std::string>()).value());
  const auto ear = attest::VerifyEar(SystemClock().Now(), json["ear"].get<std::string>(),
                                     key.value(), "registry");
  ASSERT_TRUE(ear.ok()) << ear.error().message();
  EXPECT_EQ(ear->status, attest::TrustTier::kAffirming);
  EXPECT_EQ(ear->policy_id,
            "sha-256:" + crypto::Sha256(AsBytes(ReadText(parties_.Path("policy.toml")))).hex());
  EXPECT_EQ(nlohmann::json::parse(ear->payload), json["ear_claims"]);
  EXPECT_EQ(Run({"key", "--json"}).status, 0);
  EXPECT_EQ(nlohmann::json::parse(Run({"key", "--json"}).out)["public_key"], json["ear_signed_by"]);

  const Outcome text = Attest();
  ASSERT_EQ(text.status, 0) << text.err;
  for (const char* part : {"sev-snp", "nothing speaks against it", "Is the hardware genuine",
                           "report_signature", "yes", "Left out"}) {
    EXPECT_NE(text.out.find(part), std::string::npos) << part << "\n" << text.out;
  }
}

TEST_F(SnpSession, WhatIsOverOrRevokedIsRefusedAndSaysHowToGoOn) {
  SnpPlatform old = platform_;
  old.crl_spec.next_update = UnixSeconds(SystemClock().Now().value() - 1);
  const Outcome stale = Fetch(old.Files());
  EXPECT_NE(stale.status, 0);
  EXPECT_NE(stale.err.find("crl: was good until"), std::string::npos) << stale.err;
  // One that is over by the time of the appraisal.
  old.crl_spec.next_update = UnixSeconds(SystemClock().Now().value() + 10);
  ASSERT_EQ(Fetch(old.Files()).status, 0);
  std::this_thread::sleep_for(std::chrono::seconds(12));
  const Outcome over = Attest();
  EXPECT_EQ(over.status, 3);
  EXPECT_NE(over.err.find("endorsements_current"), std::string::npos) << over.err;
  EXPECT_NE(over.err.find("anchorhold endorsements fetch"), std::string::npos) << over.err;
  SnpPlatform revoking = platform_;
  revoking.crl_spec.serials = {revoking.intermediate_spec.serial};
  ASSERT_EQ(Fetch(revoking.Files()).status, 0);
  const Outcome revoked = Attest();
  EXPECT_EQ(revoked.status, 3);
  EXPECT_NE(revoked.err.find("intermediate_not_revoked"), std::string::npos) << revoked.err;
}

}  // namespace
}  // namespace anchorhold::testing
