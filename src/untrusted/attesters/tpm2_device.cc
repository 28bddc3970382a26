#include "untrusted/attesters/tpm2_device.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "shared/attest/tpm2_pcrs.h"

namespace anchorhold::host {
namespace {

constexpr std::uint8_t kPcrs = 16;  // 0 to 15: firmware, system, enclave
constexpr int kAttempts = 5;
constexpr std::size_t kPcrBytes = 32;

template <typename T>
struct EsysFree {
  void operator()(T* memory) const { Esys_Free(memory); }
};
template <typename T>
using EsysPtr = std::unique_ptr<T, EsysFree<T>>;

Error TpmError(const char* what, TSS2_RC code) {
  std::array<char, 11> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", code);
  return Unavailable(std::string("the TPM: ") + what + " failed (TSS2_RC " + text.data() + ")");
}

#define AH_TPM(what, call)                                      \
  do {                                                          \
    const TSS2_RC code = (call);                                \
    if (code != TSS2_RC_SUCCESS) return TpmError((what), code); \
  } while (false)

TPML_PCR_SELECTION SelectAll() {
  TPML_PCR_SELECTION selection{};
  selection.count = 1;
  selection.pcrSelections[0].hash = TPM2_ALG_SHA256;
  selection.pcrSelections[0].sizeofSelect = 3;
  for (std::uint8_t pcr = 0; pcr < kPcrs; ++pcr) {
    BYTE& bits = selection.pcrSelections[0].pcrSelect[pcr / 8];
    bits = static_cast<BYTE>(bits | 1U << (pcr % 8));
  }
  return selection;
}

bool IsEmpty(const TPML_PCR_SELECTION& selection) {
  for (UINT32 i = 0; i < selection.count; ++i) {
    for (const BYTE bits : selection.pcrSelections[i].pcrSelect) {
      if (bits != 0) return false;
    }
  }
  return true;
}

// A key that signs nothing but what its TPM made, and never leaves it.
TPM2B_PUBLIC AttestationKeyTemplate() {
  TPM2B_PUBLIC out{};
  TPMT_PUBLIC& key = out.publicArea;
  key.type = TPM2_ALG_ECC;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_FIXEDTPM |
                         TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                         TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  key.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  key.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
  key.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  key.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  key.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  return out;
}

ByteSpan Span(const BYTE* bytes, std::size_t size) { return std::as_bytes(std::span(bytes, size)); }

template <typename T, typename Marshal>
Result<Bytes> Marshalled(const T& value, Marshal marshal) {
  std::array<std::uint8_t, sizeof(T) + 64> buffer{};
  std::size_t size = 0;
  AH_TPM("writing an answer down", marshal(&value, buffer.data(), buffer.size(), &size));
  return CopyBytes(Span(buffer.data(), size));
}

// attest/tpm2_pcrs.h
Bytes PcrsJson(const attest::Tpm2PcrValues& values) {
  std::string out = "{\"sha256\": {";
  const char* comma = "";
  for (const auto& [pcr, value] : values.at(attest::Tpm2Hash::kSha256)) {
    out += comma + ("\"" + std::to_string(pcr)) + "\": \"" + ToHex(value) + "\"";
    comma = ", ";
  }
  return CopyBytes(AsBytes(out + "}}"));
}

}  // namespace

class Tpm2Device::Session {
 public:
  static Result<std::unique_ptr<Session>> Open(const std::string& tcti) {
    auto session = std::make_unique<Session>();
    AH_TPM("finding it", Tss2_TctiLdr_Initialize(tcti.c_str(), &session->tcti_));
    AH_TPM("talking to it", Esys_Initialize(&session->esys_, session->tcti_, nullptr));
    AH_RETURN_IF_ERROR(session->CreateKey());
    return session;
  }
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (key_ != ESYS_TR_NONE) Esys_FlushContext(esys_, key_);
    if (esys_ != nullptr) Esys_Finalize(&esys_);
    if (tcti_ != nullptr) Tss2_TctiLdr_Finalize(&tcti_);
  }

  Result<attest::Tpm2PcrValues> ReadPcrs();
  Status Extend(ByteSpan digest);
  Result<std::vector<attest::CarriedFile>> Quote(ByteSpan extra_data);

 private:
  Status CreateKey();

  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
  ESYS_TR key_ = ESYS_TR_NONE;
  Bytes key_public_;  // TPMT_PUBLIC
};

Status Tpm2Device::Session::CreateKey() {
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_PUBLIC wanted = AttestationKeyTemplate();
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION none{};
  TPM2B_PUBLIC* made = nullptr;
  AH_TPM("making its attestation key",
         Esys_CreatePrimary(esys_, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &sensitive, &wanted, &outside, &none, &key_, &made,
                            nullptr, nullptr, nullptr));
  const EsysPtr<TPM2B_PUBLIC> owned(made);
  AH_ASSIGN_OR_RETURN(key_public_, Marshalled(made->publicArea, Tss2_MU_TPMT_PUBLIC_Marshal));
  return Ok();
}

// A TPM answers with as many registers as it likes at a time.
Result<attest::Tpm2PcrValues> Tpm2Device::Session::ReadPcrs() {
  attest::Tpm2PcrValues out;
  auto& bank = out[attest::Tpm2Hash::kSha256];
  TPML_PCR_SELECTION left = SelectAll();
  while (!IsEmpty(left)) {
    UINT32 counter = 0;
    TPML_PCR_SELECTION* got = nullptr;
    TPML_DIGEST* values = nullptr;
    AH_TPM("reading its registers", Esys_PCR_Read(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                                  &left, &counter, &got, &values));
    const EsysPtr<TPML_PCR_SELECTION> owned_selection(got);
    const EsysPtr<TPML_DIGEST> owned_values(values);
    if (values->count == 0) return Unavailable("the TPM has no registers in the bank sha256");
    UINT32 next = 0;
    for (std::uint8_t pcr = 0; pcr < kPcrs && next < values->count; ++pcr) {
      const BYTE bit = static_cast<BYTE>(1U << (pcr % 8));
      if ((got->pcrSelections[0].pcrSelect[pcr / 8] & bit) == 0) continue;
      const TPM2B_DIGEST& value = values->digests[next++];
      bank[pcr] = CopyBytes(Span(value.buffer, value.size));
      BYTE& bits = left.pcrSelections[0].pcrSelect[pcr / 8];
      bits = static_cast<BYTE>(bits & ~bit);
    }
  }
  return out;
}

Status Tpm2Device::Session::Extend(ByteSpan digest) {
  TPML_DIGEST_VALUES values{};
  values.count = 1;
  values.digests[0].hashAlg = TPM2_ALG_SHA256;
  std::transform(digest.begin(), digest.end(), values.digests[0].digest.sha256,
                 [](std::byte b) { return std::to_integer<BYTE>(b); });
  AH_TPM("extending PCR 15",
         Esys_PCR_Extend(esys_, ESYS_TR_PCR0 + attest::kTpm2EnclavePcr, ESYS_TR_PASSWORD,
                         ESYS_TR_NONE, ESYS_TR_NONE, &values));
  return Ok();
}

Result<std::vector<attest::CarriedFile>> Tpm2Device::Session::Quote(ByteSpan extra_data) {
  TPM2B_DATA qualifying{};
  AH_CHECK(extra_data.size() <= sizeof(qualifying.buffer));
  qualifying.size = static_cast<UINT16>(extra_data.size());
  std::transform(extra_data.begin(), extra_data.end(), qualifying.buffer,
                 [](std::byte b) { return std::to_integer<BYTE>(b); });
  const TPMT_SIG_SCHEME scheme{.scheme = TPM2_ALG_NULL, .details = {}};  // the key's own
  const TPML_PCR_SELECTION selection = SelectAll();
  for (int i = 0; i < kAttempts; ++i) {
    AH_ASSIGN_OR_RETURN(const attest::Tpm2PcrValues pcrs, ReadPcrs());
    TPM2B_ATTEST* quoted = nullptr;
    TPMT_SIGNATURE* signature = nullptr;
    AH_TPM("quoting", Esys_Quote(esys_, key_, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                 &qualifying, &scheme, &selection, &quoted, &signature));
    const EsysPtr<TPM2B_ATTEST> owned_quote(quoted);
    const EsysPtr<TPMT_SIGNATURE> owned_signature(signature);
    Bytes attest = CopyBytes(Span(quoted->attestationData, quoted->size));
    AH_ASSIGN_OR_RETURN(const auto read, attest::UnverifiedTpm2Attest::Parse(attest));
    const attest::Tpm2AttestFields& fields = read.unverified();
    AH_ASSIGN_OR_RETURN(const Bytes digest,
                        attest::DigestPcrs(fields.selections, pcrs, attest::Tpm2Hash::kSha256));
    // Somebody extended a register between reading and quoting.
    if (digest != fields.pcr_digest) continue;
    AH_ASSIGN_OR_RETURN(Bytes signed_by, Marshalled(*signature, Tss2_MU_TPMT_SIGNATURE_Marshal));
    std::vector<attest::CarriedFile> files;
    files.push_back({"attest", std::move(attest)});
    files.push_back({"signature", std::move(signed_by)});
    files.push_back({"ak_public_tpmt", key_public_});
    files.push_back({"pcrs", PcrsJson(pcrs)});
    return files;
  }
  return Unavailable("the TPM's registers do not come to rest; what extends them all the time?");
}

Tpm2Device::Tpm2Device(std::unique_ptr<Session> session) : session_(std::move(session)) {}
Tpm2Device::~Tpm2Device() = default;

Result<std::unique_ptr<Tpm2Device>> Tpm2Device::Open(const std::string& tcti) {
  auto session = Session::Open(tcti);
  if (!session.ok()) return session.error().At(tcti);
  return std::unique_ptr<Tpm2Device>(new Tpm2Device(std::move(session).value()));
}

Status Tpm2Device::Launching(ByteSpan executable) {
  AH_ASSIGN_OR_RETURN(const attest::Tpm2PcrValues before, session_->ReadPcrs());
  const Bytes& now = before.at(attest::Tpm2Hash::kSha256).at(attest::kTpm2EnclavePcr);
  if (now == attest::Tpm2Measurement(executable)) return Ok();
  if (now != Bytes(kPcrBytes)) {
    return Unavailable(
        "PCR 15 holds something else since this machine was started, another enclave perhaps, so "
        "it cannot say which enclave runs: restart the machine");
  }
  AH_RETURN_IF_ERROR(session_->Extend(attest::Tpm2Digest(attest::Tpm2Hash::kSha256, executable)));
  AH_ASSIGN_OR_RETURN(const attest::Tpm2PcrValues after, session_->ReadPcrs());
  if (after.at(attest::Tpm2Hash::kSha256).at(attest::kTpm2EnclavePcr) ==
      attest::Tpm2Measurement(executable)) {
    return Ok();
  }
  return Unavailable("PCR 15 was extended by somebody else at the same time: restart the machine");
}

Result<std::vector<attest::CarriedFile>> Tpm2Device::Quote(const attest::ReportData& report_data) {
  return session_->Quote(attest::BoundBytes(platform(), report_data));
}

}  // namespace anchorhold::host
