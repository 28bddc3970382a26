// A platform of Intel's for tests: a root, certificates, a quoting enclave and collateral of our
// own, and quotes that they vouch for. Every part can be bent before it is made.
#pragma once

#include <map>

#include "shared/attest/intel_pck.h"
#include "shared/attest/kind.h"
#include "shared/crypto/test_certificates.h"

namespace anchorhold::attest::testing {

inline constexpr UnixSeconds kIntelNow{1'750'000'000};

// What a test says of a level in collateral.
struct TestLevel {
  TcbComponents sgx{}, tdx{};
  std::uint32_t pce_svn = 0;
  std::string status = "UpToDate";
  std::vector<std::string> advisories = {};
};
struct TestIsvLevel {
  std::uint32_t isv_svn = 0;
  std::string status = "UpToDate";
  std::vector<std::string> advisories = {};
};
struct TestModule {
  std::string id;
  std::string attributes = "0000000000000000";
  std::string attributes_mask = "FFFFFFFFFFFFFFFF";
  std::vector<TestIsvLevel> levels = {};
};
struct TestDates {
  UnixSeconds from{1'740'000'000};
  UnixSeconds to{1'760'000'000};
};
// Extended into a register, and content that the digest states if `name` is not empty.
struct TestEvent {
  std::size_t rtmr = 0;
  std::string name;
  std::string payload;
};

enum class QuoteForm { kSgx3, kTdx4, kTdx5 };

class IntelPlatform {
 public:
  explicit IntelPlatform(QuoteForm form = QuoteForm::kTdx4);

  // Files by role: quote, tcb_info, tcb_info_issuer_chain, qe_identity, qe_identity_issuer_chain,
  // pck_crl, root_ca_crl.
  std::map<std::string, Bytes> Files() const;
  // Files of an earlier call, with the quote (or the two documents) signed anew over the same
  // certificates.
  std::map<std::string, Bytes> WithQuote(std::map<std::string, Bytes> files) const;
  std::map<std::string, Bytes> WithDocuments(std::map<std::string, Bytes> files) const;
  // The PCK's chain in PEM.
  std::string PckChain() const;
  // {"NAME": value, "signature": ...}.
  static Bytes SignDocument(std::string_view name, std::string_view value);
  std::string TcbInfoText() const;
  std::string QeIdentityText() const;
  // Of `events`, as the firmware and as dstack write them.
  Bytes CcelLog() const;
  Bytes DstackLog() const;
  // Lays what the events give into the report's registers.
  void SetRtmrs();
  // Names our root; every rule is set, and holds.
  AppraisalPolicy Policy() const;
  Kind kind() const;
  // Intel's own, in hex: without an identity, the quoting enclave is known by it.
  std::string QeSigner() const;
  bool IsTd() const { return form != QuoteForm::kSgx3; }
  // Where the report begins in the quote.
  std::size_t BodyAt() const { return form == QuoteForm::kTdx5 ? 54 : 48; }

  QuoteForm form;
  Bytes header, body, qe_report;
  Bytes authentication_data;
  Bytes trailing;
  std::uint16_t certification_type = 5;
  std::optional<Bytes> certification_data;  // instead of the chain in PEM
  Bytes qe_report_data;                     // instead of what binds the key; empty: that
  TcbComponents components{};
  std::uint16_t pce_svn = 13;
  Bytes fmspc, pceid;
  std::vector<TestEvent> events;

  std::vector<TestLevel> levels;
  std::vector<TestModule> modules;
  std::vector<TestIsvLevel> qe_levels;
  TestDates tcb_info_dates, qe_identity_dates;
  std::string tcb_info_id, qe_identity_id;
  std::uint32_t tcb_info_version = 3;
  std::uint32_t evaluation_number = 17;

  crypto::testing::CertificateSpec pck_spec, ca_spec, root_spec, signer_spec;
  crypto::testing::RevocationListSpec pck_crl_spec, root_crl_spec;

 private:
  Bytes SignedQuote(const Bytes& chain) const;
  Bytes PckExtension() const;
};

}  // namespace anchorhold::attest::testing
